"""How long models take to answer one image."""

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from pipeline.classifier import Classifier

WARM_UP, ROUNDS = 3, 50  # images answered before anything is timed, and then
CHEAP = 2.0  # seconds that timing may take where nobody has to know


def milliseconds(
    models: Sequence[Classifier], budget: bool, clock: Callable[[], float] = time.perf_counter
) -> list[float | None]:
    """The median time that each model takes to answer one image, after a warm-up; they take turns.

    Args:
        budget: whether it has to be known; otherwise None for all where it would take over two seconds.
    """

    def turn() -> list[float]:
        marks = [clock()]
        for model in models:
            model.model.predict_on_batch(np.zeros((1, *model.size, model.channels), np.uint8))
            marks.append(clock())
        return [end - start for start, end in pairwise(marks)]

    spent = sum([turn() for _ in range(WARM_UP)][-1])
    if not budget and spent * ROUNDS > CHEAP:
        return [None] * len(models)
    rounds = [turn() for _ in range(ROUNDS)]
    return [1000 * statistics.median(times) for times in zip(*rounds, strict=True)]
