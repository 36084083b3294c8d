"""Sheets of captioned pictures; pure, as `report`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.report import figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 6
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
            _show(axes, image)
            axes.set_title(caption, fontsize=8, loc="left")
    if not rows:
        grid[0, 0].text(0, 0.5, "none", fontsize=12)
    return drawn


def one_picture(image: Pixels, title: str) -> "Figure":
    """One image, large, with its title above."""
    drawn = figure(6, 6.6)
    axes = drawn.subplots()
    axes.set_axis_off()
    _show(axes, image)
    axes.set_title(title, fontsize=10, loc="left")
    return drawn


def _show(axes: "Axes", image: Pixels) -> None:
    grey = image.shape[2] == 1
    axes.imshow(
        image[..., 0] if grey else image,
        cmap="gray" if grey else None,
        vmin=0,
        vmax=255,
        interpolation="nearest" if image.shape[0] < 64 else "antialiased",
    )


def mistake_caption(label: str, guess: str, likelihood: float) -> str:
    """What is under a mistake: the label, and the guess with its likelihood."""
    return f"is {plain(label)}\nguess {plain(guess)} {likelihood:.0%}"
