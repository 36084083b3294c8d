"""Tracking while a stage runs: writes the journal first, then MLflow; a server that is away costs one warning."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from pipeline import machine, tracking, tracking_server
from pipeline.checkpoint import Row
from pipeline.journal import Event, Journal, Status

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Live:
    """One run, live. After the first failure MLflow is left alone until the stage ends."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.client: MlflowClient | None = None
        self.run_id = ""
        self.have: set[int] = set()  # epochs that MLflow has

    def attempt(self, work: Callable[["MlflowClient", str], object]) -> bool:
        """Does `work` with MLflow if it is there; whether that went well."""
        if self.client is None:
            return False
        try:
            with tracking_server.reachable():
                work(self.client, self.run_id)
            return True
        except tracking_server.Away as error:
            self.client = None
            tracking_server.warn_once(self.journal, error)
            return False

    def connect(self) -> None:
        """Connects and finds or creates the run."""
        try:
            client = tracking_server.connect()
            with tracking_server.reachable():
                self.run_id = tracking.begin(client, self.journal)
            self.client = client
        except tracking_server.Away as error:
            tracking_server.warn_once(self.journal, error)

    def start(self, **facts: Any) -> None:
        """Opens the run; see `journal` for the facts."""
        self.journal.write("start", pid=machine.process_mark(), **facts)
        self.connect()
        self.attempt(lambda client, run_id: tracking.set_status(client, run_id, None))
        self.attempt(lambda client, run_id: tracking.close_dead_runs(client))
        self.attempt(lambda client, run_id: self.have.update(tracking.epochs_of(client, run_id)))
        # What an earlier, killed try had in its journal only.
        self.attempt(lambda client, run_id: tracking.log_epochs(client, run_id, self.journal.epochs(), self.have))

    def epoch(self, row: Row, seconds: float) -> None:
        """Logs one epoch."""
        event: Event = self.journal.write("epoch", row=row, seconds=seconds)
        self.attempt(lambda client, run_id: tracking.log_epochs(client, run_id, [event], self.have))

    def end(self, status: Status) -> None:
        """Ends the run and uploads what the journal keeps."""
        event = self.journal.write("end", status=status)
        self.attempt(lambda client, run_id: tracking.upload(client, run_id, self.journal))
        self.attempt(lambda client, run_id: tracking.set_status(client, run_id, status, event["time"]))


@contextmanager
def ended_properly(live: Live) -> Iterator[None]:
    """Ends the run as what it was: finished, failed, or killed by Ctrl-C, SIGTERM or (by a watcher) SIGKILL."""
    before = signal.signal(signal.SIGTERM, _terminated)
    watcher = _start_watcher(live)
    status: Status = "FINISHED"
    try:
        yield
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    except SystemExit:
        status = "KILLED"
        raise
    except BaseException:
        status = "FAILED"
        raise
    finally:
        live.end(status)
        _dismiss(watcher)
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _start_watcher(live: Live) -> "subprocess.Popen[bytes]":
    """A process in a session of its own that closes the run should this process vanish."""
    command = [sys.executable, "-m", "pipeline.watcher", live.journal.run_key, machine.process_mark()]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _dismiss(watcher: "subprocess.Popen[bytes]") -> None:
    assert watcher.stdin is not None
    try:
        watcher.stdin.write(b"done")
        watcher.stdin.close()
    except BrokenPipeError:  # it was killed; nothing is lost
        pass
    watcher.wait()
