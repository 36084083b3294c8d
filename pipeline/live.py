"""Tracking while a stage runs: writes the journal first, then MLflow; a server that is away costs one warning."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from pipeline import machine, tracking, tracking_server, watchers
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
    watcher = watchers.start("pipeline.watcher", live.journal.run_key, machine.process_mark())
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
        watchers.dismiss(watcher)
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
