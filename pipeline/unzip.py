"""The files of a zip, after what its directory claims was checked."""

import io
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError
from pipeline.members import REMEDY, Guarded, Limits, Listing, too_large, too_many
from pipeline.raw_tar import Members, Open

DIRECTORY_ENTRY = b"PK\x01\x02"
ENTRY_MOST = 256  # bytes per entry of the directory, on average
READ_MOST = 1 << 20  # bytes; what is read at once of anything but the directory
LOCAL_HEADER = 30  # bytes before each file, without its name
UNIX = 3  # `ZipInfo.create_system`; a zip made elsewhere may part folders by backslashes
ENCRYPTED = 1  # bit of `ZipInfo.flag_bits`
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # `zipfile` gives what others hold in pieces of any size
OTHER_METHODS = {9: "deflate64", zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "lzma", 93: "zstd", 95: "xz"}


class _Directory(Guarded):
    """Counts the entries of the directory before `zipfile` makes an object of each."""

    def __init__(self, raw: io.RawIOBase, called: str, limits: Limits) -> None:
        super().__init__(raw, max(READ_MOST, ENTRY_MOST * limits.num_entries))
        self.called, self.limits = called, limits

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if found.count(DIRECTORY_ENTRY) > self.limits.num_entries:
            raise too_many(self.called, self.limits)
        return found


@contextmanager
def zip_members(source: Path, called: str, limits: Limits) -> Iterator[Members]:
    """The files of a zip, readable as long as the context lasts.

    Raises:
        UserError: it holds what is not taken.
    """
    with (
        source.open("rb", buffering=0) as raw,
        _Directory(raw, called, limits) as stream,
        zipfile.ZipFile(stream) as archive,
    ):
        listing = Listing(called, limits)
        for info in archive.infolist():
            listing.count()
            _add(listing, archive, info)
        _check_sizes(archive, called, source.stat().st_size, limits)
        yield listing.members


def _add(listing: Listing, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    name = info.orig_filename if info.create_system == UNIX else info.orig_filename.replace("\\", "/")
    if name.endswith("/"):
        return
    if info.flag_bits & ENCRYPTED:
        raise UserError(f"{listing.called} is encrypted: unpack it yourself and give the folder")
    if info.compress_type not in METHODS:
        method = OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise UserError(f"{listing.called} is packed by {method}, not the usual deflate: {REMEDY}")
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the zip was not made on Unix
    odd = "" if kind in (0, stat.S_IFREG) else "a link or device"
    listing.add(name, info.file_size, _opener(archive, info), odd)


def _check_sizes(archive: zipfile.ZipFile, called: str, packed: int, limits: Limits) -> None:
    """Declared sizes hold: `zipfile` gives no more than them. Files that share bytes are a bomb."""
    most = limits.most(packed)
    if sum(info.file_size for info in archive.infolist()) > most:
        raise too_large(called, packed, most)
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise zipfile.BadZipFile("two files share the same bytes")
        end = info.header_offset + LOCAL_HEADER + info.compress_size


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Open:
    return lambda: archive.open(info)
