"""What MLflow is to say of an Optuna study and its trials: names, params, tags, epochs, values; pure."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.journal import Event
from pipeline.tracking import HOST_TAG, PID_TAG, Point

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from pipeline.metrics import Metric

STUDY_TAG = "reprolens.study"
BEGAN_TAG = "reprolens.began"  # tells a study from an older one of its name that was thrown away
TRIAL_TAG = "reprolens.trial"
STATE_TAG = "reprolens.state"
REASON_TAG = "reprolens.reason"
EPOCHS_TAG = "reprolens.epochs"  # how many there are; set once MLflow has them all
PICTURES_TAG = "reprolens.pictures"  # a digest of those that were uploaded
PARENT_TAG = "mlflow.parentRunId"  # what MLflow's UI nests by
FIGURES = ("parameters", "fit_seconds")  # user attributes of a trial that are metrics too
LONGEST = 1000  # characters of a reason; MLflow refuses a tag over 8000
# Optuna's state -> MLflow's status, and our tag.
STATES = {
    "RUNNING": ("RUNNING", "running"),
    "COMPLETE": ("FINISHED", "complete"),
    "PRUNED": ("KILLED", "pruned"),
    "FAIL": ("FAILED", "failed"),
}
VANISHED = "killed: its process vanished"
DESCRIPTION = """\
**Optuna study `{name}`:** each run below this one is a training of it, judged on the validation split by {objectives}.
`reprolens.state` tells how it ended: a pruned one was stopped early. The winner becomes a change to `params.yaml`.

**Go on with it:** `git checkout {commit}`, then `reprolens tune --study {quoted}`.
"""
EXPERIMENT = """\
Studies of `reprolens tune`: one run each, with a run below it per trial. Unfold a study, select its trials and press
*Compare* to see which param did what. Trials are judged on the validation split; the table of evaluated runs is in the
experiment without `-tune`.
"""


@dataclass(frozen=True)
class TrialRun:
    """The run of a trial as it should be; `start` and `end` in milliseconds since 1970."""

    name: str
    params: dict[str, str]
    tags: dict[str, str]
    epochs: list[Event]
    values: dict[str, float]
    status: str
    start: int
    end: int | None


def trial_run(
    trial: "FrozenTrial",
    base: Mapping[str, Any],
    objectives: Sequence[str],
    rows: Sequence[Event] = (),
    vanished: bool = False,
) -> TrialRun:
    """The run of a trial that has begun.

    Args:
        base: the params that hold where the trial sets no other, by dotted name.
        rows: its epochs as they were reported, if the study does not have them yet.
        vanished: the trial says that it runs, but its process is gone.
    """
    attrs = trial.user_attrs
    status, state = STATES["FAIL" if vanished else trial.state.name]
    epochs = _epochs(trial, objectives[0], rows)
    tags = {
        TRIAL_TAG: str(trial.number),
        STATE_TAG: state,
        REASON_TAG: VANISHED if vanished else " ".join(str(attrs.get("reason", "")).split())[:LONGEST],
        EPOCHS_TAG: "" if status == "RUNNING" else str(len(epochs)),
        HOST_TAG: str(attrs.get("host", "")),
        PID_TAG: str(attrs.get("process", "")),
    }
    return TrialRun(
        name=f"trial {trial.number}" + (f", again point {attrs.get('point')}" if "retry_of" in attrs else ""),
        params={name: str(value) for name, value in {**base, **attrs.get("params", {})}.items()},
        tags={name: value for name, value in tags.items() if value},
        epochs=epochs,
        values={name: float(attrs[name]) for name in FIGURES if name in attrs}
        | dict(zip(objectives, trial.values or (), strict=False)),
        status=status,
        start=milliseconds(trial.datetime_start),
        end=milliseconds(trial.datetime_complete) if trial.datetime_complete else None,
    )


def _epochs(trial: "FrozenTrial", objective: str, rows: Sequence[Event]) -> list[Event]:
    """Its epochs as events of a journal; of those without a row the objective alone is known, and no time."""
    known = {int(row["epoch"]): row for row in trial.user_attrs.get("rows") or rows}
    start = milliseconds(trial.datetime_start)
    reported = {step: {"epoch": step, objective: value} for step, value in trial.intermediate_values.items()}
    return [_event(row, start) for _, row in sorted((reported | known).items())]


def _event(row: Event, start: int) -> Event:
    numbers = {name: value for name, value in row.items() if name not in ("seconds", "time")}
    return {"row": numbers, "seconds": row.get("seconds"), "time": int(row.get("time", start))}


def began(trials: Sequence["FrozenTrial"]) -> str:
    """When the first trial of a study began, in milliseconds since 1970; empty if none did."""
    return next((str(milliseconds(trial.datetime_start)) for trial in trials if trial.datetime_start), "")


def milliseconds(when: datetime | None) -> int:
    """Optuna's times, which are local, in milliseconds since 1970."""
    assert when is not None, "a trial that has not begun"
    return int(when.timestamp() * 1000)


def study_tags(name: str, objectives: Sequence[str], origin: Mapping[str, str]) -> dict[str, str]:
    """The tags of a study's run, with the way to go on with it; `origin` as from `context.provenance_tags`."""
    text = DESCRIPTION.format(
        name=name,
        objectives=" and ".join(f"`{objective}`" for objective in objectives),
        commit=origin.get("reprolens.commit", ""),
        quoted=shlex.quote(name),
    )
    return {**origin, **origin_tags(origin), "mlflow.note.content": text}


def origin_tags(origin: Mapping[str, str]) -> dict[str, str]:
    """What MLflow's UI shows of where a run comes from."""
    shown = {name: value for name, value in origin.items() if name.startswith("mlflow.")}
    return shown | {"mlflow.source.name": "reprolens tune"}


def experiment_tags(objectives: Sequence[str]) -> dict[str, str]:
    """The tags of the experiment that studies lie in."""
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": objectives[0],
        "mlflow.note.content": EXPERIMENT,
    }


def best_metric(objective: str) -> str:
    """The name of the best value so far."""
    return f"best/{objective}"


def history(trials: Sequence["FrozenTrial"], objectives: Sequence["Metric"]) -> list[Point]:
    """The best value so far of each objective, at step = complete and pruned trials so far."""
    points: list[Point] = []
    best: dict[str, float] = {}
    for step, trial in enumerate(_finished(trials, ("COMPLETE", "PRUNED")), start=1):
        if trial.state.name == "COMPLETE":
            for metric, value in zip(objectives, trial.values, strict=False):
                if metric.name not in best or metric.is_better(value, best[metric.name]):
                    best[metric.name] = value
        when = milliseconds(trial.datetime_complete)
        points += [(best_metric(name), value, when, step) for name, value in best.items()]
    return points


def counts(trials: Sequence["FrozenTrial"]) -> list[Point]:
    """How many trials ended in which way, at step = how many have ended."""
    ended = _finished(trials, ("COMPLETE", "PRUNED", "FAIL"))
    when = milliseconds(ended[-1].datetime_complete) if ended else 0
    return [
        (f"trials/{word}", float(sum(trial.state.name == state for trial in ended)), when, len(ended))
        for state, (_, word) in STATES.items()
        if ended and state != "RUNNING"
    ]


def _finished(trials: Sequence["FrozenTrial"], states: Sequence[str]) -> list["FrozenTrial"]:
    """Those that ended in one of `states`, in the order they ended in."""
    ended = [trial for trial in trials if trial.state.name in states and trial.datetime_complete]
    return sorted(ended, key=lambda trial: (milliseconds(trial.datetime_complete), trial.number))
