"""Training keeps the best weights, stops early, and goes on after a kill as if nothing had happened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import checkpoint, keras_setup
from pipeline.checkpoint import Row
from pipeline.model import build_model
from pipeline.optimizer import compile_model
from pipeline.packed import Packed
from pipeline.params import Params
from pipeline.training import Data, _class_weights, epoch_line, fit

Make = Callable[..., Params]
SETTINGS = (
    "model.filters=[4]",
    "model.kernel=3",
    "model.padding=same",
    "model.pool=2",
    "model.dense=[8]",
    "model.dropout=0.2",
    "model.dense_dropout=0.2",
    "model.batch_norm=true",
    "train.batch_size=16",
    "train.learning_rate=0.01",
    "train.epochs=4",
    "train.patience=0",
    "train.class_weights=none",
    "train.monitor=val_loss",
    "train.threads=2",
)
RICH = (
    "augment.rotation=10",
    "augment.flip_horizontal=true",
    "augment.cutout=0.2",
    "augment.brightness=0.1",
    "train.label_smoothing=0.1",
    "train.class_weights=balanced",
    "train.average=0.8",
)
COLUMNS = {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def stripes(count: int, seed: int, turned: int = 0) -> Packed:
    """Three classes by the place of a bright stripe; `turned` gives them other labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count).astype(np.int32)
    images = random.integers(0, 120, (count, 8, 8, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 2] += 120
    return Packed(images, (labels + turned) % 3)


LEARNABLE = Data(stripes(60, 0), stripes(30, 1))
MISLEADING = Data(stripes(60, 0), stripes(30, 1, turned=1))  # the more is learned, the worse is validation


def train(params: Params, saved: Path, data: Data = LEARNABLE, killed_in: int = 0) -> tuple[Any, list[Row], list[Row]]:
    """Model, history, and the rows that `watch` was told."""
    told: list[Row] = []

    def watch(row: Row, seconds: float) -> None:
        told.append(dict(row))
        if row["epoch"] == killed_in:
            raise Killed

    model = build_model(params.model, (8, 8, 1), 3, params.train.seed)
    compile_model(model, params.train, -(-len(data.train) // params.train.batch_size), 3)
    return model, fit(model, data, params.train, params.augment, saved, watch), told


def same_weights(left: Any, right: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left.get_weights(), right.get_weights(), strict=True))


def test_the_history_has_one_row_per_epoch_and_watch_is_told_each_once(tmp_path: Path, make_params: Make) -> None:
    _, history, told = train(make_params(*SETTINGS), tmp_path / "saved.npz")
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert all(set(row) == COLUMNS for row in history)
    assert told == history


def test_it_learns_what_can_be_learned(tmp_path: Path, make_params: Make) -> None:
    overrides = ("train.epochs=12", "train.optimizer=adam", "train.schedule=constant", "train.learning_rate=0.02")
    _, history, _ = train(make_params(*SETTINGS, *overrides), tmp_path / "saved.npz")
    assert history[-1]["val_accuracy"] > 0.9


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_early_stopping_ends_with_the_best_epochs_weights(tmp_path: Path, make_params: Make, monitor: str) -> None:
    overrides = ("train.epochs=30", "train.patience=2", f"train.monitor={monitor}", "train.optimizer=adam")
    model, history, _ = train(make_params(*SETTINGS, *overrides), tmp_path / "saved.npz", MISLEADING)
    values = [row[monitor] for row in history]
    best = values.index(min(values) if monitor == "val_loss" else max(values))
    assert len(history) == best + 1 + 2 < 30
    measured = model.evaluate(MISLEADING.val.images, MISLEADING.val.labels, verbose=0, return_dict=True)
    assert measured[monitor.removeprefix("val_")] == pytest.approx(values[best], rel=1e-4)


def test_patience_without_a_stop_still_ends_with_the_best_weights(tmp_path: Path, make_params: Make) -> None:
    overrides = ("train.epochs=3", "train.patience=50", "train.optimizer=adam")
    model, history, _ = train(make_params(*SETTINGS, *overrides), tmp_path / "saved.npz", MISLEADING)
    measured = model.evaluate(MISLEADING.val.images, MISLEADING.val.labels, verbose=0, return_dict=True)
    assert len(history) == 3
    assert measured["loss"] == pytest.approx(min(row["val_loss"] for row in history), rel=1e-4)


def test_without_patience_all_epochs_run_and_the_last_weights_stay(tmp_path: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, "train.optimizer=adam", "train.epochs=6")
    model, history, _ = train(params, tmp_path / "saved.npz", MISLEADING)
    measured = model.evaluate(MISLEADING.val.images, MISLEADING.val.labels, verbose=0, return_dict=True)
    assert len(history) == 6
    assert measured["loss"] == pytest.approx(history[-1]["val_loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        ("adam", "one-cycle"),
        pytest.param("adamw", "cosine", marks=pytest.mark.slow),
        pytest.param("sgd", "constant", marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_goes_on_bit_exactly(
    tmp_path: Path, make_params: Make, optimizer: str, schedule: str
) -> None:
    chosen = (f"train.optimizer={optimizer}", f"train.schedule={schedule}", "train.epochs=5", "train.patience=4")
    params = make_params(*SETTINGS, *RICH, *chosen)
    undisturbed, whole, _ = train(params, tmp_path / "undisturbed.npz")
    for epoch in (3, 5):
        with pytest.raises(Killed):
            train(params, tmp_path / "killed.npz", killed_in=epoch)
        assert (tmp_path / "killed.npz").exists()
    resumed, history, told = train(params, tmp_path / "killed.npz")
    assert 0 < len(told) < 5
    assert history == whole
    assert same_weights(resumed, undisturbed)


SMALL = ("model.pooling=average", "train.small_epochs=2", "train.small_scale=0.75")


@pytest.mark.slow
def test_small_images_come_first_and_a_kill_changes_nothing(tmp_path: Path, make_params: Make) -> None:
    chosen = (*SETTINGS, *RICH, "train.optimizer=sgdw", "train.schedule=triangular")
    _, large, _ = train(make_params(*chosen, *SMALL[:1]), tmp_path / "large.npz")
    params = make_params(*chosen, *SMALL)
    undisturbed, whole, told = train(params, tmp_path / "undisturbed.npz")
    assert [row["epoch"] for row in told] == [1, 2, 3, 4] and whole[0] != large[0]
    for epoch in (2, 3, 4):
        with pytest.raises(Killed):
            train(params, tmp_path / "killed.npz", killed_in=epoch)
    resumed, history, told = train(params, tmp_path / "killed.npz")
    assert 0 < len(told) < 4
    assert history == whole and same_weights(resumed, undisturbed)
    assert resumed.evaluate(LEARNABLE.val.images, LEARNABLE.val.labels, verbose=0)[0] == pytest.approx(
        whole[-1]["val_loss"], rel=1e-4
    )


def test_averaged_weights_of_small_images_are_not_gone_on_from(tmp_path: Path, make_params: Make) -> None:
    changes = (*SETTINGS, *SMALL, "train.optimizer=sgd", "model.dropout=0", "model.dense_dropout=0")
    averaged, plain = (
        train(make_params(*changes, f"train.average={average}"), tmp_path / f"{average}.npz")[1] for average in (0.5, 0)
    )
    assert [row["loss"] for row in averaged] == [row["loss"] for row in plain]
    assert [row["val_loss"] for row in averaged] != [row["val_loss"] for row in plain]


def test_stopping_among_the_small_images_ends_the_training(tmp_path: Path, make_params: Make) -> None:
    early = ("train.epochs=60", "train.small_epochs=50", "train.patience=1", "train.optimizer=adam")
    _, history, _ = train(make_params(*SETTINGS, *SMALL[::2], *early), tmp_path / "saved.npz", MISLEADING)
    assert len(history) < 50


def test_a_resumed_training_remembers_best_weights_from_before_the_kill(tmp_path: Path, make_params: Make) -> None:
    params = make_params(*SETTINGS, "train.epochs=30", "train.patience=3", "train.optimizer=adam")
    undisturbed, whole, _ = train(params, tmp_path / "undisturbed.npz", MISLEADING)
    with pytest.raises(Killed):
        train(params, tmp_path / "killed.npz", MISLEADING, killed_in=len(whole) - 1)
    resumed, history, _ = train(params, tmp_path / "killed.npz", MISLEADING)
    assert history == whole and len(whole) < 30
    assert same_weights(resumed, undisturbed)


def test_two_trainings_in_one_process_are_equal_and_another_seed_is_another(tmp_path: Path, make_params: Make) -> None:
    one, two, other = (
        train(make_params(*SETTINGS, *RICH, "train.epochs=2", f"train.seed={seed}"), tmp_path / f"{number}.npz")
        for number, seed in enumerate((0, 0, 1))
    )
    assert one[1] == two[1] and same_weights(one[0], two[0])
    assert one[1] != other[1]


def test_a_foreign_checkpoint_is_not_gone_on_from(tmp_path: Path, make_params: Make) -> None:
    saved, params = tmp_path / "saved.npz", make_params(*SETTINGS, "train.epochs=2")
    with pytest.raises(Killed):
        train(make_params(*SETTINGS, "model.dense=[9]"), saved, killed_in=3)
    fresh, foreign = train(params, tmp_path / "none.npz"), train(params, saved)
    assert [row["epoch"] for row in foreign[2]] == [1, 2]
    assert same_weights(fresh[0], foreign[0])


def test_a_checkpoint_of_a_training_that_was_over_trains_no_further(tmp_path: Path, make_params: Make) -> None:
    saved = tmp_path / "saved.npz"
    model, history, _ = train(make_params(*SETTINGS), saved)
    checkpoint.save(saved, model, checkpoint.Progress(history))
    again, repeated, told = train(make_params(*SETTINGS), saved)
    assert told == [] and repeated == history and same_weights(again, model)


def test_balanced_class_weights_give_every_class_the_same_say() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2], np.int32)
    weights = _class_weights(Packed(np.zeros((10, 1, 1, 1), np.uint8), labels))
    assert [weights[number] * count for number, count in enumerate((6, 3, 1))] == pytest.approx([10 / 3] * 3)


def test_class_weights_change_the_training(tmp_path: Path, make_params: Make) -> None:
    plain, balanced = (
        train(make_params(*SETTINGS, "train.epochs=1", f"train.class_weights={kind}"), tmp_path / f"{kind}.npz")
        for kind in ("none", "balanced")
    )
    assert plain[1] != balanced[1]


def test_an_epoch_is_told_in_one_plain_line() -> None:
    row = {"epoch": 3.0, "accuracy": 0.5, "loss": 1.25}
    assert epoch_line(row, 10, 0.123) == "epoch   3/10  accuracy 0.5000  loss 1.2500  0.1 s"


def test_epochs_are_plain_lines_without_a_terminal(
    tmp_path: Path, make_params: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    train(make_params(*SETTINGS, "train.epochs=2"), tmp_path / "saved.npz")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in lines] == ["epoch   1/2", "epoch   2/2"]


@pytest.mark.parametrize("patience", [0, 2])
def test_averaged_weights_are_kept_and_judged(tmp_path: Path, make_params: Make, patience: int) -> None:
    settings = (*SETTINGS, f"train.patience={patience}", "train.epochs=6")
    model, history, _ = train(make_params(*settings, "train.average=0.9"), tmp_path / "a.npz")
    loss, accuracy = model.evaluate(LEARNABLE.val.images, LEARNABLE.val.labels, batch_size=16, verbose=0)
    best = min(history, key=lambda row: row["val_loss"]) if patience else history[-1]
    assert (best["val_loss"], best["val_accuracy"]) == pytest.approx((loss, accuracy), abs=1e-6)
    plain, _, _ = train(make_params(*settings), tmp_path / "b.npz")
    assert not np.allclose(model.get_weights()[0], plain.get_weights()[0], atol=1e-6)


def test_an_average_over_no_past_is_the_weights_themselves(tmp_path: Path, make_params: Make) -> None:
    averaged, _, _ = train(make_params(*SETTINGS, "train.average=1e-9"), tmp_path / "a.npz")
    plain, _, _ = train(make_params(*SETTINGS), tmp_path / "b.npz")
    for ours, theirs in zip(averaged.get_weights(), plain.get_weights(), strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
