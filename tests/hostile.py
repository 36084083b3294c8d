"""Makers of hostile and broken archives, pictures and mutants, shared by the tests and the fuzz benchmark."""

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.archives import pack_pictures
from pipeline.decode import Unreadable, decode
from pipeline.errors import UserError
from pipeline.members import Limits

PICTURE_KINDS: Mapping[str, Mapping[str, Any]] = {
    "PNG": {},
    "JPEG": {"exif": b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"},
    "GIF": {},
    "WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "PPM": {},
    "ICO": {},
    "TGA": {},
    "JPEG2000": {},
}
COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": lambda content: gzip.compress(content, mtime=0),
    "xz": lzma.compress,
}
SPLICED = 64  # bytes at most that a splice moves
SMALL = Limits(unpacked=1 << 22, ratio=1, num_entries=2_000)  # so that a mutant shows quickly what it would do

Mutate = Callable[[bytes, np.random.Generator], bytes]


def picture(kind: str = "PNG", side: int = 24, seed: int = 0, **options: Any) -> bytes:
    """A small picture of noise, encoded."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **{**PICTURE_KINDS.get(kind, {}), **options})
    return stream.getvalue()


def entry(name: str, system: int = 3, mode: int = 0, **fields: Any) -> zipfile.ZipInfo:
    """The header of a zip's file, with what `zipfile` would not write by itself."""
    info = zipfile.ZipInfo("name")
    info.filename, info.create_system, info.external_attr = name, system, mode << 16
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def zipped(files: Sequence[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of the files in this order; names may be there twice."""
    import warnings

    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in files:
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name  # of 1980, so always the same bytes
            archive.writestr(info, content, method)
    return stream.getvalue()


def tarred(files: Sequence[tuple[str | tarfile.TarInfo, bytes]], kind: str = "") -> bytes:
    """A tar of the files in this order, compressed as `kind` says: "", "gz" or "xz"."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = info.size or len(content)
            tar.addfile(info, io.BytesIO(content) if content else None)
    return COMPRESS[kind](stream.getvalue())


def pictures(num_each: int = 2, kind: str = "PNG", side: int = 12) -> list[tuple[str, bytes]]:
    """Good pictures in two class folders."""
    return [
        (f"{label}/{number}.{kind.lower()}", picture(kind, side, seed=number + 1000 * place))
        for place, label in enumerate(("cats", "dogs"))
        for number in range(num_each)
    ]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk with the right checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says what is asked for, followed by `chunks`."""
    head = struct.pack(">2I5B", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    """Some bits turned over."""
    found = bytearray(content)
    for place in random.integers(0, len(found), int(random.integers(1, 9))):
        found[place] ^= 1 << int(random.integers(8))
    return bytes(found)


def cut(content: bytes, random: np.random.Generator) -> bytes:
    """The beginning only."""
    return content[: int(random.integers(len(content)))]


def spliced(content: bytes, random: np.random.Generator) -> bytes:
    """A piece of it put elsewhere, in place of what is there or between."""
    start, place, over = (int(random.integers(len(content))) for _ in range(3))
    piece = content[start : start + int(random.integers(1, SPLICED))]
    return content[:place] + piece + content[place + (len(piece) if over % 2 else 0) :]


def field_edited(content: bytes, random: np.random.Generator) -> bytes:
    """A number of 1, 2, 4 or 8 bytes, mostly near the beginning or the end, set to an extreme or odd value."""
    width = int(random.choice([1, 2, 4, 8]))
    reach = len(content) if random.integers(4) == 0 else min(len(content), 600)
    place = int(random.integers(reach))
    place = place if random.integers(2) else len(content) - 1 - place
    value = int(random.choice([0, 1, 2, 127, 128, 255])) if random.integers(2) else 256**width - 1
    edited: bytes = (value % 256**width).to_bytes(width, "little" if random.integers(2) else "big")
    return content[:place] + edited + content[place + width :]


MUTATIONS: tuple[Mutate, ...] = (flipped, cut, spliced, field_edited)


def checksummed(content: bytes) -> bytes:
    """A tar whose headers have the right checksums again, so that edited fields are believed."""
    found = bytearray(content)
    for start in range(0, len(found) - 511, 512):
        if found[start + 257 : start + 262] == b"ustar":
            block = bytes(found[start : start + 148]) + b" " * 8 + bytes(found[start + 156 : start + 512])
            found[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    return bytes(found)


def seeds() -> dict[str, bytes]:
    """Good archives and pictures, to be broken."""
    files = [*pictures(2, side=8), ("cats/" + "long" * 30 + ".png", picture(side=4)), ("readme.txt", b"words")]
    archives = {
        "zip": zipped(files, zipfile.ZIP_DEFLATED),
        "zip stored": zipped(files),
        **{f"tar {kind}".strip(): tarred(files, kind) for kind in ("", "gz", "xz")},
    }
    return archives | {kind: picture(kind) for kind in PICTURE_KINDS} | odd_pictures()


def odd_pictures() -> dict[str, bytes]:
    """Good pictures of kinds that take other ways through the decoder."""
    colour = Image.open(io.BytesIO(picture(side=20)))
    clear = colour.convert("RGBA")
    clear.putalpha(100)
    deep = Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 100)
    odd: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "PNG deep": (deep, "PNG", {}),
        "PNG clear": (clear, "PNG", {}),
        "PNG palette": (colour.quantize(16), "PNG", {"transparency": 3}),
        "PNG moving": (colour, "PNG", {"save_all": True, "append_images": [colour.rotate(90)]}),
        "GIF moving": (colour, "GIF", {"save_all": True, "append_images": [colour.rotate(90)]}),
        "JPEG plain": (colour, "JPEG", {}),
        "JPEG grey": (colour.convert("L"), "JPEG", {}),
        "JPEG of print": (colour.convert("CMYK"), "JPEG", {"icc_profile": b"profile" * 40}),
        "JPEG in steps": (colour, "JPEG", {"progressive": True}),
        "TIFF deep": (deep, "TIFF", {}),
        "TIFF of JPEG": (colour, "TIFF", {"compression": "jpeg"}),
        "TIFF of zlib": (colour, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "WEBP lossy": (clear, "WEBP", {}),
    }
    if "AVIF" in Image.SAVE:
        odd["AVIF"] = (colour, "AVIF", {})
    return {name: _saved(*row) for name, row in odd.items()}


def _saved(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def mutant(number: int, originals: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The mutant of this number: what it was made of and how, and its bytes; always the same."""
    random = np.random.default_rng(number)
    kind = sorted(originals)[number % len(originals)]
    content = originals[kind]
    how: list[str] = []
    for _ in range(int(random.integers(1, 4))):
        mutate = MUTATIONS[int(random.integers(len(MUTATIONS)))]
        content, how = mutate(content, random) or b"\0", [*how, mutate.__name__]
    believed = kind == "tar" and random.integers(2) == 0
    return f"{number}: {kind} {' '.join(how)}", checksummed(content) if believed else content


def outcome(content: bytes, folder: Path) -> str:
    """What becomes of a mutant, as an archive and as a picture: "taken", or the one line that refuses it."""
    source = folder / "mutant"
    source.write_bytes(content)
    try:
        pack_pictures(source, folder / "packed.tar", folder / "scratch", limits=SMALL)
        packed = "taken"
    except UserError as error:
        packed = str(error)
    try:
        return f"{packed}; {decode(content).shape}"
    except Unreadable as error:
        return f"{packed}; {error}"
