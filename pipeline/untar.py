"""The files of a tar, plain or compressed with gzip or xz; what comes out is counted while it is unpacked."""

import gzip
import io
import lzma
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from pipeline.errors import UserError
from pipeline.files import write_all
from pipeline.members import Guarded, Limits, Listing, too_large
from pipeline.plain_tar import Entry, plain_entries
from pipeline.raw_tar import Members, Open

CHUNK = 1 << 20
AT_ONCE = 1 << 20  # bytes read at once; more than any header needs


@contextmanager
def tar_members(source: Path, scratch: Path, called: str, limits: Limits) -> Iterator[Members]:
    """The files of a tar, readable as long as the context lasts; a compressed one is unpacked in `scratch`.

    Raises:
        UserError: no tar, or one that holds what is not taken.
    """
    with source.open("rb", buffering=0) as packed:
        content = CONTENT.get(packed.read(2))
        packed.seek(0)
        if content is None:
            with _listed(packed, called, limits) as members:
                yield members
            return
        scratch.mkdir(parents=True, exist_ok=True)
        # Sorted reading needs random access. The file has no name, so nothing is left of it.
        with tempfile.TemporaryFile(dir=scratch, buffering=0) as plain:
            _unpack(content(packed, limits), plain, source.stat().st_size, called, limits)
            with _listed(plain, called, limits) as members:
                yield members


def _unpack(content: Iterator[bytes], plain: IO[bytes], packed: int, called: str, limits: Limits) -> None:
    left = most = limits.most(packed)
    for chunk in content:
        left -= len(chunk)
        if left < 0:
            raise too_large(called, packed, most)
        write_all(plain, chunk)
    plain.seek(0)


def _gz(packed: IO[bytes], limits: Limits) -> Iterator[bytes]:
    with gzip.open(packed) as stream:
        yield from iter(partial(stream.read, CHUNK), b"")


def _xz(packed: IO[bytes], limits: Limits) -> Iterator[bytes]:
    """One or more streams with zeros between them. `lzma.open` has no limit of memory."""
    decoder, unused = lzma.LZMADecompressor(lzma.FORMAT_XZ, limits.memory), b""
    while True:
        fresh = unused or (packed.read(CHUNK) if decoder.needs_input else b"")
        if decoder.needs_input and not fresh:
            raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        yield decoder.decompress(fresh, CHUNK)
        unused = b""
        if decoder.eof:
            unused = decoder.unused_data.lstrip(b"\0")
            while not unused:
                if not (fresh := packed.read(CHUNK)):
                    return
                unused = fresh.lstrip(b"\0")
            decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, limits.memory)


CONTENT: dict[bytes, Callable[[IO[bytes], Limits], Iterator[bytes]]] = {b"\x1f\x8b": _gz, b"\xfd7": _xz}


@contextmanager
def _listed(plain: IO[bytes], called: str, limits: Limits) -> Iterator[Members]:
    assert isinstance(plain, io.RawIOBase), "opened without a buffer"
    if (entries := plain_entries(plain, limits.num_entries)) is not None:
        yield _take(plain, entries, called, limits)
        return
    plain.seek(0)
    with Guarded(plain, AT_ONCE) as guarded, _open(guarded, called) as tar:
        listing = Listing(called, limits)
        _list(tar, listing)
        yield listing.members


def _take(plain: IO[bytes], entries: Iterator[Entry], called: str, limits: Limits) -> Members:
    listing = Listing(called, limits)
    for entry in entries:
        listing.count()
        if not entry.is_folder:
            listing.add(entry.name, entry.size, _slice(plain, entry))
    return listing.members


def _slice(plain: IO[bytes], entry: Entry) -> Open:
    def opener() -> IO[bytes]:
        plain.seek(entry.offset)
        return io.BytesIO(plain.read(entry.size))

    return opener


def _open(stream: IO[bytes], called: str) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=stream, mode="r:")
    except tarfile.ReadError as error:
        raise UserError(
            f"{called} is neither a folder nor an archive (.zip, .tar, .tar.gz, .tgz, .tar.xz, .txz), or is broken: "
            "give a folder of class folders or an archive of one"
        ) from error


def _list(tar: tarfile.TarFile, listing: Listing) -> None:
    before = -1
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # TarInfo takes more memory than all we keep of it
        if info.size < 0 or tar.offset <= before:  # would be read for ever
            raise tarfile.ReadError("a file of negative size")
        before = tar.offset
        listing.count()
        if not info.isdir():
            listing.add(info.name, info.size, _opener(tar, info.offset_data, info.size), _odd(info))
    _check_end(tar)


def _odd(info: tarfile.TarInfo) -> str:
    if info.issparse():  # its size is what it says, with nothing behind it
        return "a file with holes"
    return "" if info.isreg() else "a link or device"


def _check_end(tar: tarfile.TarFile) -> None:
    """A tar ends with blocks of zeros; `tarfile` takes a damaged header for the end and says nothing."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("cut off or damaged in the middle")


def _opener(tar: tarfile.TarFile, offset: int, size: int) -> Open:
    def opener() -> IO[bytes]:
        assert tar.fileobj is not None
        if size <= AT_ONCE:  # many times as fast as the way below
            tar.fileobj.seek(offset)
            return io.BytesIO(tar.fileobj.read(size))
        info = tarfile.TarInfo()
        info.offset_data, info.size = offset, size
        stream = tar.extractfile(info)
        assert stream is not None, "a plain file"
        return stream

    return opener
