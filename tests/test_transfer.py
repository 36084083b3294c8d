"""Training on top of a trained body: only what should changes, and the bytes repeat whatever was kept or killed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import canonical, keras_setup
from pipeline.checkpoint import Row
from pipeline.params import Params
from pipeline.stages.train import train
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


def test_the_head_comes_first_and_a_kill_changes_nothing(tmp_path: Path, start: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, *TUNED, f"backbone.weights={start}")
    first = run(params, tmp_path / "a")
    with pytest.raises(Killed):
        run(params, tmp_path / "b", killed_in=2)
    assert run(params, tmp_path / "b") == first
    without = make_params(*SETTINGS, *TUNED, f"backbone.weights={start}", "backbone.head_epochs=0")
    assert run(without, tmp_path / "c") != first
