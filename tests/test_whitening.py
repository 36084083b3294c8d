"""The first layer that makes patches uncorrelated: measured on training images, the same each time, never trained."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import canonical, keras_setup, whitening
from pipeline.model import between, build_model
from pipeline.packed import Packed
from pipeline.params import Params
from tests.test_train import outputs
from tests.test_training import LEARNABLE, SETTINGS
from tests.test_transfer import PLAIN, layers, run

Make = Callable[..., Params]
COUNT, SIDE = 400, 8


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    keras_setup.deterministic(0, 2)


def smooth(channels: int = 3, seed: int = 0) -> Packed:
    """Images whose neighbouring pixels and channels are alike."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 200, (COUNT, SIDE // 4, SIDE // 4, 1))
    noise = random.integers(0, 50, (COUNT, SIDE, SIDE, channels))
    images = (coarse.repeat(4, axis=1).repeat(4, axis=2) + noise).astype(np.uint8)
    return Packed(images, np.zeros(COUNT, np.int32))


@pytest.mark.parametrize(("side", "channels"), [(2, 3), (3, 1), (1, 3)])
def test_answers_are_uncorrelated_and_of_one_size(make_params: Make, side: int, channels: int) -> None:
    params = make_params("model.filters=[4]", f"model.whiten={side}", f"image.channels={channels}")
    model, train = build_model(params.model, (SIDE, SIDE, channels), 3, 0), smooth(channels)
    whitening.measure(model, train)
    seen = between(model, None, "whiten", "whitened").predict(train.images, verbose=0)
    half = side * side * channels
    assert seen.shape[-1] == 2 * half
    assert np.allclose(seen[..., :half], -seen[..., half:], atol=1e-4)
    covariance = np.cov(seen[..., :half].reshape(-1, half), rowvar=False).reshape(half, half)
    assert np.allclose(covariance - np.diag(np.diag(covariance)), 0, atol=0.02)
    assert (np.diag(covariance) > 0.6).all() and (np.diag(covariance) < 1.01).all()


def test_axes_are_the_principal_ones_whatever_their_sign(make_params: Make) -> None:
    from sklearn.decomposition import PCA

    images = smooth().images
    axes = whitening.principal(images, 2, 1 / 255)
    patches = [
        images[:, y : y + 2, x : x + 2].reshape(COUNT, -1) / 255 for y in range(SIDE - 1) for x in range(SIDE - 1)
    ]
    found = PCA(whiten=False).fit(np.concatenate(patches))
    ours = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    assert abs((ours[0] * found.components_[0]).sum()) == pytest.approx(1, abs=1e-6)
    lengths = 1 / np.sqrt(found.explained_variance_ + whitening.LEAST_VARIANCE)
    assert np.allclose(np.linalg.norm(axes, axis=1), lengths, rtol=1e-3)


def test_training_leaves_the_layer_alone_and_the_bytes_repeat(tmp_path: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, *PLAIN, "model.whiten=2", "model.activation=gelu", "train.average=0.5")
    first = run(params, tmp_path / "a")
    assert run(params, tmp_path / "b") == first
    measured = build_model(params.model, (8, 8, 1), 3, 0)
    whitening.measure(measured, LEARNABLE.train)
    kept, _ = canonical.load(outputs(tmp_path / "a").model)
    assert np.array_equal(kept.get_layer("whiten").get_weights()[0], measured.get_layer("whiten").get_weights()[0])


def test_a_warm_start_keeps_what_was_measured_then(tmp_path: Path, make_params: Make) -> None:
    settings = (*SETTINGS, *PLAIN, "model.whiten=2", "train.epochs=1")
    run(make_params(*settings), tmp_path / "a")
    start = outputs(tmp_path / "a").model
    run(make_params(*settings, f"backbone.weights={start}"), tmp_path / "b")
    before, after = layers(start), layers(outputs(tmp_path / "b").model)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert "whiten" not in changed and "block_1_conv_1" in changed
