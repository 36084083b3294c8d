"""What the trials of a study say, for its table and its pictures: values, the best, what differs, words; pure.

A trial's own params are in its user attribute `params`, its ordinal in `point`: 0 is the start, today's values.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import study
from pipeline.metrics import Metric
from pipeline.wording import compact, word_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

DIGITS = 3  # of a parameter: enough to tell trials apart
AGAIN = "queued again"


@dataclass(frozen=True)
class View:
    """The finished trials of a study, in order; `best` is one trial, or the Pareto front of two objectives."""

    objectives: list[Metric]
    complete: list["FrozenTrial"]
    pruned: list["FrozenTrial"]
    best: list["FrozenTrial"]
    start: "FrozenTrial | None"


def view_of(trials: Sequence["FrozenTrial"], objectives: Sequence[Metric]) -> View:
    """The trials whose values are finite numbers."""
    ordered = sorted(trials, key=lambda trial: trial.number)
    complete = complete_of(ordered)
    pruned = [trial for trial in ordered if trial.state.name == "PRUNED" and values_of(trial)]
    return View(list(objectives), complete, pruned, best_of(complete, objectives), start_of([*pruned, *complete]))


def objectives_of(opened: "Study") -> list[Metric]:
    """The names and directions of a study's objectives."""
    names = opened.user_attrs.get("objectives") or opened.metric_names or [f"value {n + 1}" for n in range(9)]
    return [Metric(str(name), way.name == "MAXIMIZE") for name, way in zip(names, opened.directions, strict=False)]


def complete_of(trials: Sequence["FrozenTrial"]) -> list["FrozenTrial"]:
    """Trials that ran to their end and have finite values."""
    return [trial for trial in trials if trial.state.name == "COMPLETE" and values_of(trial)]


def values_of(trial: "FrozenTrial") -> tuple[float, ...]:
    """The values of a finished trial, a pruned one's being its last reported; empty if one is no finite number."""
    values = trial.values or [value for _, value in sorted(trial.intermediate_values.items())[-1:]]
    return tuple(values) if all(map(math.isfinite, values)) else ()


def best_of(complete: Sequence["FrozenTrial"], objectives: Sequence[Metric]) -> list["FrozenTrial"]:
    """The best trial, of equals the first; of two objectives the Pareto front, the best in the first one first."""
    costs = {
        trial.number: [-value if metric.higher_is_better else value for metric, value in zip(objectives, values)]
        for trial in complete
        if (values := values_of(trial))
    }
    known = [trial for trial in complete if trial.number in costs]
    ordered = sorted(known, key=lambda trial: (costs[trial.number], _point(trial), trial.number))
    if len(objectives) == 1:
        return ordered[:1]
    front: list[FrozenTrial] = []
    for trial in ordered:  # none that comes later is better in the first objective
        if not any(_dominates(costs[other.number], costs[trial.number]) for other in front):
            front.append(trial)
    return front


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other)) and list(one) != list(other)


def start_of(trials: Sequence["FrozenTrial"]) -> "FrozenTrial | None":
    """The trial of today's values; of several tries the last."""
    return next((trial for trial in reversed(trials) if is_start(trial)), None)


def is_start(trial: "FrozenTrial") -> bool:
    """Whether a trial has today's values."""
    return _point(trial) == 0


def _point(trial: "FrozenTrial") -> int:
    return int(trial.user_attrs.get("point", trial.number))


def params_of(trial: "FrozenTrial") -> dict[str, Any]:
    """The params that a trial sets, by dotted name; before they are known, what Optuna drew."""
    return dict(trial.user_attrs.get("params") or trial.params)


def words(params: Mapping[str, Any]) -> tuple[str, ...]:
    """As in `dropout 0.2`, `filters 16-32`."""
    return tuple(f"{_word(key)} {compact(key, rounded(value, DIGITS))}".strip() for key, value in params.items())


def _word(key: str) -> str:
    parts = key.split(".")
    return word_of(key) if len(parts) < 3 else " ".join(parts[1:])


def rounded(value: Any, digits: int) -> Any:
    """Broken numbers to so many significant digits, those in lists too."""
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def differing(params: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """The params whose values are not the reference's."""
    return {key: value for key, value in params.items() if key not in reference or reference[key] != value}


def value_text(name: str, value: float) -> str:
    """As in `0.9712`, and `53,290` parameters."""
    if name == "parameters":
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.4g}"


def ending(trial: "FrozenTrial", repeated: set[int]) -> str:
    """How a trial ended, as in `complete`, `pruned after epoch 2`, `killed by signal 9, queued again`.

    Args:
        repeated: numbers of trials that others repeat.
    """
    state = trial.state.name
    if state == "PRUNED":
        last = last_epoch(trial)
        return f"pruned after epoch {last}" if last else "pruned"
    if state != "FAIL":
        return state.lower()
    reason = " ".join(str(trial.user_attrs.get("reason", "killed: its host went away")).split())
    if not reason.startswith((study.KILLED, study.INTERRUPTED)):
        return f"failed: {reason}"
    return f"{reason}, {AGAIN}" if _comes_again(trial, repeated) and AGAIN not in reason else reason


def _comes_again(trial: "FrozenTrial", repeated: set[int]) -> bool:
    kills = trial.user_attrs.get("kills", 0) + (not study.was_interrupted(trial))
    return trial.number in repeated or (study.is_lost(trial) and kills < study.LIVES)


def repeated_by(trials: Sequence["FrozenTrial"]) -> set[int]:
    """Numbers of trials that were queued again."""
    return {trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs}


def last_epoch(trial: "FrozenTrial") -> int:
    """Epochs that a trial has reported; 0 if none are known."""
    epochs = [*trial.intermediate_values, *(row["epoch"] for row in trial.user_attrs.get("rows", []))]
    return max(epochs, default=0)


def seconds_of(trial: "FrozenTrial", now: datetime) -> float | None:
    """Seconds from a trial's start to its end, or to now; None if it has not begun."""
    if trial.datetime_start is None:
        return None
    return max(0.0, ((trial.datetime_complete or now) - trial.datetime_start).total_seconds())
