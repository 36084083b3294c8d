"""The raw tar is what `tarfile` would write, and is read back whole or not at all."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.raw_tar import Span, header, in_memory, read_index, write_tar

NAMES = ["a", "cats/1.png", "x" * 100, "x" * 101, "deep/" * 60 + "a", "tür/猫.png", "new\nline", "\\xff", "q'\"", "z/ "]


def by_tarfile(members: dict[str, bytes], target: Path) -> bytes:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.read_bytes()


def contents(count: int) -> dict[str, bytes]:
    random = np.random.default_rng(count)
    sizes = [0, 1, 511, 512, 513, 9728, *random.integers(0, 3000, count)]
    return {f"{NAMES[i % len(NAMES)]}{i}": random.bytes(int(size)) for i, size in enumerate(sizes)}


@pytest.mark.parametrize("members", [{}, {"a": b""}, {"a/b.png": b"1" * 700}, contents(0), contents(60)])
def test_the_bytes_are_those_of_tarfile(tmp_path: Path, members: dict[str, bytes]) -> None:
    write_tar({name: in_memory(content) for name, content in members.items()}, tmp_path / "ours.tar")
    assert (tmp_path / "ours.tar").read_bytes() == by_tarfile(members, tmp_path / "theirs.tar")


@pytest.mark.parametrize("size", [0, 7, 8**10, 8**11 - 1, 8**11, 2**40])
@pytest.mark.parametrize("name", NAMES)
def test_every_header_is_that_of_tarfile(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    assert header(name, size) == info.tobuf(tarfile.PAX_FORMAT)


@pytest.mark.parametrize("members", [{}, contents(60), {f"a/{i}.png": bytes(i) for i in range(90)}])
def test_the_index_leads_to_every_member(tmp_path: Path, members: dict[str, bytes]) -> None:
    write_tar({name: in_memory(content) for name, content in members.items()}, tmp_path / "a.tar")
    raw = (tmp_path / "a.tar").read_bytes()
    found = read_index(tmp_path / "a.tar")
    assert {name: raw[span.offset : span.offset + span.size] for name, span in found.items()} == members


def test_members_are_sorted_whatever_their_order(tmp_path: Path) -> None:
    write_tar({"b": in_memory(b"2"), "a": in_memory(b"1")}, tmp_path / "a.tar")
    assert list(read_index(tmp_path / "a.tar").items()) == [("a", Span(512, 1)), ("b", Span(1536, 1))]


@pytest.mark.parametrize("content", [b"", b"words", b"words" * 999])
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(tarfile.TarError):
        read_index(tmp_path / "a.tar")


@pytest.mark.parametrize("at", [3, 124, 130, 150, 156, 200])
def test_a_damaged_header_is_refused(tmp_path: Path, at: int) -> None:
    write_tar({"a/1.png": in_memory(b"1"), "b/1.png": in_memory(b"2")}, tmp_path / "a.tar")
    content = bytearray((tmp_path / "a.tar").read_bytes())
    content[at] ^= 0x41
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(tarfile.TarError):
        read_index(tmp_path / "a.tar")


def test_a_member_that_gives_less_than_it_said_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="unexpected end of data"):
        write_tar({"a": (10, lambda: io.BytesIO(b"12345"))}, tmp_path / "a.tar")
