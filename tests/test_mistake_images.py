"""The pictures of mistakes: bytes that repeat, bounded in size and number."""

import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.mistake_images import MOST, SIDE, read_pictures, write_pictures
from pipeline.mistakes import Mistake


def mistakes(*rows: int) -> list[Mistake]:
    return [Mistake(row, f"{row}.png", f"{row:064x}", 0, 1, 0.9, ()) for row in rows]


def pixels(count: int, height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def test_two_writings_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_pictures(tmp_path / name, pixels(9, 8, 8, 1), mistakes(3, 1))
        time.sleep(2.1)  # a zip stores times in steps of two seconds
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("channels", [1, 3])
def test_small_pictures_are_kept_pixel_by_pixel(tmp_path: Path, channels: int) -> None:
    images = pixels(9, 28, 30, channels)
    write_pictures(tmp_path / "m.npz", images, mistakes(7, 2))
    found = read_pictures(tmp_path / "m.npz")
    assert list(found) == [f"{7:064x}", f"{2:064x}"]
    assert np.array_equal(found[f"{7:064x}"], images[7]) and np.array_equal(found[f"{2:064x}"], images[2])


@pytest.mark.parametrize(("size", "kept"), [((100, 100), (64, 64)), ((200, 100), (64, 32)), ((10, 2000), (1, 64))])
def test_large_pictures_are_shrunk_and_keep_their_shape(
    tmp_path: Path, size: tuple[int, int], kept: tuple[int, int]
) -> None:
    grey = np.full((2, *size, 1), 77, np.uint8)
    write_pictures(tmp_path / "m.npz", grey, mistakes(1))
    found = read_pictures(tmp_path / "m.npz")[f"{1:064x}"]
    assert found.shape == (*kept, 1) and max(kept) <= SIDE and (found == 77).all()


def test_the_surest_are_kept_when_there_are_too_many(tmp_path: Path) -> None:
    write_pictures(tmp_path / "m.npz", pixels(1, 2, 2, 1), [mistakes(0)[0]] * 2 + mistakes(0) * MOST)
    with np.load(tmp_path / "m.npz", allow_pickle=False) as held:
        assert held["images"].shape == (MOST, 2, 2, 1) and held["pixel_hash"].dtype == "S64"


def test_no_mistake_is_an_empty_file_that_can_be_read(tmp_path: Path) -> None:
    write_pictures(tmp_path / "m.npz", pixels(3, 8, 8, 3), [])
    assert read_pictures(tmp_path / "m.npz") == {}


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"m.npz is broken: run `dvc repro --force evaluate`"):
        read_pictures(tmp_path / "m.npz")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", pixel_hash=np.array([b"a"]), images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="is broken"):
        read_pictures(tmp_path / "m.npz")
