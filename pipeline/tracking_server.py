"""Reaching MLflow: the local store or a server; one that is away costs a warning, never the work."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import paths, signals
from pipeline.errors import one_line
from pipeline.files import replacing
from pipeline.journal import Journal

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",
}
# What MLflow's errors have in them, and what that means.
SIGNS = {
    "Max retries": "host unreachable or cut off",
    "error code 401": "user or password refused: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "Invalid Host header": "it does not answer to this host name: the server's --allowed-hosts must have it",
}


class Away(Exception):
    """The tracking server cannot be reached, or refuses; the message says why."""


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, else the SQLite file of this checkout, absolute."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.tracking_store().resolve() / 'mlflow.db'}"


@contextmanager
def reachable() -> Iterator[None]:
    """Turns everything that a tracking server can fail with into `Away`.

    A signal waits while MLflow writes to a database from this process: SQLAlchemy may put an error of its own in the
    place of a `KeyboardInterrupt`, and Ctrl-C would be lost. A server's answers are not waited for.
    """
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with nullcontext() if tracking_uri().startswith("http") else signals.held():
            yield
    except (MlflowException, SQLAlchemyError, requests.RequestException, OSError) as error:
        known = (told for sign, told in SIGNS.items() if sign in str(error))
        raise Away(next(known, one_line(error)[:200])) from error


def connect() -> "MlflowClient":
    """A client of the tracking server, or of the local store, which is created where it is missing.

    Raises:
        Away: it cannot be reached.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy and pandas deprecations inside MLflow
        import mlflow
        from filelock import FileLock

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # prints tracebacks of what it raises
        with reachable():
            if not tracking_uri().startswith("sqlite:"):
                client = mlflow.MlflowClient(tracking_uri())
                client.search_experiments(max_results=1)
                return client
            paths.tracking_store().mkdir(parents=True, exist_ok=True)
            with FileLock(paths.tracking_store() / ".lock"):  # two first users would both make the tables
                _make_store(paths.tracking_store() / "mlflow.db")
                client = mlflow.MlflowClient(tracking_uri())
                client.search_experiments(max_results=1)
            return client


def of_database(address: str) -> "MlflowClient":
    """A client of the database behind a server, whose files are reached through the server still.

    Args:
        address: as SQLAlchemy reads it, with the driver in it.

    Raises:
        Away: it cannot be reached.
    """
    import mlflow

    mlflow.set_tracking_uri(tracking_uri())
    with reachable():
        client = mlflow.MlflowClient(address)
        client.search_experiments(max_results=1)
        return client


def _make_store(file: Path) -> None:
    """Makes the tables beside and renames the file: MLflow cannot go on where a kill cut that off."""
    if file.exists():
        return
    import mlflow

    with replacing(file) as beside:
        mlflow.MlflowClient(f"sqlite:///{beside.resolve()}").search_experiments(max_results=1)


def warn_once(journal: Journal, error: Away) -> None:
    """One warning per run, however many calls fail: the next stage of the same run stays quiet."""
    if not journal.warned.exists():
        journal.folder.mkdir(parents=True, exist_ok=True)
        journal.warned.touch()
        print(
            f"warning: MLflow at {tracking_uri()} is away ({error}); the work goes on. "
            "Run `reprolens track` once it is back",
            file=sys.stderr,
            flush=True,
        )
