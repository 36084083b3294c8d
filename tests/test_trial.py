"""One trial: trains as the stage does, answers to its parent, and cannot open the test split."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline import packed, paths, trial
from pipeline.checkpoint import Row
from pipeline.params import Params
from pipeline.trainer import Failed, Killed, Trainer
from pipeline.trial import Result, Task

Make = Callable[..., Params]
TINY = ("model.filters=[4]", "model.dense=[]", "train.epochs=3", "train.batch_size=32", "model.batch_norm=false")


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return Trainer()


@pytest.fixture
def splits(workspace: Path) -> Path:
    """Small training and validation splits, and a test split that nobody may open."""
    import json

    random = np.random.default_rng(0)
    for folder, count in ((paths.TRAIN, 96), (paths.VAL, 48), (paths.TEST, 48)):
        folder.mkdir(parents=True)
        labels = random.integers(0, 3, count)
        pixels = random.integers(0, 60, (count, 8, 8, 1), dtype=np.uint8)
        for number, label in enumerate(labels):
            pixels[number, 2 * label : 2 * label + 2] += 150
        packed.write(folder, pixels, range(count), labels.tolist())
    paths.CLASSES.write_text(json.dumps(["a", "b", "c"]))
    return workspace


def task(params: Params, objectives: tuple[str, ...] = ("val_accuracy",)) -> Task:
    return Task(params, objectives, Path("trial.log"))


def run(trainer: Trainer, params: Params, objectives: tuple[str, ...] = ("val_accuracy",)) -> tuple[Result, list[Row]]:
    rows: list[Row] = []

    def report(row: Row, seconds: float) -> bool:
        rows.append(row)
        return True

    result = trainer.train(task(params, objectives), report)
    assert result
    return result, rows


def test_the_same_task_gives_the_same_numbers_and_those_of_the_last_epoch(
    trainer: Trainer, splits: Path, make_params: Make
) -> None:
    first, rows = run(trainer, make_params(*TINY))
    second, _ = run(trainer, make_params(*TINY))
    assert first.values == second.values
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert first.values["val_accuracy"] == rows[-1]["val_accuracy"]
    assert first.values["parameters"] == 4 * 9 + 4 + 4 * 16 * 3 + 3
    assert 0 < first.fit_seconds < 300


def test_other_metrics_come_with_every_epoch(trainer: Trainer, splits: Path, make_params: Make) -> None:
    result, rows = run(trainer, make_params(*TINY), ("val_macro_f1", "latency_ms"))
    assert all(0 <= row["val_macro_f1"] <= 1 for row in rows)
    assert result.values["val_macro_f1"] == rows[-1]["val_macro_f1"]
    assert result.values["latency_ms"] > 0


def test_the_parent_ends_it_after_an_epoch(trainer: Trainer, splits: Path, make_params: Make) -> None:
    rows: list[Row] = []

    def report(row: Row, seconds: float) -> bool:
        rows.append(row)
        return len(rows) < 2

    assert trainer.train(task(make_params(*TINY)), report) is None
    assert len(rows) == 2


def test_a_loss_that_is_no_number_fails_with_advice(trainer: Trainer, splits: Path, make_params: Make) -> None:
    deep = ("model.filters=[8, 8]", "model.dense=[32, 32, 32]", "model.rescale=false", "train.batch_size=8")
    params = make_params(*TINY, *deep, "train.learning_rate=10", "train.optimizer=sgd", "train.momentum=0.99")
    with pytest.raises(Failed, match=r"is (nan|inf|-inf) after epoch \d: a lower train.learning_rate"):
        run(trainer, params)


def test_what_raises_says_why_in_one_line(trainer: Trainer, splits: Path, make_params: Make) -> None:
    (paths.VAL / "images.npy").unlink()
    with pytest.raises(Failed, match="UserError: data/split/val is missing or broken") as caught:
        run(trainer, make_params(*TINY))
    assert "\n" not in str(caught.value)


def test_a_trial_cannot_open_the_test_split(trainer: Trainer, splits: Path, make_params: Make) -> None:
    for name in ("images.npy", "labels.npy"):  # a trial that is led to the test split by its paths
        (paths.VAL / name).unlink()
        (paths.VAL / name).symlink_to((paths.TEST / name).resolve())
    with pytest.raises(Failed, match="a trial may not read the test split"):
        run(trainer, make_params(*TINY))


def test_the_numbers_do_not_depend_on_the_test_split(trainer: Trainer, splits: Path, make_params: Make) -> None:
    import shutil

    before, _ = run(trainer, make_params(*TINY))
    shutil.rmtree(paths.TEST)
    after, _ = run(trainer, make_params(*TINY))
    assert before.values == after.values


def test_a_killed_process_is_told_from_a_failure(trainer: Trainer, splits: Path, make_params: Make) -> None:
    def report(row: Row, seconds: float) -> bool:
        (process,) = trainer.running
        process.kill()
        return True

    with pytest.raises(Killed, match="killed: its process ended by signal 9"):
        trainer.train(task(make_params(*TINY)), report)
    assert not trainer.running


def test_a_trial_ends_with_its_parent(splits: Path, make_params: Make, program: Any) -> None:
    script = splits / "parent.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from pipeline import params_file, paths\n"
        "from pipeline.trainer import Trainer\n"
        "from pipeline.trial import Task\n"
        "def report(row, seconds):\n"
        "    (process,) = trainer.running\n"
        "    print(process.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "if __name__ == '__main__':\n"
        "    trainer = Trainer()\n"
        "    trainer.train(Task(params_file.load(paths.PARAMS), ('val_accuracy',), Path('trial.log')), report)\n"
    )
    done = program("parent")
    assert done.returncode == -9
    child = int(done.stdout.split()[-1])
    deadline = time.monotonic() + 60
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the trial outlived its parent"
        time.sleep(0.1)


def test_a_stopped_trainer_begins_nothing(splits: Path, make_params: Make) -> None:
    stopped = Trainer()
    stopped.stop()
    with pytest.raises(Killed, match="before it began"):
        stopped.train(task(make_params(*TINY)), lambda row, seconds: True)


def test_the_kept_epoch_is_the_best_one_with_patience_else_the_last(make_params: Make) -> None:
    rows: list[Row] = [{"epoch": n, "val_loss": loss} for n, loss in enumerate((0.5, 0.3, 0.4), start=1)]
    assert trial.kept_row(rows, make_params().train)["epoch"] == 3
    assert trial.kept_row(rows, make_params("train.patience=2", "train.monitor=val_loss").train)["epoch"] == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("no room"), "out of memory: no room"),
        (ValueError("OOM when allocating\ntensor"), "out of memory: OOM when allocating tensor"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_reasons(error: Exception, said: str) -> None:
    assert trial.reason(error) == said


def test_a_trial_leaves_no_descriptor_open(trainer: Trainer, splits: Path, make_params: Make) -> None:
    run(trainer, make_params(*TINY, "train.epochs=1"))
    before = psutil.Process().num_fds()
    for _ in range(3):
        run(trainer, make_params(*TINY, "train.epochs=1"))
    assert psutil.Process().num_fds() <= before
