"""The summary of a retraining: exit codes, one line, a page, JSON."""

import json
from typing import Any

import pytest

from pipeline.retrain_summary import CODES, Answer, Summary

CHECKS: dict[str, Any] = {
    "verdict": "stop",
    "new_images": 1200,
    "results": [
        {"name": "labels", "answer": "stop", "size": 0.283719, "limit": 0.1, "p": 1e-30, "text": "28% | of\nthe new"},
        {"name": "vanished", "answer": "ok", "size": None, "limit": 0.1, "p": None, "text": "none"},
    ],
}
FINDINGS = [
    {"name": "gain", "passed": True, "value": 0.02, "limit": 0.0, "text": "gains"},
    {"name": "class_floor", "passed": False, "value": 0.2, "limit": 0.05, "text": "cats lost"},
]


def summary(answer: Answer, **more: Any) -> Summary:
    return Summary(answer, "a reason", "20260131T235959Z", "20260201T000401Z", "host-1", "pets", **more)


@pytest.mark.parametrize(
    ("answer", "code"),
    [("nothing", 0), ("failed", 1), ("promoted", 10), ("kept", 11), ("locked", 12), ("refused", 13)],
)
def test_each_answer_has_its_exit_code(answer: Answer, code: int) -> None:
    assert summary(answer).code == code
    assert json.loads(json.dumps(summary(answer).as_dict()))["exit_code"] == code


def test_codes_are_all_different_and_none_is_clicks() -> None:
    assert len(set(CODES.values()) - {2}) == len(CODES)


def test_a_refusal_names_the_check_in_a_table() -> None:
    page = summary("refused", checks=CHECKS, snapshot={"data/split/train": "1f.dir"}).markdown()
    assert page.startswith("# Retraining of pets: data refused\n\na reason\n")
    assert "| labels | stop | 0.284 | 0.1 | 1e-30 | 28% \\| of the new |" in page
    assert "| vanished | ok |  | 0.1 |  | none |" in page
    assert "1,200 images for training and validation are new" in page
    assert "| train | `1f.dir` |" in page


def test_a_decision_shows_what_was_not_met() -> None:
    record = {"decision": {"findings": FINDINGS}}
    page = summary("kept", decided={"record": record}, pushed=True, commit="ab" * 20).markdown()
    assert "| **not met** | class_floor | 0.2 | 0.05 | cats lost |" in page and "| met | gain |" in page
    assert page.endswith("- data and model are in the DVC remote\n- committed as `ababababab`\n")


def test_nothing_to_show_is_no_empty_heading() -> None:
    page = summary("nothing", decided={"record": {"decision": None}}).markdown()
    assert [line for line in page.splitlines() if line.startswith("#")] == ["# Retraining of pets: nothing to do"]
    assert "2026-01-31 23:59:59 UTC to 2026-02-01 00:04:01 UTC on host-1, exit code 0" in page
