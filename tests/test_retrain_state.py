"""What is kept between the steps of a retraining, and between calls."""

from dataclasses import replace
from pathlib import Path

from pipeline import params_file, retrain_state
from pipeline.retrain_state import State, Wishes
from tests.conftest import edit_yaml
from tests.tracked_runs import write_lock

FACTS = {"version": 3, "promoted": True, "when": "20260131T235959Z", "why": "better"}


def test_a_state_comes_back_as_it_was(workspace: Path) -> None:
    write_lock(workspace, "a")
    assert State.load() is None
    state = State.new(Wishes(push=True))
    assert state.lock == (workspace / "dvc.lock").read_text()
    later = replace(state, phase="judge", snapshot={"data": "1"}, checks={"verdict": "ok"}, tuned="trial 3")
    later.save()
    assert State.load() == later
    retrain_state.forget()
    assert State.load() is None


def test_a_state_of_another_version_is_left_aside(workspace: Path) -> None:
    State.new(Wishes()).save()
    file = workspace / ".reprolens" / "retrain" / "state.json"
    for text in ("{", "[]", "null", '{"phase": "snapshot"}', '{"wishes": {"fly": true}}'):
        file.write_text(text)
        assert State.load() is None


def test_what_both_calls_asked_for_is_done(workspace: Path) -> None:
    left = State.new(Wishes(push=True))
    assert left.joined(Wishes(commit=True)).wishes == Wishes(push=True, commit=True)
    assert left.joined(Wishes()).wishes == Wishes(push=True)


def test_after_a_failed_training_the_source_is_looked_at_again(workspace: Path) -> None:
    state = replace(State.new(Wishes()), phase="train")
    assert (state.stumbled().phase, state.stumbled().failed) == ("snapshot", True)
    assert replace(state, phase="finish").stumbled().phase == "finish"


def test_what_was_settled_holds_for_lock_rule_and_server(workspace: Path) -> None:
    write_lock(workspace, "a")
    params = params_file.load(Path("params.yaml"))
    assert retrain_state.settled(params) is None
    retrain_state.settle(params, FACTS)
    assert retrain_state.settled(params) == FACTS
    write_lock(workspace, "b")
    assert retrain_state.settled(params) is None
    write_lock(workspace, "a")
    edit_yaml(Path("params.yaml"), promote__least_gain=0.01)
    assert retrain_state.settled(params_file.load(Path("params.yaml"))) is None
    edit_yaml(Path("params.yaml"), promote__least_gain=0.0, retrain__level=0.02)
    assert retrain_state.settled(params_file.load(Path("params.yaml"))) == FACTS


def test_only_the_newest_are_kept(workspace: Path) -> None:
    params = params_file.load(Path("params.yaml"))
    for number in range(retrain_state.KEPT + 1):
        (workspace / "dvc.lock").write_text(str(number))
        retrain_state.settle(params, FACTS | {"version": number})
    settled = [retrain_state.settled(params)]
    (workspace / "dvc.lock").write_text("0")
    assert [*settled, retrain_state.settled(params)] == [FACTS | {"version": retrain_state.KEPT}, None]
