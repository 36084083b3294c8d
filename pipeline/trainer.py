"""Starts trials, each in a process of its own, from a fork server that has imported TensorFlow once."""

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from pipeline import keras_setup, trial
from pipeline.checkpoint import Row
from pipeline.trial import Result, Task

PRELOADED = (
    *("numpy", "tensorflow", "keras", "pipeline.trial"),
    "pipeline.cli",  # a child imports the program again
    # TensorFlow imports them when they are first called, each trial anew.
    *(f"tensorflow.python.data.ops.{name}_op" for name in ("flat_map", "range", "rebatch", "zip")),
)
LEAVES = 10.0  # seconds in which a process that has said its last word is gone

Main = Callable[[Connection, Connection, Task], None]
Report = Callable[[Row, float], bool]
"""Told each epoch's numbers and seconds; returns whether to go on."""


class Failed(Exception):
    """A trial that raised; the message says why, in one line."""


class Killed(Failed):
    """A trial whose process ended without a word."""


class Trainer:
    """Runs tasks, from several threads at once if wanted.

    Args:
        main: what a process runs, with `trial.main`'s arguments.
        preload: modules that the fork server imports for all of them.
    """

    def __init__(self, main: Main = trial.main, preload: Sequence[str] = PRELOADED) -> None:
        keras_setup.prepare()  # the fork server inherits the environment
        self.main = main
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(preload))
        self.starting = threading.Lock()
        self.running: set[ForkServerProcess] = set()
        self.stopped = False

    def warm_up(self) -> None:
        """Waits until the fork server has imported TensorFlow, so that no trial's time has it in."""
        process = self.context.Process(target=_nothing, daemon=True)
        process.start()
        process.join()
        process.close()

    def train(self, task: Task, report: Report) -> Result | None:
        """Runs a task to its end; None if `report` ended it.

        Raises:
            Failed: it raised.
            Killed: its process was killed.
        """
        theirs, leash = self.context.Pipe(duplex=False)
        ours, child = self.context.Pipe()
        process = self.context.Process(target=self.main, args=(child, theirs, task), daemon=True)
        self._start(process)
        child.close()
        theirs.close()
        try:
            return _listen(ours, report)
        except (EOFError, OSError) as error:
            process.join(LEAVES)
            raise Killed(_ended(process.exitcode)) from error
        finally:
            self._end(process, ours, leash)

    def _start(self, process: ForkServerProcess) -> None:
        with self.starting:
            if self.stopped:
                raise Killed("killed before it began")
            process.start()
            self.running.add(process)

    def _end(self, process: ForkServerProcess, *pipes: Connection) -> None:
        for pipe in pipes:  # the leash among them: whatever still runs ends now
            pipe.close()
        process.join(LEAVES)
        if process.is_alive():
            process.kill()
            process.join()
        with self.starting:
            self.running.discard(process)
        process.close()

    def stop(self) -> None:
        """Ends all running trials at once and lets none begin; their `train` raises `Killed`."""
        with self.starting:
            self.stopped = True
            for process in self.running:
                with contextlib.suppress(ValueError, OSError):
                    process.kill()


def _nothing() -> None: ...


def _listen(connection: Connection, report: Report) -> Result | None:
    while True:
        kind, *facts = connection.recv()
        if kind == "done":
            result: Result = facts[0]
            return result
        if kind == "failed":
            raise Failed(facts[0])
        goes_on = report(*facts)
        connection.send(goes_on)
        if not goes_on:
            return None


def _ended(exit_code: int | None) -> str:
    how: Any = f"by signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"with exit code {exit_code}"
    return f"killed: its process ended {how}"
