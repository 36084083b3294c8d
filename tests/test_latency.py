"""Times to answer one image, by a clock of the test's own."""

import itertools
from typing import Any

import numpy as np
import pytest

from pipeline.latency import milliseconds


class Pretending:
    """Answers like a classifier, and says how late it is after so many seconds an image."""

    size, channels = (4, 4), 1
    now = 0.0

    def __init__(self, *seconds: float) -> None:
        self.model, self.seconds = self, itertools.cycle(seconds)

    def predict_on_batch(self, images: np.ndarray) -> None:
        assert images.shape == (1, 4, 4, 1) and images.dtype == np.uint8
        Pretending.now += next(self.seconds)


@pytest.mark.parametrize(
    ("budget", "seconds", "expected"), [(True, 0.04, 40), (False, 0.04, None), (False, 0.03, 30), (True, 9, 9000)]
)
def test_a_slow_model_is_timed_only_where_there_is_a_budget(
    budget: bool, seconds: float, expected: float | None
) -> None:
    models: Any = [Pretending(0.002, 0.001, 0.003), Pretending(seconds)]
    times = milliseconds(models, budget, clock=lambda: Pretending.now)
    assert times == (pytest.approx([2, expected]) if expected else [None, None])
