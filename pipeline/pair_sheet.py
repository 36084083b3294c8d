"""The sheet of the images on which two runs differ; pure, as `report`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.pairing import Answers, only_first
from pipeline.report import GREY, figure
from pipeline.sheets import show

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

Pictures = Mapping[str, NDArray[np.uint8]]
COLUMNS, MOST = 6, 24  # of each kind
LINE, RUN_LINE = 29.0, 105.0  # small letters that fit over a picture, and across the sheet
BROAD = set("MWmw@%—…")
HEAD, SECTION, ROW, WIDE = 0.95, 0.55, 2.25, 11.0  # inches


def draw(a: Answers, b: Answers, pictures: tuple[Pictures | None, Pictures | None]) -> "Figure":
    """Two kinds of images, those that only A has right and those that only B has right, at most 24 of each.

    Args:
        pictures: of the mistakes of A and of B, by pixel hash; None where a run has none.
    """
    kinds = [("A", "B", only_first(a, b), pictures[1]), ("B", "A", only_first(b, a), pictures[0])]
    heights = [SECTION + max(SECTION, ROW * _num_rows(places, known)) for *_, places, known in kinds]
    drawn = figure(WIDE, HEAD + sum(heights))
    drawn.set_layout_engine("constrained", h_pad=0.09, w_pad=0.06)  # inches
    areas = drawn.subfigures(3, 1, squeeze=False, height_ratios=[HEAD, *heights])[:, 0]
    _title(areas[0], a, b, [len(places) for *_, places, _ in kinds])
    for section, (right, wrong, places, known) in zip(areas[1:], kinds, strict=True):
        count, shown = len(places), min(len(places), MOST)
        words = f"Only {right} is right: {f'{count:,}' if count else 'no'} image{'s' * (count > 1)}"
        if known is None and places:
            words += f". Their pictures are missing: run `dvc repro --force evaluate` for {wrong}"
        elif shown < count:
            words += f", the {shown} surest wrong guesses of {wrong}"
        section.suptitle(words, x=0.01, ha="left", fontsize=11, fontweight="bold")
        _fill(section, a, b, places[:MOST], known)
    return drawn


def _num_rows(places: Sequence[int], known: Pictures | None) -> int:
    return 0 if known is None else -(-min(len(places), MOST) // COLUMNS)


def _title(area: "SubFigure", a: Answers, b: Answers, counts: Sequence[int]) -> None:
    lines = [
        f"Test images that only one of two runs has right: {sum(counts):,} of {len(a.hashes):,}",
        *(f"{mark}: {_cut(answers.called, RUN_LINE)}" for mark, answers in (("A", a), ("B", b))),
    ]
    area.text(0.01, 0.97, "\n".join(lines), ha="left", va="top", fontsize=12, linespacing=1.5)


def _fill(area: "SubFigure", a: Answers, b: Answers, places: Sequence[int], known: Pictures | None) -> None:
    grid = area.subplots(max(1, _num_rows(places, known)), COLUMNS, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    if known is None:
        return
    for axes, place in zip(grid.ravel(), places, strict=False):
        picture = known.get(a.hashes[place])
        if picture is None:
            axes.text(0.5, 0.5, "no picture", ha="center", va="center", color=GREY, fontsize=8)
            axes.set_aspect("equal")
        else:
            show(axes, picture)
        axes.set_title(_caption(a, b, place), fontsize=7.5, loc="left", linespacing=1.25)


def _caption(a: Answers, b: Answers, place: int) -> str:
    guesses = [
        f"{mark} {_cut(answers.guesses[place], LINE - 7)} {answers.likelihood[place]:.0%}"
        for mark, answers in (("A", a), ("B", b))
    ]
    return "\n".join([f"is {_cut(a.labels[place], LINE - 3)}", *guesses])


def _cut(name: str, room: float) -> str:
    """A name that fits and that matplotlib does not read as a formula; its middle goes, since ends tell apart."""
    full = shown = " ".join(name.split())
    kept = len(full)
    while kept > 2 and _length(shown) > room:
        kept -= 1
        shown = f"{full[: kept - kept // 2]}…{full[-(kept // 2) :]}"
    return shown.encode(errors="replace").decode().replace("$", r"\$")


def _length(text: str) -> float:
    """How long a text is drawn, in small letters."""
    return sum(2.1 if letter in BROAD else 1.25 if letter.isupper() else 1.1 for letter in text)
