"""`reprolens promote`, `rollback` and `history` on real runs, models and a real registry."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline import classifier, decision, params_file, paths, registry, runs, succession, tracking_server
from pipeline.cli import cli
from pipeline.errors import UserError
from pipeline.lifecycle.case import Case, require_unchanged
from pipeline.lifecycle.promote import Outcome, promote
from pipeline.lifecycle.promote_command import KEPT
from pipeline.lifecycle.rollback import rollback
from pipeline.params import Params
from tests.conftest import edit_yaml
from tests.promoting import FAIR, MODEL, PERFECT, add_run, aliases, open_checkout, save_model, split_again
from tests.test_registry import Cut, CutClient
from tests.tracked_runs import make_run, params_of

FAIR_RUN, PERFECT_RUN, OTHER_RUN = "a" * 20, "b" * 20, "c" * 20
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Params]:
    """A checkout that is the current folder, with a run for each model; the workspace is that of the perfect one."""
    folder = tmp_path_factory.mktemp("checkout")
    with open_checkout(folder) as params:
        add_run(params, FAIR_RUN, save_model(folder / "fair.keras", FAIR))
        add_run(params, PERFECT_RUN, save_model(folder / "perfect.keras", PERFECT))
        add_run(params, OTHER_RUN, save_model(folder / "other.keras", PERFECT, labels=["dark", "grey"]))
        paths.RUN_KEY.parent.mkdir()
        paths.RUN_KEY.write_text(f"{PERFECT_RUN}\n")
        yield params


@pytest.fixture
def client(here: Params) -> Any:
    """A client of its tracking server, where nothing is registered."""
    client = tracking_server.connect()
    if client.search_registered_models():
        client.delete_registered_model(MODEL)
    return client


def kinds(client: Any) -> list[str]:
    return [record["kind"] for record in registry.decisions(client, MODEL)]


def reprolens(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_the_first_candidate_becomes_champion_and_is_recorded(client: Any, here: Params) -> None:
    outcome = promote(client, here)
    assert (outcome.promoted, outcome.version.number, aliases(client)) == (True, 1, {"champion": 1})
    assert outcome.version.tags[runs.KEY_TAG] == PERFECT_RUN
    assert classifier.find(f"models:/{MODEL}@champion").labels == ["dark", "grey", "light"]
    stamp = decision.stamp(outcome.record)
    kept = Path(client.download_artifacts(outcome.version.run_id, f"decisions/{stamp}-v1.json"))
    assert json.loads(kept.read_text()) == outcome.record
    page = Path(client.download_artifacts(outcome.version.run_id, f"decisions/{stamp}-v1.md"))
    assert "version 1 was promoted to champion" in page.read_text()
    tag = registry.version_of(client, MODEL, "champion").tags[f"reprolens.decision.{stamp}"]
    assert registry.decisions(client, MODEL) == [json.loads(tag)]


def test_a_better_one_takes_its_place_and_a_worse_one_does_not(client: Any, here: Params) -> None:
    promote(client, here, FAIR_RUN)
    better = promote(client, here, PERFECT_RUN)
    assert better.promoted and aliases(client) == {"champion": 2, "previous": 1}
    assert better.record["decision"]["numbers"]["only_champion"] == 0 < len(better.record["decision"]["differing"])
    worse = promote(client, here, FAIR_RUN)
    assert not worse.promoted and aliases(client) == {"champion": 2, "previous": 1, "challenger": 1}
    assert worse.text.startswith("version 1 was not promoted, version 2 stays the champion: accuracy 0.7")
    assert kinds(client) == ["promote", "promote", "keep"]


def test_the_same_question_is_answered_from_the_record(client: Any, here: Params) -> None:
    asked = [promote(client, here, run) for run in (FAIR_RUN, FAIR_RUN, PERFECT_RUN, FAIR_RUN, FAIR_RUN, PERFECT_RUN)]
    assert [outcome.promoted for outcome in asked] == [True, True, True, False, False, True]
    assert kinds(client) == ["promote", "promote", "keep"]
    times = [outcome.record["when"] for outcome in asked]
    assert times[0] == times[1] < times[2] == times[5] < times[3] == times[4]


def test_another_rule_or_other_test_images_are_another_question(client: Any, here: Params) -> None:
    promote(client, here, PERFECT_RUN)
    promote(client, here, FAIR_RUN)
    laxer = here.model_copy(update={"promote": here.promote.model_copy(update={"calibration": 1.0})})
    assert not promote(client, laxer, FAIR_RUN).promoted
    edit_yaml(paths.PARAMS, split__seed=1)
    split_again("b")
    reseeded = params_file.load(paths.PARAMS)
    left_out = promote(client, reseeded, FAIR_RUN).record["decision"]["numbers"]["left_out"]
    edit_yaml(paths.PARAMS, split__seed=0)
    split_again("a")
    assert left_out["both"] > 0 and kinds(client) == ["promote", "keep", "keep", "keep"]


def test_force_passes_the_gate_over_and_says_why(client: Any, here: Params) -> None:
    promote(client, here, PERFECT_RUN)
    forced = promote(client, here, FAIR_RUN, force=True, reason="smaller")
    assert forced.promoted and aliases(client) == {"champion": 2, "previous": 1}
    assert (forced.record["kind"], forced.record["reason"]) == ("force", "smaller")
    assert not forced.record["decision"]["promoted"]


def test_a_champion_of_other_classes_is_replaced_by_force_alone(client: Any, here: Params) -> None:
    promote(client, here, OTHER_RUN, force=True, reason="to begin with")
    with pytest.raises(UserError, match=r"^version 1 \(.*\) and the data of the workspace have different classes"):
        promote(client, here, PERFECT_RUN)
    assert aliases(client) == {"champion": 1, "challenger": 2}
    forced = promote(client, here, PERFECT_RUN, force=True, reason="a new class")
    assert forced.promoted and "different classes ('light')" in forced.record["refused"]
    assert "the gate decided nothing: version 1" in forced.text and aliases(client) == {"champion": 2, "previous": 1}


def test_what_was_rolled_back_returns_by_force_alone(client: Any, here: Params) -> None:
    for run in (FAIR_RUN, PERFECT_RUN):
        promote(client, here, run)
    back = rollback(client, here, "cats are called dogs")
    assert back.text == "version 1 is the champion again, in place of version 2: cats are called dogs"
    assert (back.version.number, aliases(client)) == (1, {"champion": 1})
    again = promote(client, here, PERFECT_RUN)
    assert not again.promoted and again.text.startswith("version 2 served before and was taken back: it returns by")
    assert promote(client, here, PERFECT_RUN, force=True, reason="mended").promoted
    assert kinds(client) == ["promote", "promote", "rollback", "force"]


def test_what_was_undone_by_hand_returns_by_force_alone(client: Any, here: Params) -> None:
    for run in (FAIR_RUN, PERFECT_RUN):
        promote(client, here, run)
    client.set_registered_model_alias(MODEL, "champion", "1")
    assert not promote(client, here, PERFECT_RUN).promoted and aliases(client) == {"champion": 1}


def test_a_champion_made_by_hand_does_not_gain_on_itself(client: Any, here: Params) -> None:
    version = registry.add(client, MODEL, runs.one_run(client, PERFECT_RUN))
    client.set_registered_model_alias(MODEL, "champion", str(version.number))
    assert [promote(client, here, PERFECT_RUN).promoted for _ in range(2)] == [False, False]
    assert kinds(client) == ["keep"] and aliases(client) == {"champion": 1}


def test_a_champion_that_changed_meanwhile_is_not_overwritten(client: Any, here: Params) -> None:
    judged_against = promote(client, here, FAIR_RUN).version
    promote(client, here, PERFECT_RUN)
    case = Case(registry.version_of(client, MODEL, 1), judged_against, "", [], "")
    with pytest.raises(UserError, match="the champion became version 2 while version 1 was judged: run this again"):
        require_unchanged(client, case)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"force": True}, "--force needs a reason that stays on record: add --reason TEXT"),
        ({"force": True, "reason": " "}, "--force needs a reason"),
        ({"reason": "so"}, "--reason tells why the gate is passed over: add --force"),
        ({"wanted": "no such run"}, "no run 'no such run'"),
        ({"wanted": "killed"}, r"run \w+ \(killed\) was never evaluated: run `dvc repro` for it"),
        ({"wanted": "d" * 20}, "is of the data set digits, params.yaml names pictures: give a run of pictures"),
        ({"wanted": "e" * 20}, "has no model: it was not trained to its end"),
    ],
)
def test_a_bad_request_is_one_line_and_changes_nothing(
    client: Any, here: Params, arguments: dict[str, Any], line: str
) -> None:
    if not runs.matching(client, "killed"):
        client.create_run(client.get_experiment_by_name(MODEL).experiment_id, run_name="killed")
        make_run(params_of(), "d" * 20, accuracy=0.9, num_epochs=1)
        make_run(here, "e" * 20, accuracy=0.9, num_epochs=1)
    with pytest.raises(UserError, match=line):
        promote(client, here, **arguments)
    assert registry.versions(client, MODEL) == []


def test_a_rule_that_cannot_be_met_is_one_line(client: Any, here: Params) -> None:
    strict = here.model_copy(update={"promote": here.promote.model_copy(update={"least_images": 100_000})})
    with pytest.raises(UserError, match="100,000"):
        promote(client, strict)
    assert aliases(client) == {"challenger": 1} and kinds(client) == []


def test_a_rollback_without_a_version_before_is_one_line(client: Any, here: Params) -> None:
    with pytest.raises(UserError, match="model pictures has no champion yet"):
        rollback(client, here)
    promote(client, here)
    with pytest.raises(UserError, match="version 1 of pictures has no version before it to go back to"):
        rollback(client, here)


@pytest.mark.parametrize("command", ["promote", "rollback", "history"])
def test_a_registry_that_is_away_is_one_line(here: Params, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    error = reprolens(command).exception
    assert isinstance(error, UserError) and "\n" not in str(error)
    assert str(error).startswith(f"the registry, MLflow at {NOWHERE}, is away")


def test_the_commands_say_what_they_did(client: Any, here: Params, tmp_path: Path) -> None:
    assert reprolens("history").output == "no decision on model pictures yet: `reprolens promote` makes the first\n"
    assert [reprolens("promote", run).exit_code for run in (FAIR_RUN, PERFECT_RUN, FAIR_RUN)] == [0, 0, KEPT]
    assert reprolens("rollback", "--reason", "slow").output.endswith("in place of version 2: slow\n")
    lines = reprolens("history", "--out", str(tmp_path / "all.json")).output.splitlines()
    assert [line[22:].split(":")[0] for line in lines[:4]] == [
        "version 1 was promoted to champion, as the first one",
        "version 2 was promoted to champion, in place of version 1",
        "version 1 was not promoted, version 2 stays the champion",
        "version 1 is the champion again, in place of version 2",
    ]
    assert (
        lines[2].endswith("more than 0 needed")
        and lines[4].startswith("champion: version 1 (")
        and lines[5:] == [f"history {tmp_path / 'all.json'}"]
    )
    assert json.loads((tmp_path / "all.json").read_text()) == registry.decisions(client, MODEL)


def run_cut(call: Any, client: Any, left: int) -> Outcome | None:
    """The outcome of a call that dies before its change number `left`; None if it died."""
    try:
        outcome: Outcome = call(CutClient(client, left))
    except Cut:
        return None
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "call", "after"),
    [
        ([FAIR_RUN], partial(promote, wanted=PERFECT_RUN), {"champion": 2, "previous": 1}),
        ([FAIR_RUN, PERFECT_RUN], rollback, {"champion": 1}),
    ],
)
def test_a_call_cut_off_anywhere_leaves_a_champion_that_loads_and_is_finished_by_the_next(
    client: Any, here: Params, before: list[str], call: Any, after: dict[str, int]
) -> None:
    done, changes = None, 0
    while done is None:
        for run in before:
            promote(client, here, run)
        done = run_cut(lambda cut: call(cut, here), client, changes)
        assert classifier.find(f"models:/{MODEL}@champion").labels == ["dark", "grey", "light"]
        assert done or call(client, here).promoted
        assert aliases(client) == after, f"cut before change {changes}"
        assert len(kinds(client)) == len(before) + 1
        client.delete_registered_model(MODEL)
        changes += 1
    assert changes > 5


def test_a_tag_of_a_decision_is_enough_to_tell_it(client: Any, here: Params) -> None:
    outcome = promote(client, here, FAIR_RUN)
    told = promote(client, here, FAIR_RUN)
    assert told == replace(outcome, record=told.record, version=told.version)
    assert told.version.aliases == ("champion",) and succession.served(told.version) == decision.stamp(told.record)
