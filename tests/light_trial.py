"""Stands in for `trial.main`: a real process, killed like one, that computes a curve from its params without Keras."""

import os
import threading
import time
from multiprocessing.connection import Connection

from pipeline.trial import Result, Task, die_with_parent

SECONDS = float(os.environ.get("LIGHT_SECONDS", "0.05"))  # per epoch


def value(task: Task, epoch: int) -> float:
    """Best with a dropout of 0.2 and many filters; grows from epoch to epoch."""
    first = task.params.model.filters[0]
    assert isinstance(first, int) and isinstance(task.params.model.dropout, float)
    height = 1 - (task.params.model.dropout - 0.2) ** 2 - 1 / (first + 1)
    return float(height * (1 - 0.5**epoch))


def main(connection: Connection, leash: Connection, task: Task) -> None:
    threading.Thread(target=die_with_parent, args=(leash,), daemon=True).start()
    try:
        for epoch in range(1, task.params.train.epochs + 1):
            time.sleep(SECONDS)
            if task.params.train.batch_size == 13:
                connection.send(("failed", "ValueError: thirteen"))
                return
            connection.send(("epoch", {"epoch": float(epoch), "val_accuracy": value(task, epoch)}, SECONDS))
            if not connection.recv():
                return
        found = {"val_accuracy": value(task, epoch), "parameters": float(len(task.params.model.filters))}
        connection.send(("done", Result(found, SECONDS * epoch)))
    except (EOFError, BrokenPipeError):
        os._exit(1)
