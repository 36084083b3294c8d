"""The page of an experiment: which params it compares, and what it writes."""

import json
from typing import Any

from pipeline import experiment_page, wording

RUNS = [
    {"model.dropout": "0.0", "train.epochs": "5", "train.seed": "0"},
    {"model.dropout": "0.3", "train.epochs": "5", "train.seed": "1"},
]


def state_of(runs: list[dict[str, str]]) -> dict[str, Any]:
    tags = experiment_page.tags("7", runs, 1000)
    state: dict[str, Any] = json.loads(json.loads(tags[experiment_page.VIEW_TAG])["state"])
    return state


def test_params_that_differ_come_in_the_order_of_importance() -> None:
    assert experiment_page.differing(reversed(RUNS)) == ["model.dropout", "train.seed"]
    assert experiment_page.differing(RUNS[:1]) == []


def test_a_param_that_only_newer_runs_have_does_not_differ() -> None:
    assert experiment_page.differing([{"a.new": "1", "a.old": "1"}, {"a.old": "2"}]) == ["a.old"]


def test_the_parallel_coordinates_have_the_params_that_differ() -> None:
    (chart,) = [chart for chart in state_of(RUNS)["compareRunCharts"] if chart["type"] == "PARALLEL"]
    assert chart["selectedParams"] == ["model.dropout", "train.seed"]
    many = [dict.fromkeys(wording.WORDS, value) for value in ("1", "2")]
    (chart,) = [chart for chart in state_of(many)["compareRunCharts"] if chart["type"] == "PARALLEL"]
    assert len(chart["selectedParams"]) == experiment_page.MAX_AXES


def test_one_run_has_no_parallel_coordinates() -> None:
    assert "PARALLEL" not in {chart["type"] for chart in state_of(RUNS[:1])["compareRunCharts"]}


def test_every_chart_lies_in_a_section_and_none_is_empty() -> None:
    for state in (state_of(RUNS), state_of(RUNS[:1])):
        sections = {section["uuid"] for section in state["compareRunSections"]}
        assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections


def test_the_same_runs_give_the_same_tags_that_fit() -> None:
    tags = experiment_page.tags("7", RUNS, 1000)
    assert tags == experiment_page.tags("7", list(reversed(RUNS)), 1000)
    assert max(map(len, tags.values())) < 5000  # MLflow's limit for a tag of an experiment


def test_addresses_lead_to_the_view() -> None:
    assert experiment_page.view_address("http://127.0.0.1:5000/", "7").startswith(
        "http://127.0.0.1:5000/#/experiments/7/runs?viewStateShareKey=reprolens&"
    )
    assert "(#/experiments/7/runs?" in experiment_page.tags("7", RUNS, 1000)["mlflow.note.content"]


def test_the_interval_is_one_short_tag() -> None:
    metrics = {"test_interval/accuracy_low": 0.98828125, "test_interval/accuracy_high": 1.0}
    assert experiment_page.interval_tag(metrics) == {"interval": "0.988 to 1.000"}
    assert experiment_page.interval_tag({"test/accuracy": 1.0}) == {}
