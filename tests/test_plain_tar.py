"""Plain tars are listed as `tarfile` lists them; all others are left to it."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.plain_tar import LARGEST, plain_entries

FORMATS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}


def tar(path: Path, kind: str = "gnu", change: Callable[[tarfile.TarInfo], None] = lambda info: None) -> Path:
    """Folders and files; `change` is done to the third file."""
    with tarfile.open(path, "w", format=FORMATS[kind]) as made:
        for number, name in enumerate(["a/", "a/1.png", "a/./2 x.png", "a/3.png", "b/", "b/4"]):
            info = tarfile.TarInfo(name)
            info.mtime, info.uname, info.uid = 1_700_000_000, "someone", 1000
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size = 0 if name.endswith("/") else 500 + number
            if number == 3:
                change(info)
            made.addfile(info, io.BytesIO(bytes(info.size)) if info.isreg() else None)
    return path


def entries(path: Path) -> list[tuple[str, int, int, bool]] | None:
    with path.open("rb", buffering=0) as stream:
        found = plain_entries(stream, most=100)
        return None if found is None else [(e.name.rstrip("/"), e.offset, e.size, e.is_folder) for e in found]


@pytest.mark.parametrize("kind", ["gnu", "ustar"])
def test_a_plain_tar_is_listed_as_by_tarfile(tmp_path: Path, kind: str) -> None:
    path = tar(tmp_path / "a.tar", kind)
    with tarfile.open(path) as opened:
        expected = [(info.name, info.offset_data, info.size, info.isdir()) for info in opened]
    assert entries(path) == expected


def renamed(name: str) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: setattr(info, "name", name)


def of_kind(kind: bytes) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, "elsewhere", 0

    return change


@pytest.mark.parametrize(
    "change",
    [
        renamed("long/" * 40 + "name.png"),
        of_kind(tarfile.SYMTYPE),
        of_kind(tarfile.LNKTYPE),
        of_kind(tarfile.CHRTYPE),
        of_kind(tarfile.FIFOTYPE),
        lambda info: setattr(info, "size", LARGEST + 1),
    ],
)
def test_what_is_not_plain_is_left_to_tarfile(tmp_path: Path, change: Callable[[tarfile.TarInfo], None]) -> None:
    assert entries(tar(tmp_path / "a.tar", "gnu", change)) is None


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 700, 5000, -10240, -5000])
def test_a_cut_tar_is_left_to_tarfile(tmp_path: Path, keep: int) -> None:
    path = tar(tmp_path / "a.tar")
    with tarfile.open(path) as opened:
        opened.getmembers()
        end = opened.offset
    content = path.read_bytes()
    path.write_bytes(content[:keep] if keep >= 0 else content[:end][: max(0, len(content) + keep)])
    assert entries(path) is None


@pytest.mark.parametrize("at", [3, 101, 125, 150, 156, 160, 258, 270, 350, 499])
def test_a_damaged_header_is_left_to_tarfile(tmp_path: Path, at: int) -> None:
    path = tar(tmp_path / "a.tar")
    content = bytearray(path.read_bytes())
    content[512 + at] ^= 0x15
    path.write_bytes(content)
    assert entries(path) is None
