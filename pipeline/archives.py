"""From a folder, zip or compressed tar of class folders to the raw tar."""

import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from contextlib import AbstractContextManager
from pathlib import Path

from pipeline.errors import UserError
from pipeline.layout import place, wanted, without_wrapper
from pipeline.members import LIMITS, Limits
from pipeline.raw_tar import Members, Open, write_tar
from pipeline.untar import tar_members
from pipeline.unzip import zip_members

BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    EOFError,
    zlib.error,
    OSError,  # without a number: from the reader of the archive, not from the system
    RuntimeError,  # headers nested too deep
    ValueError,  # numbers that are none, names that are no text
    OverflowError,  # places beyond the end of any file
    struct.error,
)
PACKED_TAR = (b"\x1f\x8b", b"\xfd7")


def pack_pictures(source: Path, target: Path, scratch: Path, called: str = "", limits: Limits = LIMITS) -> None:
    """Writes the pictures of `source` to the canonical tar `target`.

    Args:
        source: a folder of class folders, or an archive of one.
        target: written in one go; the caller renames it.
        scratch: a folder for temporary files.
        called: what the user knows `source` as, where it was fetched from an address.
        limits: what an archive may hold.

    Raises:
        UserError: `source` is missing, is no folder or archive, is broken, holds what is not taken, has no
            class folders, or needs more room than there is.
    """
    called = f"dataset.path {(called or str(source))!r}"
    if source.is_dir():
        pack_members(_folder_members(source), called, target)
        return
    if not source.exists():
        raise UserError(f"{called} does not exist: give a folder of class folders or an archive of one")
    if not source.is_file():
        raise UserError(f"{called} is neither a folder nor a file: give a folder of class folders or an archive of one")
    try:
        with _archive_members(source, scratch, called, limits) as members:
            pack_members(members, called, target)
    except UserError:
        raise
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{called} is broken ({error}): fetch or make the archive again") from error


def pack_members(members: Members, called: str, target: Path) -> None:
    """Writes the pictures among `members` to the canonical tar `target`; errors name `called`."""
    names = without_wrapper(name for name in members if wanted(name))
    place(names.values(), called)
    renamed: Members = {_readable(new): members[old] for old, new in names.items()}
    if len(renamed) < len(names):
        raise UserError(f"{called} has files whose names are equal once they are spelt out in UTF-8: rename them")
    write_tar(renamed, target)


def _readable(name: str) -> str:
    r"""Spells out what tables cannot hold but Linux allows in names: bytes that are not UTF-8 (`\xff`), and `\r`."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace").replace("\r", "\\r")


def _folder_members(folder: Path) -> Members:
    members: dict[str, tuple[int, Open]] = {}

    def refuse(error: OSError) -> None:
        raise error

    for here, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        if os.path.realpath(here) in map(os.path.realpath, Path(here).parents):  # a link that leads back up
            folders.clear()
            continue
        for file in (Path(here, name) for name in files):
            if file.is_file():
                members[file.relative_to(folder).as_posix()] = (file.stat().st_size, _opener(file))
    return members


def _opener(file: Path) -> Open:
    return lambda: file.open("rb")


def _archive_members(source: Path, scratch: Path, called: str, limits: Limits) -> AbstractContextManager[Members]:
    """By content, not by name; the end of a tar may look like that of a zip, so its beginning counts."""
    with source.open("rb") as stream:
        head = stream.read(tarfile.BLOCKSIZE)
    if not head.startswith(PACKED_TAR) and head[257:262] != b"ustar" and zipfile.is_zipfile(source):
        return zip_members(source, called, limits)
    return tar_members(source, scratch, called, limits)
