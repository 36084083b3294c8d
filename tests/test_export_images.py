"""Which pictures an export is compared on: given ones, else the validation split, never the test split."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import packed, paths
from pipeline.errors import UserError
from pipeline.export_images import evenly, images_for
from tests.exporting import IMAGES, own


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_split(folder: Path, images: np.ndarray) -> None:
    folder.mkdir(parents=True)
    packed.write(folder, images, range(len(images)), [0] * len(images))


def test_without_a_wish_it_is_the_validation_split() -> None:
    write_split(paths.VAL, IMAGES)
    write_split(paths.TEST, IMAGES[:1] // 2)
    images, called = images_for(own().asked, None)
    assert np.array_equal(images, IMAGES) and called == "data/split/val"
    assert np.array_equal(images_for(own().asked, None, most=4)[0], IMAGES[::10])


def test_the_test_split_is_no_stand_in() -> None:
    write_split(paths.TEST, IMAGES)
    with pytest.raises(UserError, match=r"^data/split/val does not exist, so .* give --images FOLDER$"):
        images_for(own().asked, None)


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (
            np.zeros((2, 9, 8, 1), np.uint8),
            "data/split/val holds pictures of 9x8x1, and a network takes 8x8x3: give --im",
        ),
        (IMAGES[:0], "data/split/val holds no picture to compare on: give --images FOLDER"),
    ],
)
def test_a_split_that_does_not_fit_is_one_line(images: np.ndarray, line: str) -> None:
    write_split(paths.VAL, images)
    with pytest.raises(UserError, match=f"^{line}"):
        images_for(own().asked, None)


def test_given_pictures_are_resized_as_for_training_and_broken_ones_passed_over() -> None:
    Path("photos/deep").mkdir(parents=True)
    for number, pixels in enumerate(IMAGES[:3]):
        Image.fromarray(pixels).save(f"photos/deep/{number}.png")
    Path("photos/broken.png").write_text("no picture")
    images, called = images_for(own().asked, "photos")
    assert np.array_equal(images, IMAGES[:3]) and called == "photos"


def test_pictures_that_cannot_be_read_are_one_line() -> None:
    Path("photos").mkdir()
    Path("photos/a.png").write_text("no picture")
    with pytest.raises(UserError, match=r"^--images photos: a.png cannot be read \(.+\), nor any other$"):
        images_for(own().asked, "photos")


@pytest.mark.parametrize(("count", "most", "chosen"), [(3, 5, [0, 1, 2]), (10, 3, [0, 3, 6]), (0, 3, [])])
def test_positions_are_taken_evenly(count: int, most: int, chosen: list[int]) -> None:
    assert evenly(count, most).tolist() == chosen
