"""McNemar's exact test against an independent one, and the interval of the difference against published values."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from pipeline.mcnemar import Table, difference_interval, exact_p, sentence

RANDOM = np.random.default_rng(0)
SIZES = [*RANDOM.integers(0, 60, 700), *RANDOM.integers(60, 1500, 250), *RANDOM.integers(1500, 6000, 50)]
# Tables that are far from even have tiny p-values, those near to it large ones.
TABLES = [(part := int(RANDOM.binomial(size, RANDOM.uniform(0.2, 0.8))), int(size) - part) for size in SIZES]


def independent(b: int, c: int) -> float:
    """Twice the smaller tail of fair coins, in whole numbers, at most 1."""
    term = tail = 1  # ways to choose k of the images, summed over k
    for k in range(min(b, c)):
        term = term * (b + c - k) // (k + 1)
        tail += term
    assert term == math.comb(b + c, min(b, c))
    return float(min(Fraction(1), Fraction(2 * tail, 2 ** (b + c))))


def test_the_exact_test_equals_an_independent_one_on_1000_tables() -> None:
    tables = [*TABLES, (0, 0), (0, 1), (7, 7), (0, 3000), (3000, 3000), (2900, 3100)]
    assert len(tables) > 1000 and max(map(sum, tables)) > 5000
    assert max(abs(exact_p(b, c) - independent(b, c)) for b, c in tables) < 1e-12


@pytest.mark.parametrize(("b", "c"), [(0, 5), (12, 34), (100, 101), (0, 400), (1, 60)])
def test_small_values_are_right_in_every_digit_and_both_ways(b: int, c: int) -> None:
    assert exact_p(b, c) == exact_p(c, b) == pytest.approx(independent(b, c), rel=1e-9)


def test_no_image_that_tells_them_apart_is_no_evidence() -> None:
    assert exact_p(0, 0) == 1.0


def test_the_interval_is_newcombes() -> None:
    # Newcombe (1998), table of examples, method 10.
    found = difference_interval(Table(36, 12, 2, 0))
    assert (round(found["low"], 4), round(found["high"], 4)) == (0.0569, 0.3404)


def test_the_interval_covers_the_truth_in_nearly_95_of_100_tables() -> None:
    both, only_a, only_b = 0.6, 0.2, 0.1
    tables = np.random.default_rng(1).multinomial(80, [both, only_a, only_b, 1 - both - only_a - only_b], 4000)
    found = [difference_interval(Table(*map(int, counts))) for counts in tables]
    assert 0.94 < np.mean([item["low"] <= only_a - only_b <= item["high"] for item in found]) < 0.97


def test_the_interval_holds_the_difference_and_turns_with_the_runs() -> None:
    for counts in product((0, 1, 9), repeat=4):
        if not sum(counts):
            continue
        table, turned = Table(*counts), Table(counts[0], counts[2], counts[1], counts[3])
        found, other = difference_interval(table), difference_interval(turned)
        assert -1 <= found["low"] <= table.accuracy_a - table.accuracy_b + 1e-12
        assert found["low"] == pytest.approx(-other["high"])


def test_shares_are_of_all_images() -> None:
    table = Table(both=5, only_a=3, only_b=1, neither=1)
    assert (table.total, table.accuracy_a, table.accuracy_b) == (10, 0.8, 0.6)


@pytest.mark.parametrize(
    ("only_a", "only_b", "words"),
    [
        (34, 12, "A is better: 34 against 12 images, p = 0.0016 (exact McNemar)"),
        (12, 34, "B is better: 34 against 12 images, p = 0.0016 (exact McNemar)"),
        (2000, 100, "A is better: 2,000 against 100 images, p < 0.0001 (exact McNemar)"),
        (0, 2, "no difference that this test set can show: 0 against 2 images, p = 0.5 (exact McNemar)"),
        (0, 0, "no difference that this test set can show: 0 against 0 images, p = 1 (exact McNemar)"),
    ],
)
def test_the_sentence_names_the_better_one(only_a: int, only_b: int, words: str) -> None:
    assert sentence(Table(100, only_a, only_b, 5)) == words
