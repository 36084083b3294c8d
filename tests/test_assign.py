"""Which side an image falls on depends on its pixels and the seed alone."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import pytest

from pipeline.assign import SPLITS, Assigned, Quarantined, assign, choose, position_of
from pipeline.errors import UserError
from pipeline.layout import Placed
from pipeline.params import Split

PARAMS = Split(seed=0, train=0.7, val=0.2, test=0.1, max_unreadable=0, near_duplicates=0)


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


HASHES = [digest(number) for number in range(4000)]


def records(count: int, names: str = "{}.png", split: str | None = None) -> list[Placed]:
    return [Placed(names.format(number), "ab"[number % 2], split) for number in range(count)]


def sides(assigned: Assigned, hashes: Sequence[str | None]) -> dict[str | None, str]:
    return {hashes[i]: name for name, positions in assigned.positions.items() for i in positions}


def test_shares_hold_in_expectation() -> None:
    counts = Counter(sides(assign(records(4000), HASHES, PARAMS), HASHES).values())
    for name, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        assert counts[name] / 4000 == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5)


def test_positions_fill_the_unit_interval_evenly() -> None:
    tenths = Counter(int(position_of(item, 3) * 10) for item in HASHES)
    assert set(tenths) == set(range(10))
    assert all(count == pytest.approx(400, abs=80) for count in tenths.values())


def test_new_images_move_no_old_one() -> None:
    before = sides(assign(records(1000), HASHES[:1000], PARAMS), HASHES)
    after = sides(assign(records(1100), HASHES[:1100], PARAMS), HASHES)
    assert len(after) == 1100
    assert before.items() <= after.items()


def test_names_and_order_move_nothing() -> None:
    before = sides(assign(records(1000), HASHES[:1000], PARAMS), HASHES)
    renamed = [Placed(f"new {999 - i}.jpg", "ab"[i % 2], None) for i in reversed(range(1000))]
    assert sides(assign(renamed, HASHES[999::-1], PARAMS), HASHES[999::-1]) == before


def test_another_seed_draws_another_split() -> None:
    other = PARAMS.model_copy(update={"seed": 1})
    moved = sum(choose(item, frozenset(), PARAMS) != choose(item, frozenset(), other) for item in HASHES)
    assert moved / 4000 == pytest.approx(1 - (0.49 + 0.04 + 0.01), abs=0.05)


def test_exact_copies_lie_on_one_side() -> None:
    hashes = HASHES[:500] * 2
    assigned = assign(records(1000), hashes, PARAMS)
    where = [{hashes[i] for i in assigned.positions[name]} for name in SPLITS]
    assert sum(len(positions) for positions in assigned.positions.values()) == 1000
    assert not where[0] & where[1] and not where[0] & where[2] and not where[1] & where[2]


def test_equal_pixels_under_different_labels_are_quarantined_all() -> None:
    hashes = [*HASHES[:100], HASHES[7], HASHES[7]]
    assigned = assign([*records(100), Placed("x", "b", None), Placed("y", "a", None)], hashes, PARAMS)
    assert assigned.quarantined == [
        Quarantined("7.png", "b", "equal pixels as a"),
        Quarantined("x", "b", "equal pixels as a"),
        Quarantined("y", "a", "equal pixels as b"),
    ]
    assert HASHES[7] not in sides(assigned, hashes)


def given(*parts: tuple[str, range]) -> tuple[list[Placed], list[str]]:
    """Records in given splits, each of the images with these numbers; even ones are `a`."""
    placed = [(Placed(f"{name}/{i}", "ab"[i % 2], name), HASHES[i]) for name, numbers in parts for i in numbers]
    return [record for record, _ in placed], [item for _, item in placed]


def test_given_splits_stay_as_they_are() -> None:
    placed, hashes = given(("train", range(100)), ("val", range(100, 110)), ("test", range(200, 220)))
    found = sides(assign(placed, hashes, PARAMS), hashes)
    assert found == {item: record.split for record, item in zip(placed, hashes, strict=True)}


def test_a_missing_split_is_drawn_from_training_in_proportion() -> None:
    placed, hashes = given(("train", range(3000)), ("test", range(3000, 3100)))
    found = sides(assign(placed, hashes, PARAMS), hashes)
    assert {found[item] for item in HASHES[3000:3100]} == {"test"}
    assert Counter(found[item] for item in HASHES[:3000])["val"] / 3000 == pytest.approx(0.2 / 0.9, abs=0.03)


def test_what_training_shares_with_a_given_test_leaves_training_and_is_listed() -> None:
    placed, hashes = given(("train", range(100)), ("val", range(90, 96)), ("test", range(94, 100)))
    assigned = assign(placed, hashes, PARAMS)
    found = {item.file: item.reason for item in assigned.quarantined}
    assert found == {
        **{f"train/{i}": "also in val" for i in range(90, 94)},
        **{f"train/{i}": "also in test" for i in range(94, 100)},
        **{f"val/{i}": "also in test" for i in range(94, 96)},
    }
    assert [len(assigned.positions[name]) for name in SPLITS] == [90, 4, 6]


def test_unreadable_files_are_passed_over() -> None:
    hashes = [None, None, *HASHES[2:100]]
    assert set(sides(assign(records(100), hashes, PARAMS), hashes)) == set(HASHES[2:100])


@pytest.mark.parametrize("parts", [(("", range(24)),), (("train", range(24)), ("test", range(24, 30)))])
def test_a_class_without_an_image_in_a_split_gets_a_seed_that_works(parts: tuple[tuple[str, range], ...]) -> None:
    placed, hashes = given(*parts)
    placed = [Placed(item.file, item.label, item.split or None) for item in placed]
    failing = PARAMS.model_copy(update={"seed": next(s for s in range(100) if not works(placed, hashes, s))})
    with pytest.raises(UserError, match=r"class '[ab]' has no image in (train|val|test): set split.seed") as caught:
        assign(placed, hashes, failing)
    seed = int(str(caught.value).split("split.seed to ")[1].split(",")[0])
    assert works(placed, hashes, seed)


def works(placed: list[Placed], hashes: list[str], seed: int) -> bool:
    try:
        assign(placed, hashes, PARAMS.model_copy(update={"seed": seed}))
    except UserError:
        return False
    return True


def test_no_seed_is_promised_where_none_can_help() -> None:
    placed, hashes = [*records(1000), Placed("x", "rare", None)], HASHES[:1001]
    with pytest.raises(UserError, match=r"class 'rare' has no image in .*: no split\.seed below 1000 helps, so add"):
        assign(placed, hashes, PARAMS)


def test_a_class_of_which_nothing_is_readable_needs_images() -> None:
    with pytest.raises(UserError, match=r"class 'rare' has no image in train: no split\.seed below 1000 helps, so add"):
        assign([*records(100), Placed("x", "rare", None)], [*HASHES[:100], None], PARAMS)


def test_a_class_that_a_given_split_lacks_needs_images_there() -> None:
    placed, hashes = given(("train", range(500)), ("test", range(500, 510, 2)))
    with pytest.raises(UserError, match="class 'b' has no image in test: add images of it to test/"):
        assign(placed, hashes, PARAMS)


def test_near_duplicates_go_where_their_lowest_pixel_hash_falls() -> None:
    found = sides(assign(records(4000), HASHES, PARAMS, [[0, 1, 2, 3, 4, 5], [8, 9]]), HASHES)
    for group in ([0, 1, 2, 3, 4, 5], [8, 9]):
        lowest = min(HASHES[i] for i in group)
        assert {found[HASHES[i]] for i in group} == {choose(lowest, frozenset(), PARAMS)}
    alone = sides(assign(records(4000), HASHES, PARAMS), HASHES)
    assert {digest for digest in found if found[digest] != alone[digest]} <= {HASHES[i] for i in range(10)}


def test_a_group_that_grows_moves_only_if_its_lowest_hash_changes() -> None:
    group = sorted(range(20), key=lambda i: HASHES[i])
    small = sides(assign(records(4000), HASHES, PARAMS, [group[:10]]), HASHES)
    large = sides(assign(records(4000), HASHES, PARAMS, [group]), HASHES)
    assert all(small[HASHES[i]] == large[HASHES[i]] for i in group[:10])


def test_a_near_duplicate_of_a_given_test_image_leaves_training() -> None:
    placed = [*records(400, "train/{}.png", "train"), *records(40, "test/{}.png", "test")]
    assigned = assign(placed, HASHES[:440], PARAMS, [[0, 1, 400], [2, 3]])
    left = [item for item in assigned.quarantined if item.file in ("train/0.png", "train/1.png")]
    assert [item.reason for item in left] == ["near-duplicate of an image in test"] * 2
    assert len(assigned.quarantined) == 2
    assert {sides(assigned, HASHES)[HASHES[i]] for i in (2, 3)} in ({"train"}, {"val"})


def test_unreadable_members_of_a_group_are_passed_over() -> None:
    hashes: list[str | None] = [None, *HASHES[1:400]]
    positions = assign(records(400), hashes, PARAMS, [[0, 1]]).positions
    assert not any(0 in chosen for chosen in positions.values())
