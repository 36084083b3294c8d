"""Bootstrap intervals: around the number, narrower with more images, the same for the same seed."""

import numpy as np
import pytest

from pipeline.intervals import bootstrap_intervals, wilson
from pipeline.metrics import measures_for, per_class, same_superclass
from tests.test_metrics import case


@pytest.mark.parametrize("num_classes", [2, 5, 20])
def test_every_interval_holds_its_number(num_classes: int) -> None:
    labels, probabilities = case(num_classes)
    intervals = bootstrap_intervals(labels, probabilities, 300, 0)
    overall = {name: measure(labels, probabilities) for name, measure in measures_for(num_classes).items()}
    scores = per_class(labels, probabilities)
    overall |= {f"{name}/{n}": scores[name][n] for name in ("precision", "recall", "f1") for n in range(num_classes)}
    del overall["expected_calibration_error"]
    assert set(intervals) == set(overall)
    for name, value in overall.items():
        assert intervals[name]["low"] <= value + 1e-9 and value - 1e-9 <= intervals[name]["high"], name


def test_the_calibration_error_has_none() -> None:
    assert "expected_calibration_error" not in bootstrap_intervals(*case(5), 100, 0)


def test_more_images_make_intervals_narrower() -> None:
    small, large = (bootstrap_intervals(*case(5, count), 300, 0) for count in (100, 10_000))
    for name in ("accuracy", "loss", "macro_f1", "recall/0"):
        assert large[name]["high"] - large[name]["low"] < 0.3 * (small[name]["high"] - small[name]["low"])


def test_the_width_is_that_of_the_normal_approximation() -> None:
    labels, probabilities = case(5, 2000)
    interval = bootstrap_intervals(labels, probabilities, 2000, 0)["accuracy"]
    share = float((probabilities.argmax(axis=1) == labels).mean())
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / 2000)
    assert interval["high"] - interval["low"] == pytest.approx(expected, rel=0.1)


def test_the_seed_alone_decides() -> None:
    first, same, other = (bootstrap_intervals(*case(5), 100, seed) for seed in (1, 1, 2))
    assert first == same != other


def test_a_loss_without_spread_has_an_interval_without_width() -> None:
    labels = np.arange(40) % 2
    assert bootstrap_intervals(labels, np.eye(2)[labels], 100, 0)["loss"] == {"low": 0.0, "high": 0.0}


def test_a_class_without_images_has_an_interval_of_zero() -> None:
    labels = np.arange(40) % 2
    assert bootstrap_intervals(labels, np.eye(3)[labels], 100, 0)["recall/2"] == {"low": 0.0, "high": 0.0}


def test_superclass_accuracy_has_an_interval_where_there_are_superclasses() -> None:
    random = np.random.default_rng(3)
    labels, probabilities = random.integers(0, 4, 300), random.dirichlet(np.ones(4), 300)
    found = bootstrap_intervals(labels, probabilities, 200, 0, ["a", "a", "b", "b"])["superclass_accuracy"]
    value = same_superclass(labels, probabilities.argmax(axis=1), ["a", "a", "b", "b"]).mean()
    assert found["low"] < value < found["high"]
    assert "superclass_accuracy" not in bootstrap_intervals(labels, probabilities, 200, 0)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10), (256, 256), (3, 7)])
def test_wilsons_interval_is_scipys(hits: int, count: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx({"low": expected.low, "high": expected.high})


def test_all_right_is_no_certainty() -> None:
    labels = np.arange(100) % 4
    found = bootstrap_intervals(labels, np.eye(4, dtype=np.float32)[labels], 100, 0)
    assert found["accuracy"] == wilson(100, 100) and found["accuracy"]["low"] < 0.97
    assert found["recall/2"] == wilson(25, 25) == found["precision/2"]
