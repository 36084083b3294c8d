"""Where studies are kept: a SQLite file of this host, or a PostgreSQL server that several hosts share."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import paths, study_address
from pipeline.errors import UserError, os_errors
from pipeline.patient_storage import patient_storage_class
from pipeline.study_lock import StudyLock
from pipeline.study_waiting import Waiting

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from pipeline.patient_storage import PatientStorage

HEARTBEAT, GRACE = 60, 300  # seconds; a trial without a beat for the latter is taken for dead
BUSY = 20.0  # seconds that SQLite itself waits for a lock, before we say that we wait
CREATION = "tables"  # name of the lock under which tables are made
# Keeps a cut network from hanging for more than about a minute. In UTC, as Optuna stores heartbeats in the session's
# local time: where summer time begins, every trial would look dead.
CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # ms
    "options": "-c timezone=UTC",
}


def open_storage(
    url: str | None,
    *,
    heartbeat: int = HEARTBEAT,
    grace: int = GRACE,
    busy: float = BUSY,
    waiting: Waiting | None = None,
) -> "PatientStorage":
    """The storage at `url` with its tables, which are made once even if two first users come at the same time.

    Args:
        url: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DATABASE`; None: a file of this checkout.
        heartbeat: seconds between two beats of a running trial.
        grace: seconds without a beat after which a trial counts as dead.
        busy: seconds that SQLite waits for another program's lock within one try.
        waiting: how calls wait for a storage that goes away later; one that is away now is an error.

    Raises:
        UserError: it is neither, cannot be reached, holds something else, or lies on a network file system.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # its lines about failed trials would come between ours
    address = study_address.parse(_own_file() if url is None else url)
    connection = _connection(address, busy)
    with study_address.opening(address):
        return _opened(address, connection, heartbeat, grace, waiting or Waiting())


def tables(address: "URL") -> set[str]:
    """Names of the tables of a database, as they are now.

    Args:
        address: as `study_address.parse` returns it.

    Raises:
        UserError: it cannot be reached.
    """
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.pool import NullPool

    if address.drivername == study_address.SQLITE and not Path(address.database or "").exists():
        return set()  # SQLite would make the file
    engine = create_engine(address, poolclass=NullPool, connect_args=_connection(address, BUSY))
    with study_address.opening(address):
        return set(inspect(engine).get_table_names())


def _connection(address: "URL", busy: float) -> dict[str, Any]:
    if address.drivername == study_address.POSTGRESQL:
        return {name: value for name, value in CONNECTION.items() if name not in address.query}
    return {"timeout": busy}


def _own_file() -> str:
    with os_errors("cannot keep studies", paths.private()):
        paths.private().mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{paths.private().resolve() / 'tune.db'}"


def _opened(
    address: "URL", connection: dict[str, Any], heartbeat: int, grace: int, waiting: Waiting
) -> "PatientStorage":
    from optuna.exceptions import ExperimentalWarning
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    first = create_engine(address, poolclass=NullPool, connect_args=connection)
    _refuse_foreign(first, address)  # is also the first to notice that no one answers
    with StudyLock(first, waiting, CREATION), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats
        _let_readers_in(first)
        return patient_storage_class()(
            waiting,
            address.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}"),  # Optuna formats it
            engine_kwargs={"connect_args": connection, "pool_pre_ping": True},
            heartbeat_interval=heartbeat,
            grace_period=grace,
        )


def _refuse_foreign(engine: "Engine", address: "URL") -> None:
    """Refuses a database of MLflow before anything is written: both keep their version in a table of one name."""
    from sqlalchemy import inspect

    tables = set(inspect(engine).get_table_names())
    if "alembic_version" in tables and "version_info" not in tables:
        owner = "MLflow" if "experiments" in tables else "another program"
        raise UserError(
            f"--storage {study_address.shown(address)}: {owner} keeps its tables here. Name another database"
        )


def _let_readers_in(engine: "Engine") -> None:
    """Lets SQLite's readers and its one writer work at the same time; the file remembers it."""
    from sqlalchemy import text

    if engine.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=WAL"))
