"""A study in Optuna's storage: what it is of, which of its trials count, and those that are to be run again.

What is in a trial's user attributes, beside what Optuna keeps: `point` (0 is the start, today's params), `params`
(dotted names), `rows` (one per epoch), `parameters`, `fit_seconds`, `host` and `process` of the parent that runs it,
`reason` of a failure; of a trial that repeats another one, `retry_of` and `kills`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import machine, params_file, run_key, wording
from pipeline.errors import UserError
from pipeline.files import tree_digest
from pipeline.params import Params
from pipeline.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

KILLED, INTERRUPTED = "killed", "interrupted"
LIVES = 2  # how often a point that is killed is begun
GONE = f"{KILLED}: the process that ran it is gone"
SILENT = f"{KILLED}: nothing was heard from its host for minutes"


def identity(params: Params) -> dict[str, str]:
    """What makes the trials of a study comparable, part by part: space, objective, other params, data, code."""
    tuned = set(params.tune.space)
    flat = params_file.flatten(run_key.train_params(params))
    rest = {f"param {key}": json.dumps(value) for key, value in flat.items() if key not in tuned}
    blocks = [1 if isinstance(block, int) else len(block) for block in params.model.filters]
    layout = json.dumps(blocks) if max(blocks, default=1) > 1 else "one each"
    space = params.tune.model_dump(mode="json")["space"]
    return {
        "objective": json.dumps(params.tune.objectives),
        **{f"space of {key}": json.dumps(value, sort_keys=True) for key, value in space.items()},
        **rest,
        "number of convolutions per block": layout,
        **{f"file {dep.as_posix()}": tree_digest(dep)[:16] for dep in run_key.train_deps()},
    }


def default_name(experiment: str, parts: Mapping[str, str]) -> str:
    """A name that another space, other data or other code does not share, as in `mnist-1f2e3d4c`."""
    return f"{experiment}-{wording.short_digest(dict(parts))}"


def begin(study: "Study", parts: dict[str, str], facts: Mapping[str, Any], space: Space) -> None:
    """Makes a new study what it is, with the start as its first trial; holds an old one to that.

    Call it under the study's lock.

    Raises:
        UserError: the study is of something else.
    """
    have = study.user_attrs.get("identity")
    if have is None:
        for name, value in facts.items():
            study.set_user_attr(name, value)
        study.set_user_attr("identity", parts)  # the last one: a study without it was cut off here
    elif have != parts:
        raise UserError(_other(study.study_name, have, parts))
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(space.start, user_attrs={"point": 0, "kills": 0, "params": space.today()})


def _other(name: str, have: Mapping[str, str], parts: Mapping[str, str]) -> str:
    differs = [part for part in [*parts, *have] if have.get(part) != parts.get(part)]
    shown = ", ".join(dict.fromkeys(differs[:3])) + (", ..." if len(set(differs)) > 3 else "")
    return f"study {name!r} was begun with other settings ({shown}): take another --study, or set them back"


def sweep(study: "Study") -> None:
    """Fails trials that say "running" but whose process on this machine is gone, or whose host fell silent.

    Call it under the study's lock, which spans a trial's creation: one without its process was cut off there.
    """
    from optuna.trial import TrialState

    silent = set(_silent(study))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        facts = trial.user_attrs
        here = facts.get("host", machine.host()) == machine.host()
        if here and not machine.process_lives(facts.get("process", "")):
            fail(study, trial, GONE)
        elif trial._trial_id in silent:
            fail(study, trial, SILENT)


def _silent(study: "Study") -> list[int]:
    """Trials that run and whose heart stopped; those of other hosts, where the storage keeps heartbeats."""
    from optuna.storages._heartbeat import BaseHeartbeat, is_heartbeat_enabled

    storage = study._storage
    if isinstance(storage, BaseHeartbeat) and is_heartbeat_enabled(storage):
        return storage._get_stale_trial_ids(study._study_id)
    return []


def fail(study: "Study", trial: "FrozenTrial", reason: str) -> None:
    """Ends a trial as failed; one that another process has ended meanwhile stays as it is."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    try:
        study._storage.set_trial_user_attr(trial._trial_id, "reason", reason)
        study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        pass


def requeue(study: "Study") -> None:
    """Queues trials again that were killed, once, or interrupted. Call it under the study's lock.

    It goes by what is there alone, so a cut-off between a trial's end and this call loses nothing.
    """
    trials = study.get_trials(deepcopy=False)
    repeated = {trial.user_attrs.get("retry_of") for trial in trials}
    for trial in trials:
        kills = trial.user_attrs.get("kills", 0) + (not was_interrupted(trial))
        if is_lost(trial) and trial.number not in repeated and kills < LIVES:
            facts = {name: trial.user_attrs[name] for name in ("point", "params")}
            # The start may lie outside of the space in parts: what it was queued with counts.
            values = trial.system_attrs.get("fixed_params", trial.params)
            study.enqueue_trial(values, user_attrs={**facts, "retry_of": trial.number, "kills": kills})


def is_lost(trial: "FrozenTrial") -> bool:
    """Whether a trial ended by no fault of its point."""
    from optuna.trial import TrialState

    facts = trial.user_attrs
    if trial.state != TrialState.FAIL or "params" not in facts or "point" not in facts:
        return False
    return "reason" not in facts or facts["reason"].startswith((KILLED, INTERRUPTED))


def was_interrupted(trial: "FrozenTrial") -> bool:
    """By Ctrl-C or the end of the time; that is no kill."""
    return str(trial.user_attrs.get("reason", "")).startswith(INTERRUPTED)


def num_finished(trials: Sequence["FrozenTrial"]) -> int:
    """Complete and pruned ones: those that count."""
    from optuna.trial import TrialState

    return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)


def complete(study: "Study") -> list["FrozenTrial"]:
    """Trials that ran to their end."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
