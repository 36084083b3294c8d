"""Pictures of a study param by param: slices and parallel coordinates."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.report import GREY, ORANGE, figure
from pipeline.study_axes import Scale, dress, light, limits, literal, locator, scales_of, scatter, titled
from pipeline.study_facts import View, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

FEWEST = 2  # complete trials; one alone shows no relation
COLUMNS = 3
COLOURS = "viridis"


def slices(view: View) -> "Figure | None":
    """A panel per param: each trial's value by what the param was; later trials are brighter."""
    scales = scales_of(view.complete)
    if len(view.complete) < FEWEST or not scales:
        return None
    columns = 2 if len(scales) in (2, 4) else min(COLUMNS, len(scales))
    num_rows = -(-len(scales) // columns)
    drawn = figure(max(7.0, 3.7 * columns), 1.0 + 2.9 * num_rows)
    grid = drawn.subplots(num_rows, columns, squeeze=False, sharey=True)
    grid[0, 0].set_ylim(limits([trial.values[0] for trial in view.complete], view.objectives[0]))
    for axes, scale in zip(grid.flat, scales):
        marks = _slice(axes, scale, view)
    for axes in grid.flat[len(scales) :]:
        axes.remove()
    drawn.supylabel(titled(view.objectives[0]), fontsize=11)
    panels = list(grid.flat[: len(scales)])
    drawn.colorbar(marks, ax=panels, label="trial", aspect=30 * num_rows, ticks=locator(True, 10))
    drawn.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return drawn


def _slice(axes: "Axes", scale: Scale, view: View) -> "PathCollection":
    """One panel."""
    dress(axes, scale)
    light(axes)
    if pruned := [trial for trial in view.pruned if scale.name in trial.params]:
        last = np.array([values_of(trial)[0] for trial in pruned])
        scatter(axes, scale.places(pruned), last, "pruned", c=GREY, marker="x", s=14, alpha=0.5, lw=1)
    trials = [trial for trial in view.complete if scale.name in trial.params]
    numbers = [trial.number for trial in trials]
    ends = {"vmin": view.complete[0].number, "vmax": view.complete[-1].number}
    look: dict[str, Any] = {"cmap": COLOURS, "zorder": 3, "edgecolors": "#00000055", "lw": 0.5} | ends
    values = np.array([trial.values[0] for trial in trials])
    return scatter(axes, scale.places(trials), values, "complete", c=numbers, **look)


def parallel_coordinates(view: View) -> "Figure | None":
    """A line per complete trial through its values and params; better ones are brighter, the best stands out."""
    params = scales_of(view.complete)
    if len(view.complete) < FEWEST or not params:
        return None
    values = [_of_values(view, place) for place in range(len(view.objectives))]
    scales = [*values, *params]
    drawn = figure(max(7.0, 1.2 + 1.25 * len(scales)), 5.6)
    axes = drawn.subplots()
    for place, scale in enumerate(scales):
        _upright(axes, place, scale)
    lines = {trial.number: _heights(trial, values, params) for trial in view.complete}
    shown = {number: line for number, line in lines.items() if 0 <= line[0] <= 1}
    for line in shown.values():
        good = line[0] if view.objectives[0].higher_is_better else 1 - line[0]
        axes.plot(line, color=colours()(0.9 * good), lw=1, alpha=0.55, zorder=2 + good)
    if view.best[0].number in shown:
        number = view.best[0].number
        axes.plot(shown[number], color=ORANGE, lw=2.8, zorder=5, label=f"best (trial {number})")
    if len(shown) < len(lines):
        axes.plot([], [], " ", label=f"{len(lines) - len(shown)} not shown: far worse")
    axes.set_xticks(range(len(scales)), [literal(scale.name) for scale in scales], rotation=25, ha="right")
    axes.set(xlim=(-0.5, len(scales) - 0.4), ylim=(-0.04, 1.04), yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    drawn.legend(loc="outside upper right", ncols=2, frameon=False)
    return drawn


def colours() -> "Colormap":
    """From dark to bright."""
    from matplotlib import colormaps

    return colormaps[COLOURS]


def _heights(trial: "FrozenTrial", values: Sequence[Scale], params: Sequence[Scale]) -> list[float]:
    """Where a trial's line crosses each axis: 0 at the bottom, 1 at the top; a gap where it has no such param."""
    drawn = trial.params
    return [
        *(scale.share(value) for scale, value in zip(values, trial.values)),
        *(scale.share(scale.place(drawn[scale.name])) if scale.name in drawn else math.nan for scale in params),
    ]


def _of_values(view: View, place: int) -> Scale:
    """The axis of an objective, from the worst to the best that is shown."""
    values = [trial.values[place] for trial in view.complete]
    metric = view.objectives[place]
    low, high = limits(values, metric)
    whole = all(value == int(value) for value in values)
    return Scale(metric.name, max(low, min(values)), min(high, max(values)), False, whole, (), ())


def _upright(axes: "Axes", place: int, scale: Scale) -> None:
    axes.axvline(place, color=GREY, lw=1, zorder=1)
    for tick, text in scale.ticks().items():
        box: dict[str, Any] = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
        side, off = ("left", 0.04) if place else ("right", -0.04)
        axes.text(place + off, scale.share(tick), text, fontsize=8, ha=side, va="center", zorder=6, bbox=box)
