"""Features of a frozen body: computed once, whatever is killed, and anew where anything else is computed."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline import features, keras_setup
from pipeline.body import FEATURES
from pipeline.features import Views
from pipeline.model import between, build_model
from pipeline.packed import Packed
from tests.tracked_runs import params_of

if TYPE_CHECKING:
    import keras

RNG = np.random.default_rng(0)
SPLIT = Packed(RNG.integers(0, 256, (70, 8, 8, 1), dtype=np.uint8), np.arange(70, dtype=np.int32) % 3)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    keras_setup.deterministic(0, 2)


def body(seed: int = 0) -> "keras.Model":
    params = params_of("model.filters=[4]", "model.dense=[]")
    return between(build_model(params.model, (8, 8, 1), 3, seed), None, FEATURES, "body")


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / ".reprolens" / "features").glob("*.npy")}


def test_features_are_those_of_the_body(tmp_path: Path) -> None:
    model = body()
    made = features.features_of(model, SPLIT, 2, "training")
    assert np.allclose(made.images, model.predict(SPLIT.images, verbose=0), atol=1e-6)
    assert (str(made.images.dtype), made.labels.tolist()) == ("float32", SPLIT.labels.tolist())
    assert list((tmp_path / ".reprolens" / "features").glob("*.part")) == []


def test_they_are_computed_once_whether_layers_train_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features.features_of(body(), SPLIT, 2, "training")
    before, again = files(tmp_path), body()
    capsys.readouterr()
    again.layers[2].trainable = False
    features.features_of(again, SPLIT, 2, "training")
    assert capsys.readouterr().out == "train: the features of 70 training images are at hand\n"
    assert files(tmp_path) == before


def test_other_weights_images_or_threads_are_other_features(tmp_path: Path) -> None:
    changed = SPLIT.images.copy()
    changed[3, 2, 1, 0] ^= 1
    features.features_of(body(), SPLIT, 2, "training")
    features.features_of(body(seed=1), SPLIT, 2, "training")
    features.features_of(body(), Packed(changed, SPLIT.labels), 2, "training")
    features.features_of(body(), SPLIT, 1, "training")
    assert len(files(tmp_path)) == 4


def changed_views(count: int = 3, seed: int = 0, rotation: float = 30.0) -> Views:
    values = params_of(f"augment.rotation={rotation}").augment
    return Views(SPLIT.images, count, values, seed)


def test_views_are_changed_images_in_the_order_of_the_images() -> None:
    views = changed_views()
    whole = np.concatenate([views[start : start + 32] for start in range(0, len(views), 32)])
    assert whole.shape == views.shape == (210, 8, 8, 1)
    assert np.array_equal(whole[64:96], views[64:96])
    distance = np.abs(whole[:70].astype(int) - SPLIT.images).mean(axis=(1, 2, 3))
    other = np.abs(whole[:70].astype(int) - SPLIT.images[::-1]).mean(axis=(1, 2, 3))
    assert 0 < distance.mean() < other.mean()
    assert not np.array_equal(whole[:70], whole[70:140])


def test_other_views_are_other_features(tmp_path: Path) -> None:
    made = [
        features.features_of(body(), SPLIT, 2, "training", views)
        for views in (None, changed_views(), changed_views(2), changed_views(seed=1), changed_views(rotation=10.0))
    ]
    assert len(files(tmp_path)) == len(made)
    assert [len(each.images) for each in made] == [70, 210, 140, 210, 210]
    again = features.features_of(body(), SPLIT, 2, "training", changed_views())
    assert np.array_equal(again.images, made[1].images) and len(again) == 70


@pytest.mark.parametrize("kept", [0, 100, 9_000, 17_920, 40_000])
def test_a_killed_computation_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, kept: int, capsys: pytest.CaptureFixture[str]
) -> None:
    views = changed_views() if kept > 17_920 else None
    made = features.features_of(body(), SPLIT, 2, "training", views)
    ((name, whole),) = files(tmp_path).items()
    target = tmp_path / ".reprolens" / "features" / name
    target.unlink()
    row = made.images.shape[1] * 4
    target.with_suffix(".part").write_bytes(made.images.tobytes()[:kept])
    capsys.readouterr()
    features.features_of(body(), SPLIT, 2, "training", views)
    done = kept // (32 * row) * 32
    assert (f"from {done}" in capsys.readouterr().out) == (done > 0)
    assert files(tmp_path) == {name: whole}


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features.features_of(body(), SPLIT, 2, "training")
    monkeypatch.setattr(features, "MOST", len(next(iter(files(tmp_path).values()))) + 1)
    before = set(files(tmp_path))
    features.features_of(body(seed=1), SPLIT, 2, "training")
    assert len(files(tmp_path)) == 1 and not before & set(files(tmp_path))
