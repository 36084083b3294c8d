"""What goes wrong at an address behind fsspec, in one line that names it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import UserError, one_line

OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # of this machine's disk, not of the server


@contextmanager
def network_errors(address: str) -> Iterator[None]:
    """Turns whatever the file system behind an address raises into one line that names the address."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"dataset.path {address!r}: nothing is there. Check its spelling") from error
    except PermissionError as error:
        raise UserError(f"dataset.path {address!r}: access denied. Check the credentials of this machine") from error
    except ImportError as error:
        raise UserError(f"dataset.path {address!r}: {one_line(error)}") from error
    except _problems() as error:
        if isinstance(error, OSError) and error.errno in OURS:
            raise
        raise UserError(
            f"dataset.path {address!r} could not be read: {one_line(error)}. Check the network, then run again "
            "(what was fetched is kept)"
        ) from error


def _problems() -> tuple[type[Exception], ...]:
    """What fsspec's file systems raise: the libraries under it have no common ancestor. Imported once needed."""
    import aiohttp
    from botocore.exceptions import BotoCoreError, ClientError

    return (OSError, ValueError, aiohttp.ClientError, BotoCoreError, ClientError)
