"""One `reprolens retrain` at a time in a folder; a second one is told who is at it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline import machine
from pipeline.files import write_text

LOCK = "retrain.lock"
HOLDER = "retrain/holder.json"


class Held(Exception):
    """Another call is at work; the message says who."""


@dataclass(frozen=True)
class Holder:
    """Who is at work: the process, its host, since when, and what it runs (a process mark, or nothing)."""

    process: str
    host: str
    since: str
    runs: str = ""

    def told(self) -> str:
        """In words."""
        return f"process {self.process.partition('@')[0]} on {self.host} since {self.since}"


class Lock:
    """The lock while it is held."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / HOLDER
        self._me = Holder(machine.process_mark(), machine.host(), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        self.started("")

    def started(self, mark: str) -> None:
        """Notes the process that is run now, so that one which outlives a killed call is known."""
        write_text(self._file, json.dumps(asdict(replace(self._me, runs=mark))) + "\n")


@contextmanager
def only_one(folder: Path) -> Iterator[Lock]:
    """Holds the lock of `folder`, which is freed however this process ends.

    Raises:
        Held: another call is at work, or was killed and what it ran goes on.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        holder = read(folder)
        raise Held(f"{holder.told() if holder else 'another process'} is at work in this folder") from error
    try:
        _refuse_leftovers(folder)
        yield Lock(folder)
        (folder / HOLDER).unlink(missing_ok=True)
    finally:
        lock.release()


def read(folder: Path) -> Holder | None:
    """Who holds the lock, or held it when it was killed."""
    try:
        return Holder(**json.loads((folder / HOLDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not written yet, or by another version
        return None


def _refuse_leftovers(folder: Path) -> None:
    before = read(folder)
    if before and before.host == machine.host() and before.runs and machine.process_lives(before.runs):
        pid = before.runs.partition("@")[0]
        raise Held(f"{before.told()} was killed, but what it ran, process {pid}, is still at work in this folder")
