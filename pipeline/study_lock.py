"""One at a time asks for a trial: a lock over threads, the processes of a host and, with PostgreSQL, all hosts."""

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pipeline.study_waiting import Waiting

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from pipeline.patient_storage import PatientStorage

POLL = 0.1  # seconds; asking again rather than waiting in the server, so that Ctrl-C and a dead server are noticed
LetGo = Callable[[], None]

_THREADS: dict[tuple[str, str], threading.Lock] = {}


def study_lock(storage: "PatientStorage", study: str) -> "StudyLock":
    """The lock of a study; each caller may make its own."""
    return StudyLock(storage.engine, storage.waiting, study)


class StudyLock:
    """Held by one thread of one process. Not re-entrant: the holder who acquires it again waits for ever.

    With SQLite a lock file lies beside the database. With PostgreSQL it is an advisory lock of a session, so a server
    that restarts frees it: `held` tells. It needs sessions, hence no PgBouncer that pools by transaction.
    """

    def __init__(self, engine: "Engine", waiting: Waiting, name: str) -> None:
        self._engine, self._waiting = engine, waiting
        self._key = key_of(name)
        self._threads = _THREADS.setdefault((str(engine.url), name), threading.Lock())
        self._owner: int | None = None
        self._let_go: LetGo | None = None
        self._connection: Connection | None = None

    def acquire(self, stop: threading.Event | None = None) -> bool:
        """Waits for the lock, also while the server is away; False if `stop` was set first.

        Raises:
            UserError: the server was away for too long.
        """
        stop = stop or threading.Event()
        while not self._threads.acquire(timeout=POLL):
            if stop.is_set():
                return False
        try:
            while (let_go := self._waiting.repeat(lambda _: self._try())) is None and not stop.wait(POLL):
                pass
        except BaseException:
            self._threads.release()
            raise
        if let_go is None:
            self._threads.release()
            return False
        self._let_go, self._owner = let_go, threading.get_ident()
        return True

    def release(self) -> None:
        """Lets go; nothing happens where this thread does not hold it. A lost connection is no error."""
        if self._owner != threading.get_ident():
            return
        let_go, self._let_go, self._owner = self._let_go, None, None
        try:
            if let_go:
                let_go()
        finally:
            self._connection = None
            self._threads.release()

    def held(self) -> bool:
        """Whether this thread holds it, still: false once the server has restarted or dropped the connection."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        if self._owner != threading.get_ident():
            return False
        if self._connection is None:
            return True
        with suppress(SQLAlchemyError):
            if not self._connection.invalidated:
                self._connection.execute(text("SELECT 1"))
                return True
        return False

    def _try(self) -> LetGo | None:
        if self._engine.name == "sqlite":
            return _try_file(Path(str(self._engine.url.database)), self._key)
        self._connection = _try_postgresql(self._engine, self._key)
        return None if self._connection is None else self._unlock

    def _unlock(self) -> None:
        """Frees the lock at once; where the server has gone, it is free already."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        connection = self._connection
        assert connection is not None
        with suppress(SQLAlchemyError):
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
        connection.invalidate()  # never back into the pool: it might hold the lock there
        connection.close()

    def __enter__(self) -> "StudyLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def key_of(name: str) -> int:
    """A number of 63 bits, the same on every host (Python's own `hash` is not)."""
    return int.from_bytes(hashlib.sha256(f"reprolens {name}".encode()).digest()[:8], "big") >> 1


def _try_file(database: Path, key: int) -> LetGo | None:
    from filelock import FileLock, Timeout

    lock = FileLock(database.with_name(f".{database.name}.{key:016x}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock.release  # type: ignore[no-any-return]


def _try_postgresql(engine: "Engine", key: int) -> "Connection | None":
    from sqlalchemy import text

    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
            return connection
    except BaseException:
        connection.invalidate()
        connection.close()
        raise
    connection.close()
    return None
