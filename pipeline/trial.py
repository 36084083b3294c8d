"""One trial, in a process of its own: trains what it is told and reports each epoch; never sees the test split.

It knows neither Optuna nor MLflow. Its parent answers each report with whether to go on.
"""

import gc
import math
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipeline import keras_setup, objectives, packed, paths, transfer
from pipeline.checkpoint import Row
from pipeline.errors import one_line
from pipeline.metrics import VALIDATION
from pipeline.params import Params, Train
from pipeline.training import Data, fit

EVENTS_OF_FILES = ("open", "os.listdir", "os.scandir")


@dataclass(frozen=True)
class Task:
    """What to train, what to measure, and where the words that Keras and TensorFlow say go."""

    params: Params
    objectives: tuple[str, ...]
    log: Path
    weights: Path | None = None  # that `backbone.weights` names


@dataclass
class Result:
    """What a trial gave: the numbers of the weights that were kept, with costs; seconds inside Keras's `fit`."""

    values: dict[str, float] = field(default_factory=dict)
    fit_seconds: float = 0.0


class Stopped(Exception):
    """The parent wants no further epoch."""


def main(connection: Connection, leash: Connection, task: Task) -> None:
    """Runs a task, sending ("epoch", row, seconds)..., then ("done", Result) or ("failed", reason).

    Args:
        leash: closed by the end of the parent, which ends this process.
    """
    gc.freeze()  # what the fork server has imported stays: no collection need look at it
    refuse_test_split()
    _quiet(task.log)
    threading.Thread(target=die_with_parent, args=(leash,), daemon=True).start()
    try:
        connection.send(("done", run(task, connection)))
    except Stopped:
        pass
    except (EOFError, BrokenPipeError):
        os._exit(1)
    except Exception as error:
        connection.send(("failed", reason(error)))
    connection.close()
    sys.stdout.flush()
    os._exit(0)  # TensorFlow takes its time to leave


def run(task: Task, connection: Connection) -> Result:
    """Trains as the stage `train` does, with the same seed, so that the winner's number can be made again."""
    params, train = task.params, task.params.train
    keras_setup.deterministic(train.seed, train.threads)
    data = Data(packed.load(paths.TRAIN), packed.load(paths.VAL))
    classes = packed.load_classes(paths.CLASSES)
    job = transfer.job_of(transfer.build(params, data, len(classes)), params, data, task.weights, classes)
    wanted = objectives.measured(task.objectives)
    rows: list[Row] = []

    def watch(row: Row, seconds: float) -> None:
        rows.append(row | objectives.of_guesses(wanted, job.model, job.data.val, train.batch_size))
        _refuse_nan(rows[-1])
        connection.send(("epoch", rows[-1], seconds))
        if not connection.recv():
            raise Stopped

    began = time.monotonic()
    transfer.warm_up(job, params)
    fit(job.model, job.data, train, job.changes, None, watch)
    took = time.monotonic() - began
    return Result(kept_row(rows, train) | objectives.costs(task.objectives, job.whole), took)


def kept_row(rows: Sequence[Row], params: Train) -> Row:
    """The epoch whose weights the trained model has: the best one with patience, else the last."""
    if not params.patience:
        return dict(rows[-1])
    metric = VALIDATION[params.monitor]
    best = rows[0]
    for row in rows[1:]:
        best = row if metric.is_better(row[metric.name], best[metric.name]) else best
    return dict(best)


def reason(error: BaseException) -> str:
    """Why a trial failed, in one line."""
    kind = type(error).__name__
    if "OOM" in str(error) or kind in ("ResourceExhaustedError", "MemoryError"):
        return f"out of memory: {one_line(error)[:200]}"
    return f"{kind}: {one_line(error)[:300]}"


def refuse_test_split() -> None:
    """Makes this process unable to open anything of the test split from Python."""
    test = os.path.realpath(paths.TEST)

    def look(event: str, args: tuple[Any, ...]) -> None:
        if event in EVENTS_OF_FILES and args and isinstance(args[0], str | bytes | os.PathLike):
            place = os.path.realpath(os.fsdecode(args[0]))
            if place == test or place.startswith(test + os.sep):
                raise PermissionError(f"a trial may not read the test split: {place}")

    sys.addaudithook(look)


def _refuse_nan(row: Row) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value} after epoch {row['epoch']:.0f}: a lower train.learning_rate may help")


def _quiet(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(target, stream)
    os.close(target)
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", closefd=False, errors="replace")  # noqa: SIM115


def die_with_parent(leash: Connection) -> None:
    """Ends this process once the other end of `leash` is closed."""
    try:
        leash.recv()
    except (EOFError, OSError):
        os._exit(1)
