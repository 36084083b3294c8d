"""The data sets, and the checksums that stand before them."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.params import Dataset
from pipeline.raw import open_raw
from pipeline.sources import MNIST_FILES, MNIST_HOSTS, digits, mirror_or, mnist, wrong_gzip

CONTENT = b"an array" * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


def dataset(name: str, mirror: str = "") -> Dataset:
    return Dataset(name=name, path="", mirror=mirror, watch="")  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_mirror_may_compress_differently(tmp_path: Path, level: int) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(CONTENT, level, mtime=level))
    assert wrong_gzip(tmp_path / "a.gz", MD5) is None


def test_a_wrong_checksum_names_found_and_expected(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"other"))
    found = hashlib.md5(b"other").hexdigest()
    assert wrong_gzip(tmp_path / "a.gz", MD5) == f"wrong checksum: its content has md5 {found}, expected {MD5}"


@pytest.mark.parametrize(
    "content", [b"", b"<html>", gzip.compress(CONTENT)[:-9], gzip.compress(CONTENT)[:15] + b"x" * 20]
)
def test_what_is_no_whole_gzip_file_is_wrong(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    problem = wrong_gzip(tmp_path / "a.gz", MD5)
    assert problem is not None and problem.startswith(("not a whole gzip file", "wrong checksum"))


def test_official_hosts_are_asked_unless_a_mirror_is_set(tmp_path: Path) -> None:
    assert mirror_or(MNIST_HOSTS, dataset("mnist")) == MNIST_HOSTS
    assert mirror_or(MNIST_HOSTS, dataset("mnist", str(tmp_path))) == (str(tmp_path),)
    assert mirror_or(MNIST_HOSTS, dataset("mnist", "http://a/b")) == ("http://a/b",)


@pytest.mark.parametrize("mirror", ["nowhere", "ftp://a/b"])
def test_a_mirror_that_is_neither_folder_nor_address_is_refused(mirror: str) -> None:
    with pytest.raises(UserError, match=f"dataset.mirror '{mirror}' is neither a folder nor an http"):
        mirror_or(MNIST_HOSTS, dataset("mnist", mirror))


def test_digits_are_sklearns_own_and_always_the_same_bytes(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    for name in ("one.tar", "two.tar"):
        digits(dataset("digits"), tmp_path / name, tmp_path)
    raw, data = open_raw(tmp_path / "one.tar"), load_digits()
    assert [record.label for record in raw.records] == [str(label) for label in data.target]
    np.testing.assert_allclose(raw.pixels(100)[:, :, 0], data.images[100] * 255 / 16, atol=0.5)
    assert file_digest(tmp_path / "one.tar") == file_digest(tmp_path / "two.tar")


def test_mnist_from_a_mirror_that_compresses_differently_is_the_same(tmp_path: Path, datasets: Path) -> None:
    (tmp_path / "mirror").mkdir()
    for file, _ in MNIST_FILES.values():
        plain = gzip.decompress((datasets / "mnist" / file).read_bytes())
        (tmp_path / "mirror" / file).write_bytes(gzip.compress(plain, 1))
    for mirror in (datasets / "mnist", tmp_path / "mirror"):
        mnist(dataset("mnist", str(mirror)), tmp_path / f"{mirror.parent.name}.tar", tmp_path / mirror.parent.name)
    raw = open_raw(tmp_path / f"{datasets.name}.tar")
    assert [len([1 for record in raw.records if record.split == part]) for part in ("train", "test")] == [60000, 10000]
    assert (raw.records[0].label, raw.records[10000].label) == ("7", "5")  # the first of each, as everywhere
    assert file_digest(tmp_path / f"{datasets.name}.tar") == file_digest(tmp_path / f"{tmp_path.name}.tar")
