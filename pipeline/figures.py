"""Inline SVG: learning curves and the reliability diagram; pure, colours come from the page's style sheet."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.metrics import Reliability

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 440, 270  # user units; the page scales them
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 40
GAP, LOW = 16, 60  # between a diagram and the bars below it, and their height
POINTS = 400  # more than that cannot be told apart on a page

Row = Mapping[Any, Any]


def thinned(history: Sequence[Row], most: int) -> list[Row]:
    """At most `most` rows, evenly spaced, the first and the last among them."""
    if len(history) <= most:
        return list(history)
    return [history[round(place)] for place in np.linspace(0, len(history) - 1, most)]


def learning_curve(history: Sequence[Row], name: str) -> "Markup":
    """Training against validation over the epochs; values that are no numbers leave a gap."""
    rows = thinned(history, POINTS)
    series = {"train": [row[name] for row in rows], "val": [row[f"val_{name}"] for row in rows]}
    finite = [value for values in series.values() for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high, step = scale(min(finite) if name != "loss" else 0.0, max(finite))
    epochs = [row["epoch"] for row in rows]
    span = max(1e-9, epochs[-1] - epochs[0])
    xs = [LEFT + (WIDTH - LEFT - RIGHT) * ((epoch - epochs[0]) / span if len(epochs) > 1 else 0.5) for epoch in epochs]

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    parts = [_rung(y(value), f"{value:g}") for value in ticks(low, high, step)]
    parts += [_epoch_mark(xs[place], epochs[place]) for place in _marks(len(rows))]
    parts += [_line(kind, [(x, y(value)) for x, value in zip(xs, values)]) for kind, values in series.items()]
    parts.append(f'<line class="cursor" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    points = {"epoch": epochs, "x": [round(x, 1) for x in xs]} | {kind: _json(v) for kind, v in series.items()}
    title = f"{name.capitalize()} per epoch, training against validation"
    return _svg("curve", title, HEIGHT, parts, {"name": name, "points": json.dumps(points)})


def reliability_diagram(bins: Reliability) -> "Markup":
    """Share of right guesses against their stated likelihood, with the number of images below."""
    side = WIDTH - LEFT - RIGHT
    floor = TOP + side
    base = floor + GAP + LOW
    parts = [_rung(floor - side * share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    parts += [_bin(bins, place) for place in range(len(bins.count)) if math.isfinite(bins.confidence[place])]
    parts.append(f'<line class="perfect" x1="{LEFT}" y1="{floor}" x2="{LEFT + side}" y2="{TOP}"/>')
    parts += [
        f'<text x="{LEFT + side * share:.1f}" y="{base + 18}" text-anchor="{anchor}">{share:.0%}</text>'
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    ]
    parts.append(f'<text x="{LEFT - 8}" y="{base - LOW / 2 + 4}" text-anchor="end">images</text>')
    return _svg("reliability", "Share of right guesses against stated likelihood", base + 26, parts, {})


def _bin(bins: Reliability, place: int) -> str:
    """A bar, the likelihood that was stated, and below the number of images; nothing for an empty bin."""
    count, stated, right = int(bins.count[place]), float(bins.confidence[place]), float(bins.accuracy[place])
    if not count:
        return ""
    side = WIDTH - LEFT - RIGHT
    floor, wide = TOP + side, side / len(bins.count)
    base, x, tall = floor + GAP + LOW, LEFT + place * wide, side * right
    part = LOW * count / max(1, int(bins.count.max()))
    return (
        f'<g class="bin" data-tip="Stated {stated:.1%}, right {right:.1%}, {count:,} images">'
        + _rect("hit", x, TOP, wide, base - TOP)
        + _rect("bar", x + 1, floor - tall, wide - 2, tall)
        + _rect("images", x + 1, base - part, wide - 2, part)
        + f'<circle cx="{LEFT + side * stated:.1f}" cy="{floor - side * stated:.1f}" r="3.5"/></g>'
    )


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def scale(low: float, high: float) -> tuple[float, float, float]:
    """A range with round ends around the values, and the distance of its ticks."""
    span = max(high - low, 1e-6)
    power = 10.0 ** math.floor(math.log10(span / 5))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= span / 5)
    start = math.floor(low / step) * step
    return start, max(start + step, math.ceil(high / step - 1e-9) * step), step


def ticks(low: float, high: float, step: float) -> list[float]:
    """Every `step` from `low` to `high`, both with it."""
    return [round(low + number * step, 10) for number in range(round((high - low) / step) + 1)]


def _marks(num_rows: int) -> list[int]:
    return sorted({round(place) for place in np.linspace(0, num_rows - 1, min(5, num_rows))})


def _rung(y: float, text: str) -> str:
    return (
        f'<line class="rung" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _epoch_mark(x: float, epoch: float) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{epoch:g}</text>'


def _line(kind: str, points: list[tuple[float, float]]) -> str:
    """A path with gaps where there are no numbers; a point without neighbours is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if math.isfinite(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run) for run in runs if len(run) > 1)
    dots = [
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for run in runs if len(run) == 1 for x, y in run
    ]
    return f'<path class="{kind}" d="{path}"/>{"".join(dots)}'


def _json(values: Sequence[float]) -> list[float | None]:
    return [round(value, 5) if math.isfinite(value) else None for value in values]


def _svg(kind: str, title: str, height: float, parts: Sequence[str], data: Mapping[str, str]) -> "Markup":
    from markupsafe import Markup, escape

    facts = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    focus = ' tabindex="0"' if data else ""
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{title}"{focus}{facts}>'
        f"{''.join(parts)}</svg>"
    )
