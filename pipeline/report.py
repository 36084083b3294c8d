"""From numbers to pictures; pure: nothing is read, and only `save` writes. PNG, since its bytes repeat."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.files import replacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.metrics import Reliability

BLUE, ORANGE, GREY, GREEN = "#1f6fb4", "#e07b00", "#8a8f98", "#2a9d5c"
CELLS_WITH_NUMBERS = 25  # more classes than that, and numbers in a matrix cannot be read
NAMES_SHOWN = 100
LONGEST_NAME = 24
TALLEST = 24.0  # inches


def figure(width: float, height: float) -> "Figure":
    """An empty figure, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(drawn: "Figure", target: Path) -> None:
    """Writes a PNG whose bytes depend on the drawing alone."""
    with replacing(target) as beside, warnings.catch_warnings():
        # Letters that matplotlib's own font lacks become boxes; other fonts would differ from machine to machine.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        drawn.savefig(beside, format="png", dpi=110, metadata={"Software": None})


def plain(name: str) -> str:
    """A name that fits and that matplotlib does not read as a formula."""
    visible = " ".join(name.split()).encode(errors="replace").decode().replace("$", r"\$")
    return visible if len(visible) <= LONGEST_NAME else f"{visible[: LONGEST_NAME - 1]}…"


def rows_of_samples(
    images: NDArray[np.uint8], labels: NDArray[np.int32], num_classes: int, most: int
) -> list[NDArray[np.uint8]]:
    """The first `most` images of every class, in the order of the arrays."""
    return [np.asarray(images[np.flatnonzero(labels == number)[:most]]) for number in range(num_classes)]


def sample_sheet(rows: Sequence[NDArray[np.uint8]], classes: Sequence[str]) -> "Figure":
    """One row of images per class, its name on the left."""
    height, width = rows[0].shape[1:3]
    gap = max(1, height // 12)
    columns = max(len(row) for row in rows)
    sheet = np.full((len(rows) * (height + gap), columns * (width + gap), 3), 255, np.uint8)
    for number, row in enumerate(rows):
        for column, image in enumerate(row):
            top, left = number * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = image
    drawn = figure(9, min(TALLEST, 0.6 + 7 * sheet.shape[0] / sheet.shape[1]))
    axes = drawn.subplots()
    axes.imshow(sheet, interpolation="nearest" if height < 64 else "antialiased")
    centres = [number * (height + gap) + height / 2 for number in range(len(rows))]
    axes.set_yticks(centres, [plain(name) for name in classes], fontsize=10 if len(rows) <= 30 else 6)
    axes.set_xticks([])
    _bare(axes)
    axes.set_title("Training images, one row per class", loc="left")
    return drawn


def class_counts(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> "Figure":
    """Images per class, stacked by split."""
    drawn = figure(8, min(TALLEST, 1.4 + 0.28 * len(classes)))
    axes = drawn.subplots()
    left = np.zeros(len(classes))
    for (name, per_class), colour in zip(counts.items(), (BLUE, ORANGE, GREEN), strict=True):
        values = np.array([per_class.get(label, 0) for label in classes])
        axes.barh(range(len(classes)), values, left=left, color=colour, label=f"{name} ({values.sum():,})")
        left += values
    axes.set_yticks(range(len(classes)), [plain(name) for name in classes], fontsize=10 if len(classes) <= 40 else 6)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("images")
    _light(axes)
    drawn.legend(loc="outside upper right", ncols=3, frameon=False)
    return drawn


def learning_curves(history: "pd.DataFrame") -> "Figure":
    """Loss and accuracy per epoch, training against validation."""
    drawn = figure(10, 4)
    left, right = drawn.subplots(1, 2)
    for axes, name in ((left, "loss"), (right, "accuracy")):
        marker = "o" if len(history) < 30 else None
        axes.plot(history["epoch"], history[name], color=BLUE, marker=marker, ms=3, label="training")
        axes.plot(history["epoch"], history[f"val_{name}"], color=ORANGE, marker=marker, ms=3, label="validation")
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _light(axes)
    drawn.legend(*left.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return drawn


def confusion_matrix(counts: NDArray[np.int64], classes: Sequence[str]) -> "Figure":
    """Share of each label's images that got each guess; readable from 2 to 100 classes."""
    many = len(classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.55 * many, 5, 9)) if many <= CELLS_WITH_NUMBERS else min(18.0, 4 + 0.14 * many)
    drawn = figure(side + 1.2, side)
    axes = drawn.subplots()
    # The square root lifts rare mistakes, which a linear scale would leave white.
    mesh = axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    size = 10 if many <= 12 else 8 if many <= CELLS_WITH_NUMBERS else 6
    names = [plain(name) for name in classes] if many <= NAMES_SHOWN else []
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set(xlabel="guess", ylabel="label")
    if many <= CELLS_WITH_NUMBERS:
        _write_cells(axes, counts, shares, size)
    bar = drawn.colorbar(mesh, ax=axes, shrink=0.7, ticks=np.sqrt([0, 0.01, 0.1, 0.25, 0.5, 1]))
    bar.ax.set_yticklabels(["0", "1%", "10%", "25%", "50%", "100%"])
    bar.set_label("share of the label's images")
    return drawn


def _write_cells(axes: "Axes", counts: NDArray[np.int64], shares: NDArray[np.float64], size: int) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.4 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=size)


def reliability_diagram(bins: "Reliability", error: float) -> "Figure":
    """Accuracy against confidence, with the number of images below."""
    drawn = figure(5.5, 6)
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges = np.linspace(0, 1, len(bins.count) + 1)
    some = bins.count > 0
    width = edges[1]
    upper.bar(
        edges[:-1][some], bins.accuracy[some], width, align="edge", color=BLUE, edgecolor="white", label="accuracy"
    )
    upper.plot(bins.confidence[some], bins.confidence[some], "o", color=ORANGE, ms=4, label="mean likelihood given")
    upper.plot([0, 1], [0, 1], "--", color=GREY, lw=1, label="perfectly calibrated")
    upper.set(ylim=(0, 1.02), xlim=(0, 1), ylabel="share of right guesses")
    upper.set_title(f"Expected calibration error {error:.3f}", loc="left")
    upper.legend(frameon=False, loc="upper left")
    lower.bar(edges[:-1], bins.count, width, align="edge", color=GREY, edgecolor="white")
    lower.set(xlabel="likelihood of the guess", ylabel="images")
    _light(upper)
    _light(lower)
    return drawn


def _light(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _bare(axes: "Axes") -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
