"""The address of a study's storage: what `--storage` may say, and errors about it that never show a password."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError, one_line
from pipeline.study_hosts import refuse_network_file
from pipeline.study_waiting import in_short

if TYPE_CHECKING:
    from sqlalchemy import URL

SQLITE, POSTGRESQL = "sqlite", "postgresql+psycopg"
DRIVERS = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "postgres": POSTGRESQL, "postgresql+psycopg": POSTGRESQL}
FORMS = "give sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"


def parse(url: str) -> "URL":
    """The address with the driver we use; a SQLite path becomes absolute.

    Raises:
        UserError: it is no address of such a database, or one whose file cannot be.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise UserError(f"--storage: this is no address of a database: {FORMS}") from None
    if address.drivername not in DRIVERS:
        raise UserError(f"--storage {address.drivername}://...: neither SQLite nor PostgreSQL: {FORMS}")
    if "@" in (address.host or ""):  # the end of a password that was cut at its own @
        raise UserError("--storage: more than one @: write one inside a password as %40")
    address = address.set(drivername=DRIVERS[address.drivername])
    return _with_file(address) if address.drivername == SQLITE else address


def _with_file(address: "URL") -> "URL":
    named = address.database or ""
    if address.host or address.query or not named or named.startswith((":memory:", "file:")):
        raise UserError("--storage: SQLite needs the path of a file, as in sqlite:////home/me/tune.db")
    file = Path(named).absolute()
    address = address.set(database=str(file))
    if not file.parent.is_dir():
        raise UserError(f"--storage {shown(address)}: there is no folder {file.parent}. Make it, or name another file")
    if file.is_dir():
        raise UserError(f"--storage {shown(address)}: this is a folder. Name a file in it, as in {file / 'tune.db'}")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UserError(f"--storage {shown(address)}: you may not write there. Change its permissions")
    refuse_network_file(file)
    return address


def shown(address: "URL") -> str:
    """For people: without the password, which may stand in the query, too."""
    plain = address.set(drivername=address.drivername.partition("+")[0], query={})
    return plain.render_as_string(hide_password=True)


@contextmanager
def opening(address: "URL") -> Iterator[None]:
    """Turns whatever can be wrong with a database that is opened into one line that names it."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    place = f"--storage {shown(address)}"
    remedy = "Name a new file, or one that a study is in"
    if address.drivername == POSTGRESQL:
        remedy = "Check that the server runs, and the address, user, password and name of the database"
    try:
        yield
    except ImportError as error:
        raise UserError(f"{place}: no driver ({one_line(error)}): pip install 'psycopg[binary]'") from error
    except (SQLAlchemyError, StorageInternalError) as error:
        raise UserError(f"{place}: {_reason(error)}. {remedy}") from error
    except RuntimeError as error:  # Optuna's check of the tables' version
        raise UserError(f"{place}: {one_line(error)}") from error


def _reason(error: BaseException) -> str:
    from sqlalchemy.exc import DBAPIError

    below: BaseException | None = error
    while below is not None:
        if isinstance(below, DBAPIError):
            return in_short(below)
        below = below.__cause__ or below.__context__
    return one_line(error)
