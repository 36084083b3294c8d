"""From a folder, zip or compressed tar of class folders to one canonical tar.

Canonical: uncompressed, sorted names, no times or owners, so that equal files are equal bytes.
"""

import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pipeline.errors import UserError
from pipeline.layout import place, wanted, without_wrapper
from pipeline.progress import progress_bar

Open = Callable[[], IO[bytes]]
Members = Mapping[str, tuple[int, Open]]
"""Name -> (size in bytes, opener)."""

BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    EOFError,
    zlib.error,
    OSError,  # without a number: from the reader of the archive, not from the system
    RuntimeError,  # a zip with a password, or packed in a way that zipfile does not know
    UnicodeDecodeError,  # a zip with a broken name
)
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")


def pack_pictures(source: Path, target: Path, scratch: Path) -> None:
    """Writes the pictures of `source` to the canonical tar `target`.

    Args:
        source: a folder of class folders, or an archive of one.
        target: written in one go; the caller renames it.
        scratch: a folder for temporary files.

    Raises:
        UserError: `source` is missing, is no folder or archive, is broken, or has no class folders.
    """
    if source.is_dir():
        _pack_placed(_folder_members(source), source, target)
        return
    if not source.exists():
        raise UserError(
            f"dataset.path {str(source)!r} does not exist: give a folder of class folders or an archive of one"
        )
    try:
        with _archive_members(source, scratch) as members:
            _pack_placed(members, source, target)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"dataset.path {str(source)!r} is broken ({error}): fetch or make the archive again") from error


def write_tar(members: Members, target: Path) -> None:
    """Writes `members` to an uncompressed tar in sorted order with all times and owners fixed."""
    total = sum(size for size, _ in members.values())
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar, progress_bar("packing", total, "B") as advance:
        for name in sorted(members):
            size, opener = members[name]
            info = tarfile.TarInfo(name)  # time 0, no owner, mode 0644
            info.size = size
            with opener() as stream:
                tar.addfile(info, stream)
            advance(size)


def in_memory(content: bytes) -> tuple[int, Open]:
    """A member whose bytes are at hand."""
    return len(content), lambda: io.BytesIO(content)


def _pack_placed(members: Members, source: Path, target: Path) -> None:
    names = without_wrapper(name for name in members if wanted(name))
    place(names.values(), f"dataset.path {str(source)!r}")
    write_tar({_readable(new): members[old] for old, new in names.items()}, target)


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


@contextmanager
def _archive_members(source: Path, scratch: Path) -> Iterator[Members]:
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            yield _zip_members(archive, source)
        return
    decompress: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open}
    with source.open("rb") as stream:
        opener = decompress.get(stream.read(2))
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as plain:  # sorted reading needs random access
        with opener(source) if opener else source.open("rb") as packed:
            shutil.copyfileobj(packed, plain, 1 << 20)
        plain.seek(0)
        with _open_tar(plain, source) as tar:
            yield _tar_members(tar, source)


def _open_tar(plain: IO[bytes], source: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=plain, mode="r:")
    except tarfile.ReadError as error:
        raise UserError(
            f"dataset.path {str(source)!r} is neither a folder nor an archive ({', '.join(ENDINGS)}), or is broken: "
            "give a folder of class folders or an archive of one"
        ) from error


def _zip_members(archive: zipfile.ZipFile, source: Path) -> Members:
    members: dict[str, tuple[int, Open]] = {}
    for info in archive.infolist():
        if info.is_dir():
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the zip was not made on Unix
        _refuse_odd(info.filename, kind not in (0, stat.S_IFREG), source)
        members[info.filename] = (info.file_size, _zip_opener(archive, info))
    return members


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Open:
    return lambda: archive.open(info)


def _tar_members(tar: tarfile.TarFile, source: Path) -> Members:
    members: dict[str, tuple[int, Open]] = {}
    for info in tar:
        if info.isdir():
            continue
        _refuse_odd(info.name, not info.isreg(), source)
        members[str(PurePosixPath(info.name))] = (info.size, _tar_opener(tar, info))
    _check_end(tar)
    return members


def _check_end(tar: tarfile.TarFile) -> None:
    """A tar ends with blocks of zeros; `tarfile` takes a damaged header for the end and says nothing."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("cut off or damaged in the middle")


def _tar_opener(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Open:
    def opener() -> IO[bytes]:
        stream = tar.extractfile(info)
        assert stream is not None, "only regular files are listed"
        return stream

    return opener


def _refuse_odd(name: str, odd: bool, source: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(
            f"dataset.path {str(source)!r} holds {name!r}, a path that leads out of the archive: make it again"
        )
    if odd:
        raise UserError(f"dataset.path {str(source)!r} holds {name!r}, a link or device: only plain files are taken")
