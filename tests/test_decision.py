"""The record of a decision: nothing is lost on the way, the page says it all, and the short form is short."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pipeline import decision as decisions
from pipeline.decision import Occasion, VersionFacts
from pipeline.gate import Decision, decide
from pipeline.params import Params
from pipeline.promote_params import Promote
from tests.test_gate import BETTER, evidence

FACTS = {"run_id": "0123abcd" * 4, "commit": "f" * 40, "data": "1" * 32, "split": "2" * 32, "model": "3" * 32}
CANDIDATE = VersionFacts(3, "dropout 0.3 (digits) 1a2b3c4d", FACTS)
CHAMPION = VersionFacts(2, "(digits) 99887766", {**FACTS, "model": "4" * 32})
WHEN = datetime(2026, 2, 1, 0, 59, 59, tzinfo=timezone(timedelta(hours=1)))
LEFT_OUT = {"champion": 40, "candidate": 1, "both": 2}


@pytest.fixture
def rule(make_params: Callable[..., Params]) -> Promote:
    return make_params().promote


@pytest.fixture
def occasion(rule: Promote) -> Occasion:
    return Occasion("promote", "digits", WHEN, "ann@host", CANDIDATE, CHAMPION, rule, "5" * 32)


@pytest.fixture
def decision(rule: Promote) -> Decision:
    return decide(rule, replace(BETTER, left_out=LEFT_OUT))


def kept(rule: Promote) -> Decision:
    return decide(rule, evidence((400, 0, 60, 40)))


def test_nothing_is_lost_in_json(occasion: Occasion, decision: Decision) -> None:
    record = decisions.to_record(occasion, decision)
    assert json.loads(decisions.to_json(record)) == record
    again, found = decisions.from_record(record)
    assert again == replace(occasion, when=WHEN.astimezone(UTC)) and found == decision
    assert decisions.stamp(record) == "20260131T235959Z"


def test_the_page_says_everything(occasion: Occasion, decision: Decision) -> None:
    page = decisions.markdown(decisions.to_record(occasion, decision))
    for words in (
        "# digits: version 3 was promoted to champion, in place of version 2\n",
        "When: 2026-01-31 23:59:59 UTC, by ann@host",
        "Forced: no",
        "| met | interval |",
        "| `least_gain` | 0.0 | what it must gain over the champion |",
        "3,000 judged; digest of the test split `55555",
        "40 left out: in the training or validation data of the champion alone",
        "2 left out: in the training or validation data of both models",
        "300 on which the two differ: only the candidate has right 180 of them, only the champion 60, neither 60",
        "The first 100 of 300 images; the JSON file beside this page has all.",
        f"| `{decision.differing[0].hash}` | a | a | b |",
        "| a | 1,000 | +0.0400 | 60 | 20 |",
        "| commit | `ffff",
    ):
        assert words in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows) and page.endswith("\n")


def test_a_refusal_says_which_lines_were_not_met(occasion: Occasion, rule: Promote) -> None:
    record = decisions.to_record(replace(occasion, kind="keep"), kept(rule))
    told = decisions.headline(record)
    assert told.startswith("version 3 was not promoted, version 2 stays the champion: accuracy 0.8000 against 0.9200")
    assert "only the candidate is right on 0 images, only the champion on 60" in told
    page = decisions.markdown(record)
    assert "| **not met** | classes |" in page and "  - not met: accuracy 0.8000 against 0.9200" in page


def test_the_first_one_has_no_champion_beside_it(occasion: Occasion, rule: Promote) -> None:
    record = decisions.to_record(
        replace(occasion, champion=None), decide(rule, evidence((150, 0, 0, 50), champion=None))
    )
    assert decisions.headline(record) == (
        "version 3 was promoted to champion, as the first one: there is no champion yet: only images and budgets count"
    )
    assert "| version | 3 | none |" in decisions.markdown(record)
    assert decisions.from_record(record)[0].champion is None


def test_force_says_why_and_what_the_gate_said(occasion: Occasion, rule: Promote) -> None:
    forced = replace(occasion, kind="force", reason="the old one cannot be\nserved | any more")
    page = decisions.markdown(decisions.to_record(forced, kept(rule)))
    assert "- Forced: yes. Reason: the old one cannot be\\\\nserved \\| any more" in page
    assert "- By the gate: the rule is not met" in page
    undecided = decisions.to_record(replace(forced, refused="too few images"), None)
    assert "- The gate decided nothing: too few images" in decisions.markdown(undecided)
    assert decisions.from_record(undecided)[1] is None


def test_a_rollback_is_recorded_without_a_rule(occasion: Occasion) -> None:
    back = replace(occasion, kind="rollback", rule=None, reason="wrong on grey pictures", test="")
    record = decisions.to_record(back, None)
    assert decisions.headline(record) == (
        "version 3 is the champion again, in place of version 2: wrong on grey pictures"
    )
    assert "- Rolled back. Reason: wrong on grey pictures" in decisions.markdown(record)
    assert record["question"] == "" and json.loads(decisions.short(record))["kind"] == "rollback"


def test_the_short_form_is_a_record_and_says_the_same(occasion: Occasion, decision: Decision) -> None:
    record = decisions.to_record(occasion, decision)
    short = json.loads(decisions.short(record))
    assert decisions.headline(short) == decisions.headline(record) and short["question"] == record["question"]
    assert decisions.stamp(short) == decisions.stamp(record) and decisions.markdown(short)
    assert decisions.from_record(short)[0].rule == occasion.rule
    assert not short["decision"]["differing"] and "classes" not in short["decision"]["numbers"]


@pytest.mark.parametrize("letter", ["x", "猫", "\n", '"', "👩"])
def test_the_short_form_is_short_whatever_people_write(occasion: Occasion, rule: Promote, letter: str) -> None:
    names = [letter * 255, letter * 254, letter * 253]
    awful = replace(
        occasion, kind="force", reason=letter * 5000, who=letter * 500, refused=letter * 5000,
        candidate=VersionFacts(10**6, letter * 500, FACTS), champion=VersionFacts(10**5, letter * 500, FACTS),
    )  # fmt: skip
    case = evidence((0, 0, 400, 40), (0, 0, 400, 40), (0, 0, 400, 40), classes=names)
    sides = [replace(side, called=letter * 500) for side in (case.candidate, case.champion) if side]
    budgets = rule.model_copy(update={"max_megabytes": 0.5, "max_milliseconds": 0.5})
    record = decisions.to_record(awful, decide(budgets, replace(case, candidate=sides[0], champion=sides[1])))
    short = decisions.short(record)
    assert len(short) < 4000 and short.isascii()
    assert json.loads(short)["reason"].endswith("...") and len(json.loads(short)["decision"]["findings"]) == 8


def changes_of(occasion: Occasion) -> list[dict[str, Any]]:
    assert occasion.rule
    return [
        {"candidate": replace(CANDIDATE, number=4)},
        {"champion": None},
        {"champion": replace(CHAMPION, facts={"model": "9" * 32})},
        {"rule": occasion.rule.model_copy(update={"level": 0.01})},
        {"test": "6" * 32},
    ]


def test_the_question_is_the_same_until_something_that_decides_changes(occasion: Occasion) -> None:
    def asked(given: Occasion) -> str:
        assert given.rule
        return decisions.question(given.candidate, given.champion, given.rule, given.test)

    assert asked(replace(occasion, who="someone else", when=datetime.now(UTC))) == asked(occasion)
    assert len({asked(occasion), *(asked(replace(occasion, **changes)) for changes in changes_of(occasion))}) == 6
