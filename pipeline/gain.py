"""Is the winner of a study better, or was it lucky? Start and winner trained again with the same other seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metrics import Metric

LEVEL = 0.95


@dataclass(frozen=True)
class Gain:
    """What the winner gains over the start in a metric, over seeds; above 0 is better, whatever the metric.

    `low` and `high` are the ends of a 95% interval of the mean, None of fewer than two seeds.
    """

    metric: Metric
    start: float
    winner: float
    mean: float
    low: float | None
    high: float | None
    num_seeds: int

    @property
    def verdict(self) -> str:
        """What to believe of it, in a few words."""
        if self.low is None or self.high is None:
            return "one seed tells little: raise tune.retrain"
        if self.low > 0:
            return "the winner is better"
        return "the winner is worse" if self.high < 0 else "the trial was lucky: the interval includes 0"

    def text(self) -> str:
        """Two lines for people."""
        name, seeds = self.metric.name, "seed" if self.num_seeds == 1 else "seeds"
        interval = "" if self.low is None else f" (95% interval {self.low:+.4f} to {self.high:+.4f})"
        return (
            f"trained again with {self.num_seeds} other {seeds}: {name} {self.start:.4f} at the start, "
            f"{self.winner:.4f} of the winner\n"
            f"gain {self.mean:+.4f}{interval}: {self.verdict}"
        )


def gain_of(metric: Metric, start: Sequence[float], winner: Sequence[float]) -> Gain:
    """The gain over pairs of trainings with the same seed.

    The interval is Student's, of the mean of the paired differences.

    Args:
        start: values of `metric`, one per seed.
        winner: of the same seeds.
    """
    from scipy import stats

    differences = (np.asarray(winner) - np.asarray(start)) * (1 if metric.higher_is_better else -1)
    mean, count = float(differences.mean()), len(differences)
    low = high = None
    if count > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * differences.std(ddof=1) / np.sqrt(count))
        low, high = mean - half, mean + half
    return Gain(metric, float(np.mean(start)), float(np.mean(winner)), mean, low, high, count)
