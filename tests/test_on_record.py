"""Which decision on record holds for a candidate."""

from typing import Any

import pytest

from pipeline.decision import Record
from pipeline.on_record import Standing, answer, is_due


def record(second: int, kind: str, candidate: int, champion: int | None, question: str = "") -> Record:
    sides: dict[str, Any] = {"candidate": {"number": candidate}, "champion": champion and {"number": champion}}
    return {"when": f"2026-01-01T00:00:{second:02}+00:00", "kind": kind, "question": question, **sides}


def stamp(second: int) -> str:
    return f"20260101T0000{second:02}Z"


FIRST, KEPT = record(0, "promote", 1, None, "1 alone"), record(1, "keep", 2, 1, "2 or 1")
PROMOTED, FORCED = record(1, "promote", 2, 1, "2 or 1"), record(1, "force", 2, 1, "2 or 1")
TAKEN_BACK = record(2, "rollback", 1, 2)


@pytest.mark.parametrize(
    ("known", "now", "force", "expected"),
    [
        pytest.param([], Standing(2, 1, ""), False, None, id="nothing is on record"),
        pytest.param([FIRST], Standing(2, 1, ""), False, None, id="another version's"),
        pytest.param([FIRST, KEPT], Standing(2, 1, ""), False, KEPT, id="kept"),
        pytest.param([FIRST, KEPT], Standing(2, 1, ""), True, None, id="kept, now forced"),
        pytest.param([FIRST, KEPT], Standing(2, 3, ""), False, KEPT, id="the question says which champion"),
        pytest.param([FIRST, PROMOTED], Standing(2, 1, ""), False, PROMOTED, id="cut off before the alias"),
        pytest.param([FIRST, FORCED], Standing(2, 1, ""), True, FORCED, id="forced, cut off before the alias"),
        pytest.param([FIRST, FORCED], Standing(2, 1, stamp(1)), True, None, id="undone by hand, forced again"),
        pytest.param([FIRST, PROMOTED], Standing(2, 2, stamp(1)), False, PROMOTED, id="serves"),
        pytest.param([FIRST, PROMOTED], Standing(2, 2, stamp(1)), True, PROMOTED, id="serves, now forced"),
        pytest.param([FIRST, PROMOTED, TAKEN_BACK], Standing(2, 1, stamp(1)), False, TAKEN_BACK, id="rolled back"),
        pytest.param([FIRST, PROMOTED, TAKEN_BACK], Standing(2, 1, stamp(1)), True, None, id="rolled back, forced"),
        pytest.param([FIRST, PROMOTED, TAKEN_BACK], Standing(1, 1, stamp(2)), False, TAKEN_BACK, id="serves again"),
        pytest.param([FIRST, PROMOTED], Standing(1, 2, stamp(0)), False, None, id="served before, fairly replaced"),
        pytest.param([], Standing(2, 2, ""), False, None, id="champion by hand"),
    ],
)
def test_which_decision_holds(known: list[Record], now: Standing, force: bool, expected: Record | None) -> None:
    assert answer(known, now, "2 or 1", force) == expected


def test_another_question_is_decided_anew() -> None:
    assert answer([FIRST, KEPT], Standing(2, 1, ""), "2 or 1 by another rule", False) is None


@pytest.mark.parametrize(
    ("found", "now", "due"),
    [
        (PROMOTED, Standing(2, 1, ""), True),
        (FORCED, Standing(2, 1, stamp(0)), True),  # it served by an earlier decision
        (PROMOTED, Standing(2, 1, stamp(1)), False),  # undone by hand
        (PROMOTED, Standing(2, 2, stamp(1)), False),
        (KEPT, Standing(2, 1, ""), False),
        (TAKEN_BACK, Standing(2, 1, stamp(1)), False),
    ],
)
def test_a_promotion_is_due_until_it_was_acted_on(found: Record, now: Standing, due: bool) -> None:
    assert is_due(found, now) == due
