"""`reprolens retrain`: takes new data, checks it, trains on it, and puts the model before the gate; then stops.

The same for a person, cron, a CI schedule and Kubernetes. Killed anywhere, the champion is untouched, and the next
call finishes the work.
"""

import json
from dataclasses import replace

from pipeline import machine, params_file, paths, retrain_commit, retrain_source, retrain_state
from pipeline.dvc_program import Dvc
from pipeline.errors import UserError, one_line, os_errors
from pipeline.files import write_text
from pipeline.lifecycle.retrain_steps import STEPS, finished, nothing
from pipeline.lifecycle.tune import terminated_as_interrupted
from pipeline.lifecycle.use import check
from pipeline.progress import say
from pipeline.retrain_lock import Held, only_one
from pipeline.retrain_state import State, Wishes
from pipeline.retrain_summary import Summary, readable


def retrain(wishes: Wishes) -> Summary:
    """Does what there is to do; the summary is in `reports/retrain`, too.

    Raises:
        UserError: something failed; the next call goes on there.
        KeyboardInterrupt: Ctrl-C or SIGTERM; so does the next call.
    """
    try:
        with only_one(paths.private()) as lock, terminated_as_interrupted():
            return _alone(wishes, Dvc(lock.started))
    except Held as error:
        began = retrain_state.now()
        return Summary("locked", str(error), began, began, machine.host())


def _alone(wishes: Wishes, dvc: Dvc) -> Summary:
    state = State.new(wishes)
    try:
        check()
        _require_possible(wishes, dvc)
        state = _opened(state, dvc)
        done = _quickly(state, dvc) or _worked(state, dvc)
    except UserError as error:
        _keep(finished("failed", one_line(error), State.load() or state))
        raise
    _keep(done)
    retrain_state.forget()
    return done


def _require_possible(wishes: Wishes, dvc: Dvc) -> None:
    """Holds the wishes to what can be done, before any work."""
    if wishes.commit:
        retrain_commit.possible()
    if wishes.push and not dvc.has_remote():
        raise UserError("--push needs a DVC remote: `dvc remote add --default storage s3://bucket/folder`, then commit")


def _opened(new: State, dvc: Dvc) -> State:
    """The work of this call: what an earlier one left, or new."""
    left = State.load()
    if left is None:
        return new
    if left.phase == "judge" and left.failed and dvc.changed():
        return new  # what could not be judged then is overtaken by what has changed since
    say(f"retrain: a call of {readable(left.began)} did not get past its step {left.phase!r}: going on there")
    return replace(left.joined(new.wishes), resumed=True)


def _quickly(state: State, dvc: Dvc) -> Summary | None:
    """The answer where nothing has changed since it was given: without MLflow, TensorFlow or a run."""
    params = params_file.load(paths.PARAMS)
    if state.phase != "snapshot" or retrain_source.is_unwatched(params.dataset):
        return None
    known = retrain_state.settled(params)
    return nothing(state, params, known) if known and not dvc.changed() else None


def _worked(state: State, dvc: Dvc) -> Summary:
    """Step after step; what is known is kept in between."""
    while True:
        state.save()
        try:
            came = STEPS[state.phase](state, dvc)
        except UserError:
            state.stumbled().save()
            raise
        if isinstance(came, Summary):
            return came
        state = replace(came, failed=False)


def _keep(done: Summary) -> None:
    folder = paths.RETRAIN
    with os_errors("cannot write the summary", folder):
        write_text(folder / "summary.md", done.markdown())
        write_text(folder / "summary.json", json.dumps(done.as_dict(), indent=1) + "\n")
