"""Patience with a study's storage that goes away for a while: server restarted, network cut, file locked for long.

One `Waiting` serves all threads of a process, so that people read one line when it begins and one when it ends.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds between two tries; doubled from one to the next
PATIENCE = 600.0  # seconds
# SQLite's codes for what passes, or what a person can mend meanwhile: busy, locked, I/O error, full, not to be opened.
PASSING = (5, 6, 10, 13, 14, 15)
LONGEST_SHOWN = 160  # characters of a reason

Result = TypeVar("Result")


def say(line: str) -> None:
    """One line on standard error, at once."""
    print(f"tune: {line}", file=sys.stderr, flush=True)


class Waiting:
    """Repeats calls while the storage is away.

    Attributes:
        patience: seconds from the first failed call, of whichever thread, until calls raise. May be lowered at any
            time, as when the user wants to leave: calls that wait notice within `LONGEST_PAUSE`.
    """

    def __init__(self, patience: float = PATIENCE, say: Callable[[str], None] = say) -> None:
        self.patience = patience
        self._say = say
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._back_since = float("-inf")

    def repeat(self, work: Callable[[bool], Result]) -> Result:
        """The result of `work(again)`; `again` says that an earlier try broke off, maybe after it was stored.

        Raises:
            UserError: the storage was away for longer than `patience`.
        """
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        pause, again = FIRST_PAUSE, False
        while True:
            began = time.monotonic()
            try:
                result = work(again)
            except (SQLAlchemyError, StorageInternalError) as error:
                reason = why_away(error)
                if reason is None:
                    raise
                if self._away(reason, began) > self.patience:
                    raise UserError(_gone(reason, self.patience)) from error
            else:
                self._answered(began)
                return result
            time.sleep(pause)
            pause, again = min(2 * pause, LONGEST_PAUSE), True

    def back_within(self, seconds: float) -> bool:
        """Whether the storage is away, or was so until less than `seconds` ago."""
        with self._lock:
            return self._away_since is not None or time.monotonic() - self._back_since < seconds

    def _away(self, reason: str, began: float) -> float:
        """Seconds since the storage went away. A try that began before it came back is no news."""
        with self._lock:
            if self._away_since is None:
                if began <= self._back_since:
                    return 0.0
                self._away_since = time.monotonic()
                self._say(f"the study's storage is away ({reason}); waiting")
            return time.monotonic() - self._away_since

    def _answered(self, began: float) -> None:
        with self._lock:
            if self._away_since is not None and began > self._away_since:
                self._away_since, self._back_since = None, time.monotonic()
                self._say("the study's storage is back")


def why_away(error: BaseException) -> str | None:
    """Why the storage could not be reached, in one line; None where the error means something else.

    Optuna wraps what SQLAlchemy raises, and asks again in a broken transaction: the cause may lie two errors down.
    """
    from sqlalchemy import exc

    below: BaseException | None = error
    while below is not None:
        if isinstance(below, exc.TimeoutError):
            return "no connection is free"
        if isinstance(below, exc.DBAPIError) and _passes(below):
            return in_short(below)
        below = below.__cause__ or below.__context__
    return None


def _passes(error: "DBAPIError") -> bool:
    """Whether the same call may succeed later, without a change of ours."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in PASSING  # above the lowest byte are SQLite's finer codes
    return isinstance(error, OperationalError | InterfaceError)


def in_short(error: "DBAPIError") -> str:
    """The driver's own first line, without SQLAlchemy's words about it."""
    line = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__).strip()
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}..."


def _gone(reason: str, patience: float) -> str:
    return (
        f"the study's storage was away for over {patience:g} s ({reason}). Bring it back, then run the same command "
        "again: the study goes on where it stopped"
    )
