"""Two classifiers on the same images: McNemar's exact test, and the interval of their difference; pure."""

import math
from dataclasses import dataclass

from pipeline.intervals import Interval, wilson

LEVEL = 0.05  # of significance, as the 95% intervals beside it have
SMALLEST = 1e-4  # a p-value below that is not spelt out


@dataclass(frozen=True)
class Table:
    """Images by who is right: both, only A, only B, neither."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def total(self) -> int:
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def accuracy_a(self) -> float:
        return (self.both + self.only_a) / self.total

    @property
    def accuracy_b(self) -> float:
        return (self.both + self.only_b) / self.total


@dataclass(frozen=True)
class Verdict:
    """Two runs by name, and how their answers agree."""

    a: str
    b: str
    table: Table


def exact_p(only_a: int, only_b: int) -> float:
    """The two-sided p-value of McNemar's exact test; 1.0 where no image tells the two apart.

    Were both equally good, each image that one of them has right would be a fair coin (McNemar,
    "Note on the Sampling Error of the Difference between Correlated Proportions", Psychometrika 12, 1947).
    """
    from scipy.stats import binomtest

    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def difference_interval(table: Table) -> Interval:
    """The 95% interval of accuracy A minus accuracy B, for shares of the same images.

    Newcombe, "Improved Confidence Intervals for the Difference between Binomial Proportions Based on Paired
    Data", Statistics in Medicine 17, 1998, method 10: Wilson's intervals of both, put together by their correlation.
    """
    first, second = table.accuracy_a, table.accuracy_b
    a = wilson(table.both + table.only_a, table.total)
    b = wilson(table.both + table.only_b, table.total)
    phi = _correlation(table)
    low = _together(first - a["low"], b["high"] - second, phi)
    high = _together(a["high"] - first, second - b["low"], phi)
    return {"low": max(-1.0, first - second - low), "high": min(1.0, first - second + high)}


def sentence(table: Table) -> str:
    """What the test says, plainly, of A and B."""
    p = exact_p(table.only_a, table.only_b)
    shown = f"{p_words(p)} (exact McNemar)"
    if p >= LEVEL:
        return f"no difference that this test set can show: {table.only_a:,} against {table.only_b:,} images, {shown}"
    better, more, fewer = max(("A", table.only_a, table.only_b), ("B", table.only_b, table.only_a), key=lambda x: x[1])
    return f"{better} is better: {more:,} against {fewer:,} images, {shown}"


def p_words(p: float) -> str:
    """As in `p = 0.031`."""
    return f"p < {SMALLEST:g}" if p < SMALLEST else f"p = {p:.2g}"


def _correlation(table: Table) -> float:
    """Phi of the table, continuity-corrected where positive; 0 where a row or column is empty."""
    both, only_a, only_b, neither = table.both, table.only_a, table.only_b, table.neither
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    cross = float(both * neither - only_a * only_b)
    if cross > 0:
        cross = max(cross - table.total / 2, 0.0)
    return cross / math.sqrt(margins) if margins else 0.0


def _together(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))
