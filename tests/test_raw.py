"""A raw tar, of pictures or of IDX arrays, is read as one list of records."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.archives import pack_pictures
from pipeline.errors import UserError
from pipeline.idx import idx_array, idx_bytes
from pipeline.layout import Placed
from pipeline.raw import open_raw
from pipeline.raw_tar import in_memory, write_tar
from tests.conftest import write_pictures

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)


def idx_tar(target: Path, **parts: tuple[int, int]) -> Path:
    """A tar of IDX arrays, as `sources` writes it; each part holds some of IMAGES, labelled by position."""
    members = {}
    for name, (start, stop) in parts.items():
        folder = f"{name}/" if name != "all" else ""
        members[f"{folder}images-idx3-ubyte"] = in_memory(idx_bytes(IMAGES[start:stop]))
        members[f"{folder}labels-idx1-ubyte"] = in_memory(idx_bytes(np.arange(start, stop, dtype=np.uint8)))
    write_tar(members, target)
    return target


def test_pictures_come_with_label_and_pixels(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", count=2)
    pack_pictures(folder, tmp_path / "raw.tar", tmp_path)
    raw = open_raw(tmp_path / "raw.tar")
    assert raw.classes == ["cats", "dogs"]
    assert raw.records[3] == Placed("dogs/1.png", "dogs", None)
    for position, record in enumerate(raw.records):
        np.testing.assert_array_equal(raw.pixels(position), np.asarray(Image.open(folder / record.file)))


def test_idx_arrays_without_parts_are_divided_later(tmp_path: Path) -> None:
    raw = open_raw(idx_tar(tmp_path / "raw.tar", all=(0, 5)))
    assert raw.records[2] == Placed("00002", "2", None)
    assert raw.classes == list("01234")


def test_idx_images_become_grey_rgb(tmp_path: Path) -> None:
    raw = open_raw(idx_tar(tmp_path / "raw.tar", test=(0, 2), train=(2, 5)))
    for position in range(5):
        np.testing.assert_array_equal(raw.pixels(position), np.repeat(IMAGES[position][:, :, None], 3, axis=2))


def test_given_parts_of_idx_arrays_stay(tmp_path: Path) -> None:
    raw = open_raw(idx_tar(tmp_path / "raw.tar", test=(0, 2), train=(2, 5)))
    assert [record.split for record in raw.records] == ["test"] * 2 + ["train"] * 3
    assert raw.records[2] == Placed("train/00000", "2", "train")


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 1, 2)])
def test_idx_bytes_are_read_back_from_any_offset(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    (tmp_path / "a").write_bytes(b"before" + idx_bytes(array) + b"after")
    np.testing.assert_array_equal(idx_array(tmp_path / "a", 6), array)


def test_idx_bytes_are_as_yann_lecun_has_them() -> None:
    assert idx_bytes(np.array([[7, 8]], np.uint8)) == b"\0\0\x08\x02" + b"\0\0\0\x01" + b"\0\0\0\x02" + b"\x07\x08"


@pytest.mark.parametrize("content", [None, b"", b"no tar", b"x" * 2000])
def test_a_missing_or_broken_tar_says_what_to_run(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "raw.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"raw\.tar is missing or broken: run `dvc repro --force download`"):
        open_raw(tmp_path / "raw.tar")


def test_a_tar_that_was_cut_off_says_what_to_run(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (40, 40)).save(stream, "BMP")
    write_tar({f"{label}/1.bmp": in_memory(stream.getvalue()) for label in "ab"}, tmp_path / "raw.tar")
    (tmp_path / "raw.tar").write_bytes((tmp_path / "raw.tar").read_bytes()[:7000])
    with pytest.raises(UserError, match="missing or broken"):
        open_raw(tmp_path / "raw.tar")
