"""The data sets in their official layouts, from a real server, and the checksums that stand before them."""

import gzip
import io
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import cifar, sources
from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.params import Dataset
from pipeline.raw import open_raw
from pipeline.sources import Source, mirror_or
from tests import official
from tests.test_fetch import FAULTS, HASTY, serving, speaking

FASHION = Path("/usr/share/datasets/fashion-mnist")


def dataset(name: str, mirror: str = "", **changes: Any) -> Dataset:
    return Dataset(**{"name": name, "path": "", "sha256": "", "mirror": mirror, "watch": "", **changes})


def photo() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(stream, "JPEG")
    return stream.getvalue()


def served(name: str) -> tuple[dict[str, bytes], Callable[[str], Source]]:
    """The files of a small official data set, and its source for a host that has them."""
    if name == "cifar10":
        files = {sources.CIFAR10.file: official.cifar10()}
        return files, lambda host: partial(sources.cifar_records, _row(files, sources.CIFAR10, host), cifar.CIFAR10)
    if name == "cifar100":
        files = {sources.CIFAR100.file: official.cifar100()}
        return files, lambda host: partial(sources.cifar_records, _row(files, sources.CIFAR100, host), cifar.CIFAR100)
    if name == "flowers":
        files = {sources.FLOWERS.file: official.flowers(photo())}
        return files, lambda host: partial(sources.pictures, _row(files, sources.FLOWERS, host))
    files = official.idx_gz()
    classes = sources.FASHION_MNIST.classes if name == "fashion-mnist" else ()
    return files, lambda host: partial(sources.idx_files, official.idx_of(files, host, classes))


def _row(files: dict[str, bytes], like: sources.Archive, host: str) -> sources.Archive:
    return official.archive_of(files[like.file], like, host)


NAMES = ("mnist", "fashion-mnist", "cifar10", "cifar100", "flowers")
COUNTS = {"mnist": 80, "fashion-mnist": 80, "cifar10": 120, "cifar100": 400, "flowers": 15}
FIRST = {
    "mnist": ("test/00000", "0"),
    "fashion-mnist": ("test/00000", "T-shirt/top"),
    "cifar10": ("test/00000", "airplane"),
    "cifar100": ("test/00000", "fine_00"),
    "flowers": ("daisy/0_m.jpg", "daisy"),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_official_layout_is_read_from_a_server(tmp_path: Path, name: str) -> None:
    files, source = served(name)
    with serving(files) as host:
        source(host.address)(dataset(name), tmp_path / "raw.tar", tmp_path / "kept")
    raw = open_raw(tmp_path / "raw.tar")
    assert len(raw.records) == COUNTS[name]
    assert (raw.records[0].file, raw.records[0].label) == FIRST[name]
    assert raw.pixels(0).shape == (
        (10, 20, 3) if name == "flowers" else (28, 28, 3) if "mnist" in name else (32, 32, 3)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_connection_that_is_cut_again_and_again_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    files, source = served(name)
    size = max(map(len, files.values()))
    for target, cuts in (("whole.tar", ()), ("cut.tar", (size // 3, size // 4))):
        with serving(files, cuts) as host:
            source(host.address)(dataset(name), tmp_path / target, tmp_path / f"kept-{target}")
    assert file_digest(tmp_path / "whole.tar") == file_digest(tmp_path / "cut.tar")


@pytest.mark.parametrize("name", NAMES)
def test_other_bytes_than_the_official_ones_are_refused(tmp_path: Path, name: str) -> None:
    files, source = served(name)
    other = {file: gzip.compress(b"other") for file in files}
    with serving(other) as host, pytest.raises(UserError, match="wrong checksum"):
        source(host.address)(dataset(name), tmp_path / "raw.tar", tmp_path / "kept")
    assert not (tmp_path / "raw.tar").exists()
    assert list((tmp_path / "kept" / name).iterdir()) == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", [*NAMES, "folder"])
def test_every_fault_of_a_server_is_one_line_from_every_source(tmp_path: Path, name: str, fault: str) -> None:
    with speaking(FAULTS[fault][0]) as address:
        run = fetched_from(address, name)
        with pytest.raises(UserError) as caught:
            run(tmp_path / "raw.tar", tmp_path / "kept")
    assert str(caught.value).startswith("could not get ") and "\n" not in str(caught.value)
    left = [file.name for file in (tmp_path / "kept").rglob("*") if file.is_file()]
    assert all(file.endswith(".part") for file in left) and not (tmp_path / "raw.tar").exists()


def fetched_from(address: str, name: str) -> Callable[[Path, Path], None]:
    """A source whose only host is at `address`, and which is soon out of patience."""
    if name == "folder":
        params = dataset("folder", path=f"{address}/pets.zip", sha256="0" * 64)
        return partial(sources.folder, params, patience=HASTY, most=400_000)
    source: Any = served(name)[1](address)
    return partial(source, dataset(name), patience=HASTY)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_at_an_archive_without_checksum_are_one_line_too(tmp_path: Path, fault: str) -> None:
    with speaking(FAULTS[fault][0]) as address:
        params = dataset("folder", path=f"{address}/pets.zip")
        with pytest.raises(UserError) as caught:
            sources.folder(params, tmp_path / "raw.tar", tmp_path / "kept", HASTY, most=400_000)
    assert "\n" not in str(caught.value) and not (tmp_path / "raw.tar").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_mirror_takes_the_place_of_the_official_host(tmp_path: Path, name: str) -> None:
    files, source = served(name)
    (tmp_path / "mirror").mkdir()
    for file, content in files.items():
        (tmp_path / "mirror" / file).write_bytes(content)
    params = dataset(name, str(tmp_path / "mirror"))
    source("http://127.0.0.1:1/")(params, tmp_path / "raw.tar", tmp_path / "kept")
    assert len(open_raw(tmp_path / "raw.tar").records) == COUNTS[name]


def test_cifar_pixels_are_red_green_and_blue_planes(tmp_path: Path) -> None:
    content = official.cifar10()
    (tmp_path / "a.tar.gz").write_bytes(content)
    found = cifar.read_cifar(tmp_path / "a.tar.gz", cifar.CIFAR10)
    images = np.frombuffer(found.members["test/images-idx4-ubyte"], np.uint8, offset=20).reshape(-1, 32, 32, 3)
    random = np.random.default_rng(10)
    for _ in range(6):  # the test batch is the sixth
        planes = random.integers(0, 256, (20, 3072), dtype=np.uint8)
    np.testing.assert_array_equal(images[7, 3, 5], planes[7].reshape(3, 32, 32)[:, 3, 5])
    assert found.classes == list(official.CIFAR10_NAMES)


def test_cifar100_keeps_its_superclasses(tmp_path: Path) -> None:
    files, source = served("cifar100")
    with serving(files) as host:
        source(host.address)(dataset("cifar100"), tmp_path / "raw.tar", tmp_path / "kept")
    raw = open_raw(tmp_path / "raw.tar")
    assert Counter(raw.superclasses.values()) == dict.fromkeys(official.COARSE, 5)
    assert raw.superclasses["fine_00"] == "coarse_00" and raw.superclasses["fine_99"] == "coarse_19"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"cifar-10-batches-bin/data_batch_1.bin": bytes(3073)}, "holds no 'cifar-10-batches-bin/data_batch_2.bin'"),
        (
            {file: bytes(3072) for file in sum(cifar.CIFAR10.splits.values(), ())} | {cifar.CIFAR10.classes: b"a\nb\n"},
            "has 3,072 bytes, which are no whole records of 3,073",
        ),
    ],
)
def test_an_archive_of_another_layout_gives_one_line(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    (tmp_path / "a.tar.gz").write_bytes(official.tar_gz(files))
    with pytest.raises(UserError) as caught:
        cifar.read_cifar(tmp_path / "a.tar.gz", cifar.CIFAR10)
    assert message in str(caught.value)


def test_official_hosts_are_asked_unless_a_mirror_is_set(tmp_path: Path) -> None:
    hosts = sources.MNIST.hosts
    assert mirror_or(hosts, dataset("mnist")) == hosts
    assert mirror_or(hosts, dataset("mnist", str(tmp_path))) == (str(tmp_path),)
    assert mirror_or(hosts, dataset("mnist", "http://a/b")) == ("http://a/b",)


@pytest.mark.parametrize("mirror", ["nowhere", "ftp://a/b"])
def test_a_mirror_that_is_neither_folder_nor_address_is_refused(mirror: str) -> None:
    with pytest.raises(UserError, match=f"dataset.mirror '{mirror}' is neither a folder nor an http"):
        mirror_or(sources.MNIST.hosts, dataset("mnist", mirror))


def test_digits_are_sklearns_own_and_always_the_same_bytes(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    for name in ("one.tar", "two.tar"):
        sources.digits(dataset("digits"), tmp_path / name, tmp_path)
    raw, data = open_raw(tmp_path / "one.tar"), load_digits()
    assert [record.label for record in raw.records] == [str(label) for label in data.target]
    np.testing.assert_allclose(raw.pixels(100)[:, :, 0], data.images[100] * 255 / 16, atol=0.5)
    assert file_digest(tmp_path / "one.tar") == file_digest(tmp_path / "two.tar")


def test_mnist_from_a_mirror_that_compresses_differently_is_the_same(tmp_path: Path, datasets: Path) -> None:
    (tmp_path / "mirror").mkdir()
    for file, _ in sources.MNIST.files.values():
        plain = gzip.decompress((datasets / "mnist" / file).read_bytes())
        (tmp_path / "mirror" / file).write_bytes(gzip.compress(plain, 1))
    for mirror in (datasets / "mnist", tmp_path / "mirror"):
        target = tmp_path / f"{mirror.parent.name}.tar"
        sources.SOURCES["mnist"](dataset("mnist", str(mirror)), target, tmp_path / mirror.parent.name)
    raw = open_raw(tmp_path / f"{datasets.name}.tar")
    assert [len([1 for record in raw.records if record.split == part]) for part in ("train", "test")] == [60000, 10000]
    assert (raw.records[0].label, raw.records[10000].label) == ("7", "5")  # the first of each, as everywhere
    assert file_digest(tmp_path / f"{datasets.name}.tar") == file_digest(tmp_path / f"{tmp_path.name}.tar")


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_the_official_one(tmp_path: Path) -> None:
    sources.SOURCES["fashion-mnist"](dataset("fashion-mnist", str(FASHION)), tmp_path / "raw.tar", tmp_path)
    raw = open_raw(tmp_path / "raw.tar")
    assert len(raw.records) == 70_000
    assert (raw.records[0].label, raw.records[10000].label) == ("Ankle boot", "Ankle boot")
    assert "T-shirt/top" in raw.classes


@pytest.mark.parametrize(
    ("sha256", "problem"),
    [("0" * 64, "wrong checksum: it has sha256"), ("", None)],
)
def test_the_checksum_of_ones_own_archive_is_held(tmp_path: Path, sha256: str, problem: str | None) -> None:
    archive = tmp_path / "photos.tgz"
    archive.write_bytes(official.flowers(photo()))
    source, params = sources.SOURCES["folder"], dataset("folder", path=str(archive), watch=str(archive))
    source(params.model_copy(update={"sha256": file_digest(archive)}), tmp_path / "right.tar", tmp_path)
    if problem:
        with pytest.raises(UserError, match=problem):
            source(params.model_copy(update={"sha256": sha256}), tmp_path / "raw.tar", tmp_path)
        assert not (tmp_path / "raw.tar").exists()
    else:
        source(params, tmp_path / "raw.tar", tmp_path)
        assert file_digest(tmp_path / "raw.tar") == file_digest(tmp_path / "right.tar")
