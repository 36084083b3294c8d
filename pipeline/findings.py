"""What the numbers say: confused pairs, orders of the confusion matrix, metrics and calibration in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import Reliability

Counts = NDArray[np.int64]

WORDS = {
    "accuracy": ("Accuracy", "share of images whose likeliest class is their label"),
    "top5_accuracy": ("Top-5 accuracy", "share of images whose label is among the five likeliest classes"),
    "superclass_accuracy": ("Superclass accuracy", "share of images whose guess lies in the superclass of their label"),
    "macro_f1": ("Macro F1", "mean of the classes' F1, each class counting the same"),
    "loss": ("Loss", "mean cross-entropy in nats; less is better"),
    "expected_calibration_error": (
        "Calibration error",
        "how far stated likelihoods are from the truth; less is better",
    ),
}
FEW_IMAGES = 1000  # below that, a second decimal of a percentage says nothing


@dataclass(frozen=True)
class Pair:
    """Two classes that are taken for each other: `forth` times the first for the second, `back` the other way."""

    first: int
    second: int
    forth: int
    back: int

    @property
    def total(self) -> int:
        return self.forth + self.back


@dataclass(frozen=True)
class Said:
    """A metric as one reads it."""

    name: str
    value: str
    interval: str
    meaning: str


def number(value: float) -> str:
    """Four digits after the point; a number that is none says so."""
    return f"{value:.4f}" if math.isfinite(value) else "not a number"


def percent(value: float, digits: int = 1) -> str:
    """A share in percent."""
    return f"{value:.{digits}%}" if math.isfinite(value) else "not a number"


def said(metrics: Mapping[str, Any], name: str) -> Said:
    """A metric and its interval in words and digits; shares are percentages."""
    title, meaning = WORDS.get(name, (name.replace("_", " ").capitalize(), ""))
    digits = 1 if metrics["images"] < FEW_IMAGES else 2
    share = name.endswith("accuracy")
    interval = metrics["interval"].get(name)
    bounds = [interval["low"], interval["high"]] if interval else []
    shown = [percent(value, digits) if share else number(value) for value in (metrics[name], *bounds)]
    return Said(title, shown[0], " to ".join(shown[1:]), meaning)


def measured(metrics: Mapping[str, Any]) -> list[str]:
    """The names of the metrics, as they stand."""
    return [name for name in metrics if name not in ("images", "interval")]


def mistakes_by_class(counts: Counts) -> Counts:
    """Per class, images of it that were missed plus images that were wrongly taken for it."""
    result: Counts = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    return result


def most_mistaken(counts: Counts, most: int) -> list[int]:
    """The classes with the most mistakes, at most so many, in their own order."""
    return sorted(by_mistakes(counts)[:most])


def by_mistakes(counts: Counts) -> list[int]:
    """All classes, the most mistaken first."""
    order: list[int] = np.argsort(-mistakes_by_class(counts), kind="stable").tolist()
    return order


def confused_pairs(counts: Counts, most: int) -> list[Pair]:
    """The pairs that are taken for each other most often, both directions together."""
    both = np.triu(counts + counts.T, 1)
    first, second = np.nonzero(both)
    order = np.argsort(-both[first, second], kind="stable")[:most]
    return [
        Pair(int(i), int(j), int(counts[i, j]), int(counts[j, i]))
        for i, j in zip(first[order], second[order], strict=True)
    ]


def by_likeness(counts: Counts) -> list[int]:
    """All classes in an order that puts those together which are taken for each other.

    Single linkage: the most confused pair joins first, and of two rows of classes those ends touch that are
    most alike. Whole numbers only, so the order is the same everywhere.
    """
    both = counts + counts.T
    row_of = {number: [number] for number in range(len(counts))}
    for pair in confused_pairs(counts, len(counts) ** 2):
        left, right = row_of[pair.first], row_of[pair.second]
        if left is not right:
            joined = _joined(left, right, both)
            row_of |= dict.fromkeys(joined, joined)
    seen = dict.fromkeys(range(len(counts)))
    order: list[int] = []
    while seen:
        row = row_of[next(iter(seen))]
        order += row
        for number in row:
            del seen[number]
    return order


def _joined(left: list[int], right: list[int], both: Counts) -> list[int]:
    ways = [(a, b) for a in (left, left[::-1]) for b in (right, right[::-1])]
    a, b = max(ways, key=lambda way: int(both[way[0][-1], way[1][0]]))
    return [*a, *b]


def calibration_words(bins: Reliability, error: float, images: int) -> str:
    """The calibration error in a sentence or two."""
    if not math.isfinite(error):
        return "The likelihoods are not numbers, so nothing can be said about them."
    count = max(1, int(bins.count.sum()))
    stated, right = float(bins.confidence @ bins.count) / count, float(bins.accuracy @ bins.count) / count
    surer = "surer" if stated > right else "less sure"
    lean = "about as sure as it should be" if abs(stated - right) < 0.005 else f"{surer} than it should be"
    few = " With so few images, part of this is chance." if images < FEW_IMAGES else ""
    return (
        f"On average the stated likelihood is {100 * error:.1f} percentage points away from the share of right guesses "
        f"(expected calibration error {error:.3f}). The model is {lean}: it states {stated:.1%} on average "
        f"and is right in {right:.1%}.{few}"
    )
