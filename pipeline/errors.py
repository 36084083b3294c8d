"""Errors for people: one line that says what, where and what to do; never a traceback."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(ValueError):
    """Something the user can mend. The message names the key or file, what was found, and the remedy."""


def one_line(error: BaseException) -> str:
    """The message of `error` without line breaks, so that a log keeps one line per error."""
    return " ".join(str(error).split())


@contextmanager
def os_errors(doing: str, path: Path) -> Iterator[None]:
    """Turns an operating-system error (permission, disk full...) into a `UserError` that names `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or one_line(error)
        place = error.filename or path
        raise UserError(f"{doing}: {reason} ({place}). Check permissions and free space there") from error


def run_main(name: str, main: Callable[[], None]) -> None:
    """Runs a program's `main`; a `UserError` becomes one line on standard error and exit code 1.

    An operating-system error is reported the same way. Ctrl-C and SIGTERM end with 130 and 143.
    """
    try:
        main()
    except UserError as error:
        sys.exit(f"{name}: error: {one_line(error)}")
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        sys.exit(f"{name}: error: {error.strerror or one_line(error)}{place}. Check permissions and free space there")
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)
