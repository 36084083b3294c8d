"""A comparison as one HTML page that needs neither network nor other files, its intervals drawn; pure."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import page
from pipeline.mcnemar import Verdict, difference_interval, sentence

EDGE = 0.06  # of the width of a bar, left free on either side
LEAST = 0.002  # of accuracy, from end to end: equal runs need some room too
Group = tuple[str, list[list[str]], list[str], "list[Span | None]"]
"""The runs on some data: its name; per run its cells, the beginning of its key, and its interval."""


@dataclass(frozen=True)
class Span:
    """An accuracy with its interval, and a published one to compare it with."""

    low: float
    at: float
    high: float
    published: float | None = None

    def values(self) -> list[float]:
        found = (self.low, self.at, self.high, self.published)
        return [value for value in found if value is not None]


def render(groups: Sequence[Group], legend: Sequence[str], verdict: Verdict | None, picture: bytes) -> str:
    """The page as HTML text; intervals on the same data share a scale.

    Args:
        legend: lines under the tables.
        picture: a PNG, or nothing.
    """
    from markupsafe import Markup

    scales = {name: _scale([span for other in groups if other[0] == name for span in other[3]]) for name, *_ in groups}
    tables = []
    for name, cells, keys, spans in groups:
        drawn = [_places(span, scales[name]) for span in spans]
        tables.append({"data": name, "scale": scales[name], "rows": list(zip(cells, keys, drawn))})
    context: dict[str, Any] = {
        "tables": tables,
        "legend": [line for line in legend if line],
        "verdict": _said(verdict) if verdict else None,
        "picture": f"data:image/png;base64,{base64.b64encode(picture).decode()}" if picture else "",
        "style": Markup(page.asset("report.css") + page.asset("compare.css")),
    }
    return page.environment().get_template("compare.html").render(context)


def _scale(spans: Sequence[Span | None]) -> tuple[float, float] | None:
    values = [value for span in spans if span for value in span.values()]
    if not values:
        return None
    low, high = min(values), max(values)
    middle, half = (low + high) / 2, max(high - low, LEAST) / 2
    return middle - half, middle + half


def _places(span: Span | None, scale: tuple[float, float] | None) -> dict[str, float] | None:
    """Where the marks of an interval stand, in percent of the width."""
    if not span or not scale:
        return None
    low, high = scale
    named = {"low": span.low, "at": span.at, "high": span.high, "published": span.published}
    return {
        name: round(100 * (EDGE + (1 - 2 * EDGE) * (value - low) / (high - low)), 2)
        for name, value in named.items()
        if value is not None
    }


def _said(verdict: Verdict) -> dict[str, Any]:
    table, interval = verdict.table, difference_interval(verdict.table)
    return {
        "a": verdict.a,
        "b": verdict.b,
        "table": table,
        "sentence": sentence(table),
        "difference": f"{table.accuracy_a - table.accuracy_b:+.4f}",
        "interval": f"{interval['low']:+.4f} to {interval['high']:+.4f}",
    }
