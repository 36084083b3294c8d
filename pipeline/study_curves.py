"""Pictures of a study over time: its history, and the learning curves of its trials."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.metrics import VALIDATION, Metric
from pipeline.report import BLUE, GREEN, GREY, ORANGE, figure
from pipeline.study_axes import light, limits, locator, scatter, titled
from pipeline.study_facts import View, is_start, value_text, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

ACCURACY = VALIDATION["val_accuracy"]  # what the curves show where no objective has a value after each epoch
LONG = 10  # ticks of an axis as long as the picture
# The last is drawn on top.
LOOK: dict[str, dict[str, Any]] = {
    "pruned": {"color": GREY, "lw": 1},
    "complete": {"color": BLUE, "lw": 1},
    "start": {"color": GREEN, "lw": 2, "ls": "--"},
    "best": {"color": ORANGE, "lw": 2.5},
}


def history(view: View) -> "Figure | None":
    """Value by trial, the best so far as steps, the start's value as a line."""
    if not view.complete and not view.pruned:
        return None
    metric = view.objectives[0]
    drawn = figure(9, 4.5)
    axes = drawn.subplots()
    axes.set_ylim(limits([values_of(trial)[0] for trial in view.complete or view.pruned], metric))
    for trials, name, style in (
        (view.pruned, "pruned", {"c": GREY, "marker": "x"}),
        (view.complete, "complete", {"c": BLUE, "zorder": 3}),
    ):
        if trials:
            values = np.array([values_of(trial)[0] for trial in trials])
            scatter(axes, np.array([trial.number for trial in trials]), values, name, **style)
    if view.complete:
        _steps(axes, view, metric)
    if view.start:
        value = values_of(view.start)[0]
        how = "" if view.start in view.complete else " (pruned)"
        text = f"start{how} {value_text(metric.name, value)}"
        axes.axhline(value, color=GREEN, ls="--", lw=1.2, label=text)
    axes.set(xlabel="trial", ylabel=titled(metric))
    axes.xaxis.set_major_locator(locator(True, LONG))
    light(axes)
    drawn.legend(loc="outside upper right", ncols=5, frameon=False)
    return drawn


def _steps(axes: "Axes", view: View, metric: Metric) -> None:
    """The best so far, on to the last trial."""
    numbers = [trial.number for trial in view.complete]
    best = running_best([trial.values[0] for trial in view.complete], metric)
    last = max(trial.number for trial in [*view.complete, *view.pruned])
    axes.step([*numbers, last], [*best, best[-1]], where="post", color=ORANGE, lw=2, label="best so far")


def running_best(values: Sequence[float], metric: Metric) -> list[float]:
    """The best of the values up to each."""
    best = np.maximum.accumulate(values) if metric.higher_is_better else np.minimum.accumulate(values)
    return [float(value) for value in best]


def learning_curves(view: View) -> "Figure | None":
    """The value after each epoch: pruned trials faint, the start and the best on top."""
    trials = [*view.pruned, *view.complete]
    metric = next((m for m in view.objectives if any(curve(trial, m.name) for trial in trials)), ACCURACY)
    curves = {trial.number: points for trial in trials if (points := curve(trial, metric.name))}
    if not curves:
        return None
    drawn = figure(9, 5)
    axes = drawn.subplots()
    axes.set_ylim(limits([value for points in curves.values() for value in points.values()], metric))
    best = {trial.number for trial in view.best[:1]}
    kinds: dict[str, list[FrozenTrial]] = {kind: [] for kind in LOOK}
    for trial in trials:
        if trial.number in curves:
            kinds["best" if trial.number in best else _kind(trial)].append(trial)
    for kind, members in kinds.items():
        _lines(axes, kind, {trial.number: curves[trial.number] for trial in members})
    axes.set(xlabel="epoch", ylabel=titled(metric))
    axes.xaxis.set_major_locator(locator(True, LONG))
    light(axes)
    for line in drawn.legend(loc="outside upper right", ncols=4, frameon=False).get_lines():
        line.set_alpha(1)
    return drawn


def _kind(trial: "FrozenTrial") -> str:
    return "start" if is_start(trial) else trial.state.name.lower()


def _lines(axes: "Axes", kind: str, curves: Mapping[int, Mapping[int, float]]) -> None:
    """The curves of one kind of trials; they count in the legend, of a single one stands the number."""
    low, high = axes.get_ylim()
    hidden = sum(max(points.values()) < low or min(points.values()) > high for points in curves.values())
    told = f", {hidden} not shown" if hidden else ""
    faint = kind in ("pruned", "complete")
    title: str | None = f"{kind} ({len(curves)}{told})" if faint else f"{kind} (trial {', '.join(map(str, curves))})"
    alpha = float(np.clip(20 / max(1, len(curves)), 0.2, 0.6)) if faint else 1.0
    for points in curves.values():
        dot: dict[str, Any] = {"marker": "o", "ms": 3.5} if len(points) == 1 else {}
        axes.plot(list(points), list(points.values()), alpha=alpha, label=title, **LOOK[kind], **dot)
        title = None


def curve(trial: "FrozenTrial", name: str) -> dict[int, float]:
    """The finite values after each epoch. With two objectives Optuna takes no reports, so the rows tell."""
    points = dict(sorted(trial.intermediate_values.items()))
    points = points or {row["epoch"]: row[name] for row in trial.user_attrs.get("rows", []) if name in row}
    return {epoch: value for epoch, value in points.items() if math.isfinite(value)}
