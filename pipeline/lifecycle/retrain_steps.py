"""The four steps of `reprolens retrain`. Each may be cut off anywhere, and is then done again from its beginning.

snapshot: fetch, divide, check the data. train: tune if asked, train, evaluate. judge: the gate. finish: push, commit.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline import (
    at_mlflow,
    decision,
    experiments,
    keras_setup,
    machine,
    params_file,
    paths,
    registry,
    retrain_commit,
    retrain_source,
    retrain_state,
    study_plan,
)
from pipeline.dvc_program import Dvc
from pipeline.lifecycle import tune
from pipeline.lifecycle.data_guard import Guarded, guard
from pipeline.lifecycle.promote import promote
from pipeline.lifecycle.track import track
from pipeline.params import Params
from pipeline.progress import say
from pipeline.retrain_state import Phase, State
from pipeline.retrain_summary import Answer, Summary, readable
from pipeline.study_storage import open_storage
from pipeline.trainer import Trainer

Step = Callable[[State, Dvc], State | Summary]


def snapshot(state: State, dvc: Dvc) -> State | Summary:
    """Pins what is at the source, and looks at it before anything is trained."""
    params = params_file.load(paths.PARAMS)
    again = state.resumed or retrain_source.is_unwatched(params.dataset)
    retrain_source.take(params.dataset, dvc, again)
    pinned = retrain_source.hashes()
    state = replace(state, snapshot=pinned, tuned=state.tuned if pinned == state.snapshot else "")
    if not dvc.changed():
        if known := retrain_state.settled(params):
            return nothing(state, params, known)
        if at_mlflow.is_judged(registry.connect(), params):
            return replace(state, phase="judge", resumed=False)
    found = _guarded(params)
    say(found.text)
    state = replace(state, checks=found.as_dict())
    if found.verdict == "stop":
        retrain_source.put_back(state.lock, dvc)
        return finished("refused", _reasons(found), state, registry.model_name(params))
    return replace(state, phase="train", resumed=False)


def train(state: State, dvc: Dvc) -> State | Summary:
    """Trains and evaluates on the snapshot, whatever is added to the source meanwhile."""
    if retrain_source.hashes() != state.snapshot:
        say("retrain: the data in the workspace is not the one that was checked: beginning anew")
        return replace(state, phase="snapshot")
    if state.wishes.tune and not state.tuned:
        return replace(state, tuned=_tuned(params_file.load(paths.PARAMS)))
    dvc.require("the training or its evaluation failed", "repro", "--single-item", "train", "evaluate")
    return replace(state, phase="judge")


def judge(state: State, dvc: Dvc) -> State | Summary:
    """Puts the candidate before the gate, which writes the record; what it said before, it says again."""
    client, params = registry.connect(), params_file.load(paths.PARAMS)
    if not at_mlflow.is_whole(client):
        track()
    outcome = promote(client, params)
    say(outcome.text)
    decided = {
        "version": outcome.version.number,
        "promoted": outcome.promoted,
        "when": decision.stamp(outcome.record),
        "why": outcome.text.splitlines()[0],
        "record": outcome.record,
    }
    return replace(state, phase="finish", decided=decided)


def finish(state: State, dvc: Dvc) -> State | Summary:
    """Pushes and commits where asked, and notes that all is done."""
    params, decided = params_file.load(paths.PARAMS), state.decided
    commit = ""
    if state.wishes.push:
        dvc.require("data and model could not be pushed", "push")
    if state.wishes.commit:
        commit = retrain_commit.commit(f"Retrained: {decided['why']}", experiments.identity())
    brief = {name: decided[name] for name in ("version", "promoted", "when", "why")}
    retrain_state.settle(params, brief)
    if decided["when"] < state.began or _serves_already(decided["record"]):
        return nothing(state, params, brief)
    answer: Answer = "promoted" if decided["promoted"] else "kept"
    done = finished(answer, decided["why"], state, registry.model_name(params))
    return replace(done, pushed=state.wishes.push, commit=commit)


STEPS: dict[Phase, Step] = {"snapshot": snapshot, "train": train, "judge": judge, "finish": finish}


def nothing(state: State, params: Params, decided: dict[str, Any]) -> Summary:
    """Nothing is new since a decision."""
    why = f"no change since {readable(decided['when'])}: {decided['why']}"
    return finished("nothing", why, replace(state, decided=decided), registry.model_name(params))


def finished(answer: Answer, why: str, state: State, name: str = "") -> Summary:
    """The summary of a call that has come to an end."""
    return Summary(
        answer,
        " ".join(why.split()),
        state.began,
        retrain_state.now(),
        machine.host(),
        name,
        snapshot=state.snapshot,
        checks=state.checks,
        tuned=state.tuned,
        decided=state.decided,
    )


def _guarded(params: Params) -> Guarded:
    client = registry.connect()
    with registry.answering():
        champion = registry.champion(client, registry.model_name(params))
    if champion:
        # TensorFlow takes its threads once in a process, and the gate will want these.
        keras_setup.deterministic(params.evaluate.seed, params.train.threads)
    return guard(client, params.retrain, champion)


def _serves_already(record: decision.Record) -> bool:
    """Whether the champion itself was put before the gate, as where only the rule has changed."""
    champion = record["champion"]
    return champion is not None and champion["number"] == record["candidate"]["number"]


def _reasons(found: Guarded) -> str:
    return "; ".join(f"{result.name}: {result.text}" for result in found.results if result.answer == "stop")


def _tuned(params: Params) -> str:
    """A study of this snapshot: its name is made of data, code and space. Its winner is written into params.yaml.

    `tune.tune` would bring `split` up to date first, and so take in what was added meanwhile.
    """
    storage = open_storage(os.environ.get("REPROLENS_TUNE_STORAGE"))
    text = tune.run(study_plan.Plan(params, study_plan.Wishes(apply=True), storage), Trainer())
    say(text)
    return text
