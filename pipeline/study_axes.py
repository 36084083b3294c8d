"""Axes for the params and values of a study: scales, limits, ticks and the text on them."""

import contextlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import Metric
from pipeline.study_facts import rounded
from pipeline.wording import compact

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.ticker import MaxNLocator
    from optuna.trial import FrozenTrial

FENCES = 3.0  # quartile distances beyond the middle half; what lies further out would press the rest flat
PAD = 0.06  # of the axis, either side
EPSILON = 1e-9
MOST_TICKS = 5
ROOM = 30  # characters that fit below a panel
JITTER = 0.3  # of the distance between categories, so that their trials do not hide one another


@dataclass(frozen=True)
class Scale:
    """How a param is laid out: categories by their place, numbers evenly or by their logarithm."""

    name: str
    low: float
    high: float
    log: bool
    whole: bool
    labels: tuple[str, ...]  # of the categories; empty for numbers
    choices: tuple[Any, ...]

    def place(self, value: Any) -> float:
        """The value as a number on the axis."""
        return float(self.choices.index(value)) if self.labels else float(value)

    def places(self, trials: Sequence["FrozenTrial"]) -> NDArray[np.float64]:
        """The trials on the axis; those of one category lie a little apart."""
        places = np.array([self.place(trial.params[self.name]) for trial in trials], dtype=float)
        golden = np.array([trial.number * 0.618 % 1 - 0.5 for trial in trials])
        return places + JITTER * golden if self.labels else places

    def share(self, place: float) -> float:
        """Where a place lies between the lowest, 0, and the highest, 1; in the middle where they are one."""
        low, high = self.low, self.high
        if self.log:
            place, low, high = (math.log(number) for number in (place, low, high))
        return float((place - low) / (high - low)) if high > low else 0.5

    def ticks(self) -> dict[float, str]:
        """Few places on the axis and what to write there."""
        if self.labels:
            return {float(place): label for place, label in enumerate(self.labels)}
        places = _decades(self.low, self.high) if self.log else _even(self.low, self.high, self.whole)
        return {place: f"{place:,.0f}" if self.whole else label(self.name, place) for place in places}


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between the two; on a short axis 2 and 5 too; on a very short one its ends."""
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    inside = [power for power in powers if low <= power * (1 + EPSILON) and power <= high * (1 + EPSILON)]
    finer = [step * power for power in powers for step in (1, 2, 5) if low <= step * power <= high]
    found = inside if len(inside) >= 3 else finer if len(finer) >= 2 else [low, high]
    return found[:: -(-len(found) // MOST_TICKS)]


def _even(low: float, high: float, whole: bool) -> list[float]:
    """The ends, and round numbers between that keep off them."""
    if low == high:
        return [low]
    off = 0.1 * (high - low)
    between = locator(whole).tick_values(low, high)
    return [low, *(float(place) for place in between if low + off < place < high - off), high]


def scales_of(trials: Sequence["FrozenTrial"]) -> list[Scale]:
    """A scale per param of the trials, in the order of the space; over all that could have been drawn.

    The start may lie beyond that.
    """
    found: dict[str, Any] = {}
    values: dict[str, list[Any]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            found[name] = trial.distributions[name]
            values.setdefault(name, []).append(value)
    return [_scale(name, distribution, values[name]) for name, distribution in found.items()]


def _scale(name: str, distribution: Any, values: Sequence[Any]) -> Scale:
    choices = tuple(getattr(distribution, "choices", ()))
    if choices:
        labels = tuple(label(name, choice) for choice in choices)
        return Scale(name, 0, len(choices) - 1, False, False, labels, choices)
    whole = type(distribution).__name__ == "IntDistribution"
    low, high = min(distribution.low, *values), max(distribution.high, *values)
    return Scale(name, low, high, distribution.log and low > 0, whole, (), ())


def label(name: str, value: Any) -> str:
    """A value in few characters; lists that are JSON text as `32-64`."""
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    return literal(compact(name, rounded(value, 4)))


def literal(text: str) -> str:
    """Text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")


def locator(whole: bool, most: int = MOST_TICKS) -> "MaxNLocator":
    """Few round numbers."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=whole, steps=[1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10])


def dress(axes: "Axes", scale: Scale) -> None:
    """Scale, limits, ticks and name of a horizontal axis for a param."""
    axes.set_xlabel(literal(scale.name))
    if scale.log and scale.high > scale.low:
        axes.set_xscale("log")
        reach = (scale.high / scale.low) ** PAD
        axes.set_xlim(scale.low / reach, scale.high * reach)
    else:
        reach = (scale.high - scale.low) * PAD or 0.5
        axes.set_xlim(scale.low - reach, scale.high + reach)
    if scale.labels:
        axes.set_xlim(-0.5, len(scale.labels) - 0.5)
    if scale.labels or scale.log or scale.low == scale.high:
        ticks = scale.ticks()
        long = (max(map(len, ticks.values())) + 1) * len(ticks) > ROOM
        style: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(list(ticks), list(ticks.values()), **style)
        axes.set_xticks([], minor=True)
    else:
        axes.xaxis.set_major_locator(locator(scale.whole))


def limits(values: Sequence[float], metric: Metric, kept: Sequence[float] = ()) -> tuple[float, float]:
    """Lowest and highest value to show: all, but for those that are worse by far and not `kept`."""
    low, high, up = min(values), max(values), metric.higher_is_better
    first, third = np.quantile(values, [0.25, 0.75])
    reach = FENCES * (third - first)
    if reach > 0:
        near = [value for value in values if (value >= first - reach if up else value <= third + reach)]
        low, high = min([*near, *kept]), max([*near, *kept])
    room = (high - low) * PAD or abs(high) * PAD or PAD
    return float(low - room), float(high + room)


def scatter(axes: "Axes", x: "NDArray[Any]", y: "NDArray[Any]", name: str, **style: Any) -> "PathCollection":
    """A mark per trial; those beyond the axis are triangles at its edge."""
    low, high = axes.get_ylim()
    colours = np.asarray(style.pop("c"))
    marker, size = style.pop("marker", "o"), style.pop("s", 28)

    def some(chosen: NDArray[np.bool_], shape: str, **more: Any) -> "PathCollection":
        c = colours[chosen] if colours.ndim else str(colours)
        return axes.scatter(x[chosen], np.clip(y[chosen], low, high), s=size, c=c, marker=shape, **style, **more)

    inside = (y >= low) & (y <= high)
    told = f", {(~inside).sum()} off axis" if not inside.all() else ""
    title = f"{name} ({len(y)}{told})"
    for beyond, shape in ((y < low, "v"), (y > high, "^")):
        if beyond.any():
            some(beyond, shape, clip_on=False, label=None if inside.any() else title)
    return some(inside, marker, label=title if inside.any() else None)


def titled(metric: Metric) -> str:
    """A value's name and which way it is better."""
    return f"{literal(metric.name)} ({'higher' if metric.higher_is_better else 'lower'} is better)"


def light(axes: "Axes") -> None:
    """Two spines and a faint grid, as in the pictures of a run."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
