"""Checksums say in a few words what is wrong, or nothing."""

import gzip
import hashlib
from pathlib import Path

import pytest

from pipeline.checksums import wrong_gzip, wrong_md5, wrong_sha256

CONTENT = b"an array" * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_mirror_may_compress_differently(tmp_path: Path, level: int) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(CONTENT, level, mtime=level))
    assert wrong_gzip(tmp_path / "a.gz", MD5) is None


def test_a_wrong_checksum_names_found_and_expected(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"other"))
    found = hashlib.md5(b"other").hexdigest()
    assert wrong_gzip(tmp_path / "a.gz", MD5) == f"wrong checksum: its content has md5 {found}, expected {MD5}"


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", gzip.compress(CONTENT)[:-9], gzip.compress(CONTENT)[:15] + b"x" * 20],
    ids=["empty", "a page", "cut short", "overwritten"],
)
def test_what_is_no_whole_gzip_file_is_wrong(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    problem = wrong_gzip(tmp_path / "a.gz", MD5)
    assert problem is not None and problem.startswith(("not a whole gzip file", "wrong checksum"))


def test_plain_files_have_md5_and_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    assert wrong_md5(tmp_path / "a", MD5) is None
    assert wrong_md5(tmp_path / "a", "0" * 32) == f"wrong checksum: it has md5 {MD5}, expected {'0' * 32}"
    assert wrong_sha256(tmp_path / "a", hashlib.sha256(CONTENT).hexdigest()) is None
    assert wrong_sha256(tmp_path / "a", "0" * 64) is not None
