"""Sizes against plain arithmetic, p-values against SciPy's own tests, and against chance itself."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.drift import balance, corrected, distribution, more_often, told_apart


def normal(seed: int, count: int, width: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, width))


def test_the_distance_of_two_distributions() -> None:
    apart, alike = distribution(np.arange(10.0), np.arange(10.0) + 5), distribution(np.arange(10.0), np.arange(10.0))
    assert apart.size == pytest.approx(0.5)
    assert (alike.size, alike.p) == (0.0, 1.0)


def test_the_distance_of_two_class_distributions() -> None:
    assert balance(np.array([50, 50]), np.array([30, 10])).size == pytest.approx(0.25)
    assert balance(np.array([100, 0]), np.array([0, 100])).size == 1.0
    assert balance(np.array([50, 50]), np.array([5, 5])).p == 1.0


def test_the_permutation_test_agrees_with_chi_square_where_counts_are_large() -> None:
    from scipy.stats import chi2_contingency

    known, new = np.array([500, 520, 480]), np.array([110, 85, 105])
    assert balance(known, new).p == pytest.approx(chi2_contingency([known, new]).pvalue, abs=0.02)


def test_and_with_the_exact_test_where_they_are_small() -> None:
    from scipy.stats import fisher_exact

    known, new = np.array([12, 3]), np.array([2, 6])
    assert balance(known, new).p == pytest.approx(fisher_exact([known, new]).pvalue, abs=0.02)


def test_a_class_that_nobody_has_changes_nothing() -> None:
    assert balance(np.array([12, 0, 3]), np.array([2, 0, 6])) == balance(np.array([12, 3]), np.array([2, 6]))


def test_a_classifier_tells_apart_what_differs() -> None:
    found = told_apart(normal(0, 200), normal(1, 100, shift=3))
    assert found.size > 0.95 and found.p < 1e-6


def test_even_where_no_single_feature_differs() -> None:
    first = normal(2, 600, width=2)
    second = normal(3, 600, width=2)
    second[:, 1] = np.abs(second[:, 1]) * np.sign(second[:, 0])  # the same margins, but never of opposite signs
    found = told_apart(first, second)
    assert found.size > 0.3 and found.p < 1e-6
    assert all(distribution(first[:, i], second[:, i]).p > 0.01 for i in range(2))


def test_the_same_data_give_the_same_answer() -> None:
    assert told_apart(normal(0, 60), normal(1, 50)) == told_apart(normal(0, 60), normal(1, 50))


CHANCE: dict[str, Callable[[int], float]] = {
    "distribution": lambda seed: distribution(normal(seed, 80)[:, 0], normal(seed + 1000, 50)[:, 0]).p,
    "balance": lambda seed: (
        balance(
            np.random.default_rng(seed).multinomial(300, [0.6, 0.3, 0.08, 0.02]),
            np.random.default_rng(seed + 1000).multinomial(40, [0.6, 0.3, 0.08, 0.02]),
        ).p
    ),
    "told_apart": lambda seed: told_apart(normal(seed, 50, 3), normal(seed + 1000, 30, 3), num_trees=10).p,
    "more_often": lambda seed: more_often(int(np.random.default_rng(seed).binomial(60, 0.1)), 60, 10, 100).p,
}


@pytest.mark.parametrize("name", CHANCE)
def test_of_data_that_are_alike_no_more_alarm_than_the_level_says(name: str) -> None:
    alarms = sum(CHANCE[name](seed) <= 0.1 for seed in range(20))
    # 2 are expected of an exact test; more than 6 come about once in 400 times.
    assert alarms <= 6


def test_a_share_that_grew() -> None:
    from scipy.stats import hypergeom

    found = more_often(wrong=30, count=100, wrong_before=5, count_before=100)
    assert found.size == pytest.approx(0.25)
    assert found.p == pytest.approx(float(hypergeom.sf(29, 200, 35, 100)))
    assert more_often(5, 100, 30, 100).size == 0.0 and more_often(5, 100, 30, 100).p > 0.99


def test_correction_for_several_tests_as_in_holms_paper() -> None:
    # 0.01 x 4, 0.02 x 3, 0.03 x 2 raised to the one before, 0.9 x 1
    assert corrected([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert corrected([0.5, 0.6]) == [1.0, 1.0]
    assert corrected([]) == []
