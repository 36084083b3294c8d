"""The train stage's outs: the model that the params say, its history, its layers; the same bytes every time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import canonical, keras_setup
from pipeline.checkpoint import Row
from pipeline.errors import UserError
from pipeline.model import one_way
from pipeline.params import Params
from pipeline.stages.train import Outputs, train, write_history
from tests.test_training import LEARNABLE, RICH, SETTINGS, Killed

Make = Callable[..., Params]
CLASSES = ["left", "middle", "right"]


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def outputs(folder: Path) -> Outputs:
    return Outputs(
        folder / "models" / "model.keras", folder / "train" / "history.csv", folder / "train" / "summary.txt"
    )


def run(params: Params, folder: Path, saved: Path, killed_in: int = 0) -> dict[str, bytes]:
    def watch(row: Row, seconds: float) -> None:
        if row["epoch"] == killed_in:
            raise Killed

    train(params, LEARNABLE, CLASSES, saved, watch, outputs(folder))
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_three_files_are_written_the_same_twice(tmp_path: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, *RICH, "train.epochs=2")
    first = run(params, tmp_path / "a", tmp_path / "a.npz")
    assert set(first) == {"models/model.keras", "train/history.csv", "train/summary.txt"}
    assert run(params, tmp_path / "b", tmp_path / "b.npz") == first


def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, *RICH, "train.epochs=3", "train.patience=2")
    with pytest.raises(Killed):
        run(params, tmp_path / "b", tmp_path / "b.npz", killed_in=2)
    assert not outputs(tmp_path / "b").model.exists() and (tmp_path / "b.npz").exists()
    assert run(params, tmp_path / "b", tmp_path / "b.npz") == run(params, tmp_path / "a", tmp_path / "a.npz")


def test_the_saved_model_is_the_trained_one_with_labels_and_params(tmp_path: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, "train.epochs=2")
    run(params, tmp_path, tmp_path / "saved.npz")
    model, note = canonical.load(outputs(tmp_path).model)
    history = pd.read_csv(outputs(tmp_path).history)
    accuracy = np.mean(model.predict(LEARNABLE.val.images, verbose=0).argmax(axis=1) == LEARNABLE.val.labels)
    assert note["labels"] == CLASSES and note["params"]["train"]["epochs"] == 2
    assert accuracy == pytest.approx(history["val_accuracy"].iloc[-1])


def test_what_is_saved_is_float32_and_answers_both_ways(tmp_path: Path, make_params: Make) -> None:
    changes = ("train.precision=mixed_bfloat16", "model.test_time_flip=true", "train.epochs=1")
    run(make_params(*SETTINGS, *changes), tmp_path, tmp_path / "saved.npz")
    model, _ = canonical.load(outputs(tmp_path).model)
    assert {layer.compute_dtype for layer in one_way(model).layers if layer.weights} == {"float32"}
    images = LEARNABLE.val.images
    assert np.allclose(model.predict(images, verbose=0), model.predict(images[:, :, ::-1], verbose=0), atol=1e-6)


def test_the_summary_is_written_and_said(tmp_path: Path, make_params: Make, capsys: pytest.CaptureFixture[str]) -> None:
    run(make_params(*SETTINGS, "train.epochs=1"), tmp_path, tmp_path / "saved.npz")
    text = outputs(tmp_path).summary.read_text()
    assert "block_1_conv_1" in text and text in capsys.readouterr().out


def test_the_history_is_a_table_with_whole_epochs(tmp_path: Path) -> None:
    row: dict[str, Any] = {"accuracy": 0.5, "epoch": 1, "loss": 1 / 3, "val_accuracy": 1.0, "val_loss": float("nan")}
    write_history([row], tmp_path / "history.csv")
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines == ["epoch,loss,accuracy,val_loss,val_accuracy", "1,0.333333333,0.5,,1"]


def test_threads_cannot_change_in_a_process_that_runs() -> None:
    with pytest.raises(UserError, match=r"train.threads cannot change to 1 in a process that runs with 2"):
        keras_setup.deterministic(0, 1)
