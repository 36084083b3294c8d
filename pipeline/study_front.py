"""The picture of a study with two objectives: its Pareto front."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.report import BLUE, GREEN, ORANGE, figure
from pipeline.study_axes import light, limits, titled
from pipeline.study_facts import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

NUMBERED = 20  # a front of more trials has no room for their numbers
DECADES = 1.5  # what spans more is shown by its logarithm
EQUALS = 3  # numbers beside one mark
THOUSAND = 1000


def pareto(view: View) -> "Figure | None":
    """Each trial by its two values; those that no other beats in both are joined and numbered."""
    if len(view.objectives) != 2 or not view.complete:
        return None
    drawn = figure(8, 6)
    axes = drawn.subplots()
    axes.set(xlabel=titled(view.objectives[0]), ylabel=titled(view.objectives[1]))
    hidden = _lay_out(axes, view)
    front = {trial.number for trial in view.best}
    others = [trial for trial in view.complete if trial.number not in front]
    told = f", {hidden} not shown" if hidden else ""
    _points(axes, others, f"other trials ({len(others)}{told})", s=30, color=BLUE, alpha=0.6)
    _points(axes, view.best, f"Pareto front ({len(front)})", s=46, color=ORANGE, zorder=4)
    # Held until the next trial of the front: what lies behind the steps is beaten.
    axes.step(*_both(view.best), where="post", color=ORANGE, lw=1.2, alpha=0.7, zorder=2)
    if view.start and view.start.state.name == "COMPLETE":
        _points(axes, [view.start], "start", s=130, facecolors="none", edgecolors=GREEN, linewidths=1.8, zorder=5)
    _write_numbers(axes, view.best)
    light(axes)
    drawn.legend(loc="outside upper right", ncols=3, frameon=False)
    return drawn


def _write_numbers(axes: "Axes", front: Sequence["FrozenTrial"]) -> None:
    """The trials' numbers, those of equal ones beside one another."""
    numbers: dict[tuple[float, float], list[str]] = {}
    for trial in front:
        numbers.setdefault((trial.values[0], trial.values[1]), []).append(str(trial.number))
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}
    for place, equal in numbers.items() if len(numbers) <= NUMBERED else ():
        text = ", ".join(equal[:EQUALS]) + (", ..." if len(equal) > EQUALS else "")
        axes.annotate(text, place, xytext=(6, 6), textcoords="offset points", fontsize=9, bbox=box, zorder=6)


def _lay_out(axes: "Axes", view: View) -> int:
    """Scales and limits, with the whole front and the start inside; returns how many trials lie beyond."""
    beyond: set[int] = set()
    kept = [*view.best, *(trial for trial in view.complete if trial is view.start)]
    for place, (name, metric) in enumerate(zip("xy", view.objectives)):
        values = [trial.values[place] for trial in view.complete]
        low, high = limits(values, metric, [trial.values[place] for trial in kept])
        axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
        if _is_wide(values):
            axes.set(**{f"{name}scale": "log"})
            low, high = min(values) / 1.15, max(values) * 1.15
        if max(values) >= THOUSAND:
            axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set(**{f"{name}lim": (low, high)})
        beyond |= {trial.number for trial in view.complete if not low <= trial.values[place] <= high}
    return len(beyond)


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and math.log10(max(values) / min(values)) > DECADES


def _points(axes: "Axes", trials: Sequence["FrozenTrial"], name: str, **style: Any) -> None:
    if trials:
        axes.scatter(*_both(trials), label=name, **style)


def _both(trials: Sequence["FrozenTrial"]) -> tuple[list[float], list[float]]:
    return [trial.values[0] for trial in trials], [trial.values[1] for trial in trials]
