"""Bootstrap 95% intervals of the test metrics."""

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

Interval = dict[str, float]
"""`low` and `high`."""


def bootstrap_intervals(
    labels: Labels, probabilities: Floats, resamples: int, seed: int, superclasses: Sequence[str] = ()
) -> dict[str, Interval]:
    """Percentile bootstrap intervals of the measures, and of each class's precision, recall and F1.

    Images are drawn with replacement (Efron & Tibshirani, "An Introduction to the Bootstrap", ch. 13).
    The calibration error has none: resampling biases it upwards.

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
    return {name: {"low": float(low), "high": float(high)} for name, (low, high) in bounds.items()}


def _class_values(counts: NDArray[np.int64]) -> dict[str, float]:
    scores = class_scores(counts)
    values = {"macro_f1": mean_f1(counts)}
    for name in ("precision", "recall", "f1"):
        values |= {f"{name}/{number}": float(value) for number, value in enumerate(scores[name])}
    return values
