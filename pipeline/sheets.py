"""Sheets of captioned pictures; pure, as `report`."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.report import figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 6
# Of a sheet of predictions: up to so many pictures -> columns, inches a cell, points a letter.
GRIDS = ((1, 1, 6.0, 11), (9, 3, 3.4, 9), (36, 6, 2.1, 8), (100, 10, 1.7, 7))
WIDE, NARROW = 1.15, 0.65  # at most, letters of matplotlib's font, and the boxes for those it lacks, in its size
LATIN = "\u024f"  # the last letter
Pixels = NDArray[np.uint8]


def captioned_sheet(images: Sequence[Pixels], captions: Sequence[str], title: str) -> "Figure":
    """A grid of images in their order, each with its caption above; an empty sheet says so."""
    cells = list(zip(images, captions, strict=True))
    return rows_sheet([cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)], title)


def rows_sheet(rows: Sequence[Sequence[tuple[Pixels, str]]], title: str) -> "Figure":
    """Rows of at most `COLUMNS` (image, caption); an empty sheet says so.

    Args:
        rows: images are uint8 (height, width, 1 or 3).
    """
    drawn = figure(11, 0.6 + 2.2 * max(1, len(rows)))
    drawn.suptitle(title, x=0.01, ha="left")
    grid = drawn.subplots(max(1, len(rows)), COLUMNS, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for line, cells in zip(grid, rows, strict=False):
        for axes, (image, caption) in zip(line, cells, strict=False):
            show(axes, image)
            axes.set_title(caption, fontsize=8, loc="left")
    if not rows:
        grid[0, 0].text(0, 0.5, "none", fontsize=12)
    return drawn


def prediction_sheet(images: Sequence[Pixels], captions: Sequence[str], title: str) -> "Figure":
    """A grid of at most 100 pictures of any shape, each with its caption above; the fewer, the larger.

    Args:
        images: at least one; uint8 (height, width, 1 or 3).
    """
    columns, inches, points = next(grid for most, *grid in GRIDS if len(images) <= most)
    num_columns = min(int(columns), len(images))
    num_rows = -(-len(images) // num_columns)
    words = (max(caption.count("\n") for caption in captions) + 1.5) * points * 1.3 / 72
    drawn = figure(max(4.0, inches * num_columns), 0.5 + (inches + words) * num_rows)
    drawn.suptitle(title, x=0.01, ha="left", fontsize=points + 1)
    cells = drawn.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
        axes.set_anchor("NW")  # else the caption of a tall picture would begin in the middle and reach its neighbour
    for axes, image, caption in zip(cells, images, captions, strict=False):
        show(axes, image)
        lines = [_cut(line, 0.95 * inches * 72 / points) for line in caption.split("\n")]
        axes.set_title("\n".join(lines), fontsize=points, loc="left")
    return drawn


def _em(letter: str) -> float:
    return WIDE if letter.isupper() or letter in "mw@%" or letter > LATIN else NARROW


def _cut(line: str, most: float) -> str:
    """A line that is at most so many font sizes wide, about."""
    reached = list(itertools.accumulate(_em(letter) for letter in line))
    if not reached or reached[-1] <= most:
        return line
    return line[: sum(width <= most - WIDE for width in reached)].rstrip("\\") + "…"


def one_picture(image: Pixels, title: str) -> "Figure":
    """One image, large, with its title above."""
    drawn = figure(6, 6.6)
    axes = drawn.subplots()
    axes.set_axis_off()
    show(axes, image)
    axes.set_title(title, fontsize=10, loc="left")
    return drawn


def show(axes: "Axes", image: Pixels) -> None:
    """Draws a picture, uint8 (height, width, 1 or 3); small ones keep their pixels' edges."""
    grey = image.shape[2] == 1
    axes.imshow(
        image[..., 0] if grey else image,
        cmap="gray" if grey else None,
        vmin=0,
        vmax=255,
        interpolation="nearest" if max(image.shape[:2]) < 64 else "antialiased",
    )


def mistake_caption(label: str, guess: str, likelihood: float) -> str:
    """What is under a mistake: the label, and the guess with its likelihood."""
    return f"is {plain(label)}\nguess {plain(guess)} {likelihood:.0%}"


def prediction_caption(label: str, likelihood: float, true_label: str | None = None) -> str:
    """What is above a picture: class and likelihood, and the true label where it is known."""
    truth = "" if true_label is None else f"\nis {plain(true_label)}"
    return f"{plain(label)}\n{likelihood:.1%}{truth}"
