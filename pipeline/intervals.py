"""Bootstrap 95% intervals of the test metrics."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import (
    TOP5_FROM,
    Floats,
    Labels,
    class_scores,
    confusion,
    in_top5,
    mean_f1,
    same_superclass,
    surprise,
)

Z = 1.959963984540054  # the normal distribution's 97.5th percentile
Interval = dict[str, float]
"""`low` and `high`."""


def bootstrap_intervals(
    labels: Labels, probabilities: Floats, resamples: int, seed: int, superclasses: Sequence[str] = ()
) -> dict[str, Interval]:
    """Percentile bootstrap intervals of the measures, and of each class's precision, recall and F1.

    Images are drawn with replacement (Efron & Tibshirani, "An Introduction to the Bootstrap", ch. 13).
    The calibration error has none: resampling biases it upwards. Where all images agree (all right, or all wrong) every
    resample is the same, which would look like certainty; there the interval is Wilson's score interval of a share.

    Args:
        superclasses: of each class its superclass, by number, for data that has them.

    Returns:
        name -> {"low", "high"}; a class is keyed by its number, as in `recall/3`.
    """
    num_classes = probabilities.shape[1]
    guesses = probabilities.argmax(axis=1)
    per_image: dict[str, NDArray[np.float64]] = {
        "accuracy": (guesses == labels).astype(np.float64),
        "loss": surprise(labels, probabilities),
    }
    if num_classes >= TOP5_FROM:
        per_image["top5_accuracy"] = in_top5(labels, probabilities).astype(np.float64)
    if superclasses:
        per_image["superclass_accuracy"] = same_superclass(labels, guesses, superclasses).astype(np.float64)
    drawn: dict[str, list[float]] = {}
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        rows = random.integers(0, len(labels), len(labels))
        values = {name: float(measure[rows].mean()) for name, measure in per_image.items()}
        values |= _class_values(confusion(labels[rows], guesses[rows], num_classes))
        for name, value in values.items():
            drawn.setdefault(name, []).append(value)
    bounds = {name: np.percentile(values, [2.5, 97.5]) for name, values in drawn.items()}
    found = {name: {"low": float(low), "high": float(high)} for name, (low, high) in bounds.items()}
    shares = {name: (int(hits.sum()), len(labels)) for name, hits in per_image.items() if name != "loss"}
    shares |= _class_shares(confusion(labels, guesses, num_classes))
    return found | {name: wilson(hits, count) for name, (hits, count) in shares.items() if hits in (0, count) and count}


def wilson(hits: int, count: int) -> Interval:
    """The 95% score interval of a share (Wilson, "Probable Inference", JASA 22, 1927); within 0 and 1 always."""
    share, spread = hits / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return {"low": max(0.0, middle - half) if hits else 0.0, "high": min(1.0, middle + half) if hits < count else 1.0}


def _class_shares(counts: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    """Hits and number of images behind each class's precision and recall."""
    hits, support, guessed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    shares = {f"recall/{number}": (int(hits[number]), int(support[number])) for number in range(len(counts))}
    return shares | {f"precision/{number}": (int(hits[number]), int(guessed[number])) for number in range(len(counts))}


def _class_values(counts: NDArray[np.int64]) -> dict[str, float]:
    scores = class_scores(counts)
    values = {"macro_f1": mean_f1(counts)}
    for name in ("precision", "recall", "f1"):
        values |= {f"{name}/{number}": float(value) for number, value in enumerate(scores[name])}
    return values
