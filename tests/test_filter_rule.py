"""Block b has first x growth^b filters."""

import pytest

from pipeline import filter_rule
from pipeline.errors import UserError
from pipeline.tune_params import Range


def test_counts_grow_from_block_to_block() -> None:
    assert filter_rule.filters([1, 1, 1], 16, 1.5) == [16, 24, 36]
    assert filter_rule.filters([1, 1, 1], 10, 1.25) == [10, 12, 16]  # 12.5 and 15.6


def test_a_count_never_falls_below_one() -> None:
    assert filter_rule.filters([8, 8, 8], 4, 0.1) == [4, 1, 1]


def test_blocks_keep_their_convolutions_and_new_ones_take_the_last_ones() -> None:
    assert filter_rule.filters([[8, 8], 16], 8, 2.0) == [[8, 8], 16]
    assert filter_rule.filters([8, [16, 16]], 8, 2.0, blocks=4) == [8, [16, 16], [32, 32], [64, 64]]
    assert filter_rule.filters([8, [16, 16]], 8, 2.0, blocks=1) == [8]
    assert filter_rule.filters([], 8, 2.0, blocks=2) == [8, 16]


@pytest.mark.parametrize("today", [[32, 64], [[32, 32], [64, 64]], [16], [100, 50, 25]])
def test_filters_that_follow_the_rule_are_found_again(today: list[int | list[int]]) -> None:
    rule = filter_rule.rule_of(today)
    assert rule is not None
    assert filter_rule.filters(today, int(rule["first"]), rule["growth"]) == today


@pytest.mark.parametrize("today", [[], [32, 64, 128, 128], [100, 80, 50], [[32, 64], 64]])
def test_other_filters_have_no_rule(today: list[int | list[int]]) -> None:
    assert filter_rule.rule_of(today) is None


@pytest.mark.parametrize(
    ("name", "dimension", "said"),
    [
        ("first", Range(low=0, high=4), "first: 0 is not within 1 to 100000"),
        ("first", Range(low=8.5, high=16), "first: 8.5 should be a whole number"),
        ("blocks", (1, True), "blocks: True should be a whole number"),
        ("growth", ("two",), "growth: 'two' should be a number"),
        ("growth", (0.0, 1.0), "growth: 0.0 is not within 0.01 to 100"),
    ],
)
def test_a_part_out_of_bounds_is_told(name: str, dimension: Range | tuple[object, ...], said: str) -> None:
    with pytest.raises(UserError, match=f"tune.space.model.filters.{said}"):
        filter_rule.check(name, dimension)  # type: ignore[arg-type]
