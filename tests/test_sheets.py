"""Sheets of captioned pictures."""

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from pipeline.report import save
from pipeline.sheets import COLUMNS, captioned_sheet, mistake_caption, prediction_caption, prediction_sheet
from tests.test_report import ODD_NAMES, size_of


def pictures(count: int, side: int = 8, channels: int = 3) -> list[Any]:
    return list(np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8))


def png(folder: Path, images: list[Any], captions: list[str], title: str = "Sheet") -> bytes:
    save(captioned_sheet(images, captions, title), folder / "sheet.png")
    return (folder / "sheet.png").read_bytes()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 1, 24])
def test_a_sheet_is_a_png_whose_bytes_repeat(tmp_path: Path, count: int, channels: int) -> None:
    captions = [f"picture {number}" for number in range(count)]
    first = png(tmp_path, pictures(count, channels=channels), captions)
    assert min(size_of(first)) > 100
    assert png(tmp_path, pictures(count, channels=channels), captions) == first


def test_every_picture_has_its_caption_and_empty_places_stay_empty() -> None:
    drawn = captioned_sheet(pictures(8), [f"number {number}" for number in range(8)], "Sheet")
    assert [axes.get_title(loc="left") for axes in drawn.axes[:8]] == [f"number {number}" for number in range(8)]
    assert [len(axes.images) for axes in drawn.axes] == [1] * 8 + [0] * 4


def test_a_sheet_without_pictures_says_so(tmp_path: Path) -> None:
    drawn = captioned_sheet([], [], "Mistakes")
    assert [text.get_text() for text in drawn.axes[0].texts] == ["none"]
    assert size_of(png(tmp_path, [], []))


def test_odd_names_in_captions_are_drawn_without_a_word(tmp_path: Path) -> None:
    captions = [mistake_caption(name, name, 0.5) for name in ODD_NAMES]
    assert size_of(png(tmp_path, pictures(len(captions)), captions))


def test_a_grey_picture_keeps_its_brightness() -> None:
    drawn = captioned_sheet([np.full((8, 8, 1), 100, np.uint8)], ["grey"], "Sheet")
    assert drawn.axes[0].images[0].get_clim() == (0, 255)


@pytest.mark.parametrize("size", [(1, 1), (300, 20), (20, 300)])
def test_pictures_of_any_shape_are_drawn(tmp_path: Path, size: tuple[int, int]) -> None:
    assert size_of(png(tmp_path, [np.zeros((*size, 1), np.uint8)] * 8, ["a"] * 8))


def test_a_mistake_is_told_with_label_guess_and_likelihood() -> None:
    assert mistake_caption("cat", "dog", 0.987) == "is cat\nguess dog 99%"


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (9, 3, 3), (10, 2, 6), (36, 6, 6), (37, 4, 10), (100, 10, 10)]
)
def test_the_fewer_predictions_the_larger_their_pictures(count: int, rows: int, columns: int) -> None:
    drawn = prediction_sheet(pictures(count), [str(number) for number in range(count)], "Sheet")
    place = drawn.axes[0].get_subplotspec()
    assert place is not None and place.get_geometry()[:2] == (rows, columns)
    assert [axes.get_title(loc="left") for axes in drawn.axes[:count]] == [str(number) for number in range(count)]
    assert [len(axes.images) for axes in drawn.axes] == [1] * count + [0] * (rows * columns - count)


@pytest.mark.parametrize("count", [1, 9, 36, 37])
@pytest.mark.parametrize(
    "name", ["W" * 60, "m" * 60, "a name of sixty letters " * 3, "中" * 60], ids=["W", "m", "words", "wide"]
)
def test_captions_of_predictions_stay_above_their_own_picture(count: int, name: str) -> None:
    shapes = [(30, 256, 3), (256, 30, 3), (8, 8, 1)]
    images = [np.zeros(shapes[number % 3], np.uint8) for number in range(count)]
    drawn = prediction_sheet(images, [prediction_caption(name, 0.987, name)] * count, "Sheet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters the font lacks
        drawn.draw_without_rendering()
        texts = [child for axes in drawn.axes for child in axes.get_children() if isinstance(child, Text)]
        reached = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(reached) == count
    boxes = sorted((round(box.y0), box.x0, box.x1) for box in reached)
    assert all(end < start for (row, _, end), (other, start, _) in itertools.pairwise(boxes) if row == other)
    assert all(box.x1 < drawn.bbox.x1 for box in reached)


def test_a_prediction_is_told_with_class_and_likelihood() -> None:
    assert prediction_caption("cat", 0.9876) == "cat\n98.8%"
    assert prediction_caption("a$", 1.0, "dog") == "a\\$\n100.0%\nis dog"


def test_odd_names_on_a_sheet_of_predictions_are_drawn_without_a_word(tmp_path: Path) -> None:
    captions = [prediction_caption(name, 0.5) for name in ODD_NAMES]
    save(prediction_sheet(pictures(len(captions), channels=1), captions, "Sheet"), tmp_path / "sheet.png")
    assert min(size_of((tmp_path / "sheet.png").read_bytes())) > 100
