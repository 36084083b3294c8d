"""Sheets of captioned pictures; pure, as `report`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.report import figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 6


def captioned_sheet(images: Sequence[NDArray[np.uint8]], captions: Sequence[str], title: str) -> "Figure":
    """A grid of images, each with its caption above; an empty sheet says so.

    Args:
        images: uint8 (height, width, 1 or 3) each.
    """
    rows = max(1, -(-len(images) // COLUMNS))
    drawn = figure(11, 0.6 + 2.2 * rows)
    drawn.suptitle(title, x=0.01, ha="left")
    grid = drawn.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, caption in zip(grid, images, captions, strict=False):
        height = image.shape[0]
        grey = image.shape[2] == 1
        axes.imshow(
            image[..., 0] if grey else image,
            cmap="gray" if grey else None,
            vmin=0,
            vmax=255,
            interpolation="nearest" if height < 64 else "antialiased",
        )
        axes.set_title(caption, fontsize=8, loc="left")
    if not len(images):
        grid[0].text(0, 0.5, "none", fontsize=12)
    return drawn


def mistake_caption(label: str, guess: str, likelihood: float) -> str:
    """What is under a mistake: the label, and the guess with its likelihood."""
    return f"is {plain(label)}\nguess {plain(guess)} {likelihood:.0%}"
