"""Training on top of a trained body: only what should changes, and the bytes repeat whatever was kept or killed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import canonical, keras_setup
from pipeline.checkpoint import Row
from pipeline.model import between
from pipeline.packed import Packed
from pipeline.params import Params
from pipeline.stages.train import train
from pipeline.training import Data
from pipeline.transfer import LEAST_VARIANCE, build, job_of
from tests.test_train import CLASSES, outputs
from tests.test_training import LEARNABLE, SETTINGS, Killed

Make = Callable[..., Params]
PLAIN = [f"augment.{name}=0" for name in ("rotation", "shift_height", "shift_width", "zoom")]
FROZEN = ("backbone.trainable=none", "train.epochs=3", "train.learning_rate=0.01", *PLAIN)
TUNED = ("backbone.head_epochs=2", "train.epochs=3", "backbone.trainable=1")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    keras_setup.deterministic(0, 2)


@pytest.fixture
def start(tmp_path: Path, make_params: Make) -> Path:
    """A model to begin with, trained for an epoch."""
    run(make_params(*SETTINGS, *PLAIN, "train.epochs=1"), tmp_path / "start")
    return outputs(tmp_path / "start").model


def run(params: Params, folder: Path, killed_in: int = 0) -> bytes:
    """The bytes of the model."""

    def watch(row: Row, seconds: float) -> None:
        if row["epoch"] == killed_in:
            raise Killed

    folder.mkdir(exist_ok=True)
    train(params, LEARNABLE, CLASSES, folder / "saved.npz", watch, outputs(folder))
    return outputs(folder).model.read_bytes()


def layers(file: Path) -> dict[str, Any]:
    model, _ = canonical.load(file)
    return {
        layer.name: np.concatenate([w.ravel() for w in layer.get_weights()]) for layer in model.layers if layer.weights
    }


def test_a_frozen_body_stays_as_it_was_and_its_features_are_computed_once(
    tmp_path: Path, start: Path, make_params: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_params(*SETTINGS, *FROZEN, f"backbone.weights={start}")
    first = run(params, tmp_path / "a")
    before, after = layers(start), layers(outputs(tmp_path / "a").model)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"dense_1", "probabilities"}
    assert "computing" in capsys.readouterr().out
    assert run(params, tmp_path / "b") == first
    assert "computing" not in capsys.readouterr().out
    shutil.rmtree(tmp_path / ".reprolens" / "features")
    assert run(params, tmp_path / "c") == first


@pytest.mark.slow
def test_the_head_comes_first_and_a_kill_changes_nothing(tmp_path: Path, start: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, *TUNED, f"backbone.weights={start}")
    first = run(params, tmp_path / "a")
    with pytest.raises(Killed):
        run(params, tmp_path / "b", killed_in=2)
    assert run(params, tmp_path / "b") == first
    without = make_params(*SETTINGS, *TUNED, f"backbone.weights={start}", "backbone.head_epochs=0")
    assert run(without, tmp_path / "c") != first


TWO = ("model.filters=[4,6]", "model.dense=[]", "model.dense_dropout=0", "backbone.trainable=1", "train.epochs=3")
CHANGED = ("augment.rotation=20", "augment.flip_horizontal=true")


@pytest.fixture
def two(tmp_path: Path, make_params: Make) -> Path:
    """A model of two blocks to begin with."""
    run(make_params(*SETTINGS, *PLAIN, *TWO[:3], "train.epochs=1"), tmp_path / "two")
    return outputs(tmp_path / "two").model


def test_fine_tuning_on_features_is_that_of_the_whole_network(
    tmp_path: Path, two: Path, make_params: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_params(*SETTINGS, *PLAIN, *TWO, "model.dropout=0", f"backbone.weights={two}")
    run(params, tmp_path / "a")
    assert "computing 64 features of each of 60 training images" in capsys.readouterr().out
    monkeypatch.setattr("pipeline.features.MOST", 1)
    run(params, tmp_path / "b")
    assert "the frozen layers run in each epoch" in capsys.readouterr().out
    on_features, on_pixels = layers(outputs(tmp_path / "a").model), layers(outputs(tmp_path / "b").model)
    before = layers(two)
    changed = {name for name in before if not np.array_equal(before[name], on_features[name])}
    assert changed == {"block_2_conv_1", "block_2_conv_1_norm", "probabilities"}
    for name in before:
        assert np.allclose(on_features[name], on_pixels[name], atol=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("backbone.head_epochs=1", "backbone.normalize=true")])
def test_views_are_run_through_the_frozen_layers_once(
    tmp_path: Path, two: Path, make_params: Make, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    settings = (*SETTINGS, *PLAIN, *TWO, *CHANGED, *more, f"backbone.weights={two}")
    first = run(make_params(*settings, "backbone.views=2"), tmp_path / "a")
    assert "features of each of 120 training images" in capsys.readouterr().out
    assert run(make_params(*settings, "backbone.views=2"), tmp_path / "b") == first
    assert "computing" not in capsys.readouterr().out
    with pytest.raises(Killed):
        run(make_params(*settings, "backbone.views=2"), tmp_path / "c", killed_in=2)
    shutil.rmtree(tmp_path / ".reprolens" / "features")
    assert run(make_params(*settings, "backbone.views=2"), tmp_path / "c") == first
    assert run(make_params(*settings, "backbone.views=3"), tmp_path / "d") != first
    assert run(make_params(*settings), tmp_path / "e") != first


@pytest.mark.parametrize("trainable", ["none", "1", "all"])
def test_normalised_features_have_one_scale(tmp_path: Path, make_params: Make, trainable: str) -> None:
    network = (*SETTINGS, *PLAIN, *TWO[:3], "model.batch_norm=false", "train.epochs=1")
    run(make_params(*network), tmp_path / "start")
    begun = (f"backbone.weights={outputs(tmp_path / 'start').model}", f"backbone.trainable={trainable}")
    run(make_params(*network, *begun, "backbone.normalize=true", "train.learning_rate=1e-9"), tmp_path / "a")
    model, _ = canonical.load(outputs(tmp_path / "a").model)
    parts = [between(model, None, name, name) for name in ("flatten", "normalize")]
    before, after = (part.predict(LEARNABLE.train.images, verbose=0) for part in parts)
    varied = before.var(axis=0) > min(LEAST_VARIANCE, before.var(axis=0).mean())
    assert varied.sum() > 3
    assert np.allclose(after.mean(axis=0), 0, atol=1e-3) and np.allclose(after.std(axis=0)[varied], 1, atol=3e-2)
    assert (after.std(axis=0)[~varied] <= 1.01).all()


def test_a_head_taken_over_keeps_the_scale_of_its_features(tmp_path: Path, make_params: Make) -> None:
    network = (*SETTINGS, *PLAIN, *TWO[:3], "model.batch_norm=false", "train.epochs=1", "train.learning_rate=1e-9")
    run(make_params(*network), tmp_path / "start")
    normalized = (*network, "backbone.normalize=true", "backbone.trainable=none")
    run(make_params(*normalized, f"backbone.weights={outputs(tmp_path / 'start').model}"), tmp_path / "a")
    file, others = outputs(tmp_path / "a").model, LEARNABLE.train.images // 2
    params = make_params(*normalized, f"backbone.weights={file}")
    data = Data(Packed(others, LEARNABLE.train.labels), LEARNABLE.val)
    for labels, is_kept in ((CLASSES, True), ([f"other {name}" for name in CLASSES], False)):
        whole = build(params, data, len(labels))
        job_of(whole, params, data, file, labels)
        kept = np.array_equal(np.concatenate(whole.get_layer("normalize").get_weights()), layers(file)["normalize"])
        assert kept == is_kept
