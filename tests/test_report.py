"""Pictures: PNG, the same bytes for the same numbers, whatever the classes are called and however many there are."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import report
from pipeline.metrics import reliability
from tests.test_metrics import case

Draw = Callable[[list[str]], Any]
ODD_NAMES = [
    "$x$",
    "a$b",
    "new\nline",
    "n" * 300,
    "bücher",
    "中文字",
    "🐱",
    "bad\udcff",
    "\x00\x07",
    "\\$a\\",
    "<&>",
    "%s",
]


def plain_names(count: int) -> list[str]:
    return [f"class {number}" for number in range(count)]


def draw_samples(names: list[str]) -> Any:
    random = np.random.default_rng(0)
    return report.sample_sheet([random.integers(0, 256, (4, 8, 8, 1), np.uint8) for _ in names], names)


def draw_counts(names: list[str]) -> Any:
    counts = {split: {name: 5 + number for number, name in enumerate(names)} for split in ("train", "val", "test")}
    return report.class_counts(counts, names)


def draw_confusion(names: list[str]) -> Any:
    counts = np.random.default_rng(0).integers(0, 50, (len(names), len(names)))
    return report.confusion_matrix(counts, names)


def draw_reliability(names: list[str]) -> Any:
    return report.reliability_diagram(reliability(*case(len(names))), 0.1)


def draw_curves(names: list[str]) -> Any:
    epochs = np.arange(1, len(names) + 1)
    columns = ("loss", "accuracy", "val_loss", "val_accuracy")
    return report.learning_curves(pd.DataFrame({"epoch": epochs} | dict.fromkeys(columns, 1 / epochs)))


PICTURES = [draw_samples, draw_counts, draw_confusion, draw_reliability, draw_curves]
WITH_NAMES = [draw_samples, draw_counts, draw_confusion]


def png(drawn: Any, folder: Path, name: str = "picture.png") -> bytes:
    report.save(drawn, folder / name)
    return (folder / name).read_bytes()


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "PNG"
        width, height = image.size
    return width, height


@pytest.mark.parametrize("count", [2, 100])
@pytest.mark.parametrize("draw", PICTURES)
def test_a_picture_is_a_png_whose_bytes_repeat(tmp_path: Path, draw: Draw, count: int) -> None:
    first = png(draw(plain_names(count)), tmp_path)
    assert min(size_of(first)) > 80
    assert png(draw(plain_names(count)), tmp_path, "again.png") == first


@pytest.mark.parametrize("draw", WITH_NAMES)
def test_odd_class_names_are_drawn_without_a_word(tmp_path: Path, draw: Draw) -> None:
    assert min(size_of(png(draw(ODD_NAMES), tmp_path))) > 80


@pytest.mark.parametrize("draw", WITH_NAMES)
def test_one_name_changes_the_picture(tmp_path: Path, draw: Draw) -> None:
    assert png(draw(["cat", "dog"]), tmp_path) != png(draw(["cat", "cow"]), tmp_path)


@pytest.mark.parametrize("count", [101, 300])
def test_more_classes_than_can_be_named_still_fit_a_page(tmp_path: Path, count: int) -> None:
    assert max(size_of(png(draw_confusion(plain_names(count)), tmp_path))) < 3000
    assert max(size_of(png(draw_counts(plain_names(count)), tmp_path))) < 3000


def test_a_hundred_classes_are_named_and_large_enough_to_read() -> None:
    drawn = draw_confusion(plain_names(100))
    labels = drawn.axes[0].get_yticklabels()
    per_class = drawn.get_figheight() * 72 / 100  # points; the picture's other parts take a tenth or so
    assert [label.get_text() for label in labels] == plain_names(100)
    assert labels[0].get_fontsize() <= per_class


def test_cells_hold_their_counts_where_they_can_be_read() -> None:
    few = report.confusion_matrix(np.array([[7, 0], [2, 0]]), ["a", "b"])
    assert [(text.get_text(), text.get_position()) for text in few.axes[0].texts] == [("7", (0, 0)), ("2", (0, 1))]
    assert len(draw_confusion(plain_names(100)).axes[0].texts) == 0


@pytest.mark.parametrize(("height", "width"), [(8, 400), (400, 8), (1, 1), (200, 200)])
@pytest.mark.parametrize("count", [2, 100])
def test_samples_of_any_shape_are_drawn(tmp_path: Path, height: int, width: int, count: int) -> None:
    rows = [np.zeros((3, height, width, 3), np.uint8) for _ in range(count)]
    assert max(size_of(png(report.sample_sheet(rows, plain_names(count)), tmp_path))) < 3000


def test_rows_of_samples_are_the_first_of_each_class() -> None:
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    rows = report.rows_of_samples(images, np.array([1, 0, 1, 1, 0, 3], np.int32), 4, most=2)
    assert [row.ravel().tolist() for row in rows] == [[1, 4], [0, 2], [], [5]]


def test_a_class_without_samples_leaves_its_row_empty(tmp_path: Path) -> None:
    rows = [np.zeros((2, 8, 8, 1), np.uint8), np.zeros((0, 8, 8, 1), np.uint8)]
    assert size_of(png(report.sample_sheet(rows, ["a", "b"]), tmp_path))


def test_curves_of_one_epoch_and_of_a_lost_loss_are_drawn(tmp_path: Path) -> None:
    row = {"epoch": [1], "loss": [float("nan")], "accuracy": [0.5], "val_loss": [float("inf")], "val_accuracy": [0.5]}
    assert size_of(png(report.learning_curves(pd.DataFrame(row)), tmp_path))


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a b", "a b"), ("a\n b\t", "a b"), ("$5", r"\$5"), ("bad\udcff", "bad?"), ("x" * 24, "x" * 24)],
)
def test_a_name_is_shown_as_it_is_where_that_can_be(name: str, shown: str) -> None:
    assert report.plain(name) == shown


def test_a_long_name_is_cut_with_a_sign() -> None:
    assert report.plain("x" * 25) == "x" * 23 + "…"
