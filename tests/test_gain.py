"""Better or lucky: the interval of the gain over seeds."""

import pytest
from scipy import stats

from pipeline.gain import gain_of
from pipeline.metrics import Metric

ACCURACY, LOSS = Metric("val_accuracy", True), Metric("val_loss", False)
START, WINNER = [0.90, 0.91, 0.89, 0.90, 0.92], [0.93, 0.93, 0.93, 0.92, 0.94]


def test_the_interval_is_students_of_the_paired_differences() -> None:
    found = gain_of(ACCURACY, START, WINNER)
    expected = stats.ttest_rel(WINNER, START).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx(0.026)


def test_less_loss_is_a_gain() -> None:
    assert gain_of(LOSS, [0.5, 0.4], [0.3, 0.3]).mean == pytest.approx(0.15)


def test_what_is_said_of_it() -> None:
    assert gain_of(ACCURACY, START, WINNER).text() == (
        "trained again with 5 other seeds: val_accuracy 0.9040 at the start, 0.9300 of the winner\n"
        "gain +0.0260 (95% interval +0.0149 to +0.0371): the winner is better"
    )


@pytest.mark.parametrize(
    ("start", "winner", "verdict"),
    [
        ([0.9, 0.9, 0.9], [0.95, 0.85, 0.93], "the trial was lucky: the interval includes 0"),
        ([0.9, 0.9, 0.9], [0.8, 0.81, 0.79], "the winner is worse"),
        ([0.9], [0.95], "one seed tells little: raise tune.retrain"),
        ([0.9, 0.9], [0.9, 0.9], "the trial was lucky: the interval includes 0"),
    ],
)
def test_the_verdict(start: list[float], winner: list[float], verdict: str) -> None:
    assert gain_of(ACCURACY, start, winner).verdict == verdict
