"""Weights files: fetched from a real server on this machine or a folder, verified, and put into real networks."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup, weights
from pipeline.backbones import BACKBONES
from pipeline.errors import UserError
from tests.test_fetch import HASTY, closed_port, serving

NAME = "tiny.weights.h5"
TINY = replace(BACKBONES["vgg16"], files=(f"tiny/{NAME}", "tiny/top.h5"), md5=("", ""))


@pytest.fixture(scope="module", autouse=True)
def threads() -> None:
    keras_setup.deterministic(0, 2)  # as every test that computes: threads cannot change later


def network(units: int = 3) -> Any:
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, name="dense")], name="tiny")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A weights file as Keras writes it."""
    file = tmp_path_factory.mktemp("weights") / NAME
    network().save_weights(file)
    return file.read_bytes()


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout to keep downloads in."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "checkout"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "checkout"


def kept(root: Path) -> list[str]:
    return sorted(file.name for file in (root / ".reprolens/downloads/weights").glob("*"))


def test_addresses_are_those_that_keras_fetches_from() -> None:
    mobile = BACKBONES["mobilenet_v2"]
    host = "https://storage.googleapis.com/tensorflow/keras-applications/"
    name = "vgg16_weights_tf_dim_ordering_tf_kernels"
    assert weights.address(BACKBONES["vgg16"], True) == f"{host}vgg16/{name}.h5"
    assert weights.address(BACKBONES["vgg16"], False) == f"{host}vgg16/{name}_notop.h5"
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
    assert weights.address(mobile, True, 1) == f"{host}mobilenet_v2/{name}_1.0_224.h5"
    assert weights.address(mobile, False, 0.35) == f"{host}mobilenet_v2/{name}_0.35_224_no_top.h5"


@pytest.mark.parametrize("place", ["", "tiny"])
def test_a_folder_may_have_the_file_by_its_name_or_as_the_host_has_it(
    tmp_path: Path, root: Path, content: bytes, place: str
) -> None:
    (tmp_path / "mirror" / place).mkdir(parents=True)
    (tmp_path / "mirror" / place / NAME).write_bytes(content)
    found = weights.fetched(TINY, False, str(tmp_path / "mirror"))
    assert found.read_bytes() == content
    assert kept(root) == [NAME]


def test_an_address_is_a_mirror_and_what_came_from_it_stays(root: Path, content: bytes) -> None:
    with serving({f"tiny/{NAME}": content}) as host:
        first = weights.fetched(TINY, False, host.address)
    assert weights.fetched(TINY, False, host.address) == weights.fetched(TINY, False) == first  # nobody serves now
    assert first.read_bytes() == content


def test_the_official_host_is_asked_without_a_mirror(content: bytes) -> None:
    with serving({f"tiny/{NAME}": content}) as host:
        published = f"{host.address}tiny/{NAME}"
        found = weights.fetched_file(published, "", weights.not_hdf5, weights.SETTING)
    assert found.read_bytes() == content


def test_without_a_network_file_address_and_remedy_are_named() -> None:
    published = f"{closed_port()}/tiny/{NAME}"
    with pytest.raises(UserError) as caught:
        weights.fetched_file(published, "", weights.not_hdf5, weights.SETTING, HASTY)
    assert str(caught.value) == (
        f"could not get {NAME}: {published}: host unreachable. Get it where there is a network, put it in a folder, "
        "and set backbone.mirror to that folder, or to an address that has it"
    )


def test_a_mirror_without_the_file_is_said_with_where_it_is_published(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tiny\.weights\.h5: no such file; .*Get https://storage\.\S+/tiny/tiny") as it:
        weights.fetched(TINY, False, str(tmp_path), setting="HERE")
    assert "set HERE to that folder" in str(it.value)


def test_a_mirror_that_is_neither_folder_nor_address_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"^backbone\.mirror '\S+/gone' is neither a folder nor an http\(s\) address: give one that has tiny",
    ):
        weights.fetched(TINY, False, str(tmp_path / "gone"))


def test_a_download_that_is_cut_goes_on(content: bytes) -> None:
    with serving({NAME: content}, cuts=(100, 200)) as host:
        assert weights.fetched(TINY, False, host.address).read_bytes() == content
    assert host.asked == [None, "bytes=100-", "bytes=300-"]


def test_a_download_that_stays_cut_leaves_only_its_beginning(root: Path, content: bytes) -> None:
    with serving({NAME: content}, cuts=(100, 0)) as host, pytest.raises(UserError, match="connection cut"):
        weights.fetched(TINY, False, host.address)
    assert kept(root) == [f"{NAME}.part"]


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"<html>please log in</html>", "not an HDF5 file"),
        (b"", "not an HDF5 file"),
        (weights.HDF5 + b"\x09" * 90, "not an HDF5 file"),
        (None, "cut off after 999 of"),
    ],
)
def test_what_is_no_whole_hdf5_file_is_refused_where_no_md5_is_known(
    root: Path, content: bytes, sent: bytes | None, problem: str
) -> None:
    with (
        serving({NAME: content[:999] if sent is None else sent}) as host,
        pytest.raises(UserError, match=problem),
    ):
        weights.fetched(TINY, False, host.address)
    assert kept(root) == []


def test_the_right_md5_is_required_where_it_is_known(root: Path, content: bytes) -> None:
    right = replace(TINY, md5=(hashlib.md5(content).hexdigest(), ""))
    with serving({NAME: content[:-1] + b"!"}) as host, pytest.raises(UserError, match="wrong checksum") as caught:
        weights.fetched(right, False, host.address)
    assert str(caught.value).endswith("A file that you trust can be given by its path, as backbone.weights")
    assert kept(root) == []
    with serving({NAME: content}) as host:
        assert weights.fetched(right, False, host.address).read_bytes() == content


def test_a_file_that_rotted_among_the_downloads_is_fetched_again(content: bytes) -> None:
    right = replace(TINY, md5=(hashlib.md5(content).hexdigest(), ""))
    with serving({NAME: content}) as host:
        file = weights.fetched(right, False, host.address)
        file.write_bytes(content[:-1] + b"!")
        assert weights.fetched(right, False, host.address).read_bytes() == content


def test_weights_are_loaded_into_a_network_of_their_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    first, second = network(), network()
    for model in (first, second):
        weights.load(model, tmp_path / NAME, "backbone.weights")
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])


def make_words(file: Path, content: bytes) -> None:
    file.write_text("these are words")


def make_cut(file: Path, content: bytes) -> None:
    file.write_bytes(content[: len(content) // 2])


def make_other_network(file: Path, content: bytes) -> None:
    network(units=5).save_weights(file)


def make_damaged(file: Path, content: bytes) -> None:
    file.write_bytes(content[:64] + b"\xff" * 2000 + content[2064:])


def make_no_numbers(file: Path, content: bytes) -> None:
    model = network()
    model.set_weights([np.full((4, 3), np.nan), np.zeros(3)])
    model.save_weights(file)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (make_words, r"is broken: not an HDF5 file\. Give the right file"),
        (make_cut, r"is broken: cut off after [\d,]+ of [\d,]+ bytes\. Give the right file"),
        (make_other_network, r"has no weights for tiny, or is broken \(.*\)\. Give the right file"),
        (make_damaged, r"has no weights for tiny, or is broken \(.*\)\. Give the right file"),
        (make_no_numbers, r"is broken: some of its weights are no numbers\. Give the right file"),
        (lambda file, content: None, r"there is no file \S+: give one that is there$"),
    ],
)
def test_what_are_no_weights_of_the_network_is_one_clear_line(
    tmp_path: Path, content: bytes, make: Any, line: str
) -> None:
    make(tmp_path / NAME, content)
    with pytest.raises(UserError, match=line) as caught:
        weights.load(network(), tmp_path / NAME, "backbone.weights")
    assert str(caught.value).startswith("backbone.weights: ") and "\n" not in str(caught.value)


def test_real_weights_come_from_a_folder_and_fit_their_network_alone(datasets: Path) -> None:
    import keras

    file = weights.fetched(BACKBONES["mobilenet_v2"], False, str(datasets / "weights"), 0.35)
    right = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    weights.load(right, file, "backbone.weights")
    expected = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=file)
    for ours, theirs in zip(right.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(UserError, match="has no weights for vgg16, or is broken"):
        weights.load(keras.applications.VGG16(include_top=False, weights=None), file, "backbone.weights")


def test_real_weights_in_other_bytes_are_not_taken_for_the_official_ones(datasets: Path, root: Path) -> None:
    with pytest.raises(UserError, match=r"wrong checksum: it has md5 .*, expected 6d6bbae143d832006294945121d1f1fc"):
        weights.fetched(BACKBONES["vgg16"], False, str(datasets / "weights"))
    assert kept(root) == []
