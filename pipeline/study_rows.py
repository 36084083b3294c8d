"""The rows of a study's live table: which trials stand there, and what is said of each; pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.metrics import Metric
from pipeline.study_facts import (
    differing,
    ending,
    is_start,
    last_epoch,
    params_of,
    repeated_by,
    seconds_of,
    value_text,
    values_of,
    words,
)

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MOST = 15  # rows


@dataclass(frozen=True)
class Row:
    """One trial in the table; `parts` are its params, or why it failed."""

    trial: int
    state: str
    epoch: str
    parts: tuple[str, ...]
    values: tuple[str, ...]
    seconds: str
    is_best: bool


@dataclass(frozen=True)
class Moment:
    """What is known beside the trials: the last report of each, epoch and value, and the time."""

    reports: Mapping[int, tuple[int, float]]
    epochs: int
    now: datetime


def rows(
    trials: Sequence["FrozenTrial"],
    objectives: Sequence[Metric],
    best: Sequence["FrozenTrial"],
    moment: Moment | None = None,
    most: int = MOST,
) -> list[Row]:
    """The best, the running and the last trials, by number.

    Args:
        best: as from `best_of`; the others show only what differs from the first of them.
        moment: None: now, with nothing reported.
    """
    told = moment or Moment({}, 0, datetime.now())
    repeated = repeated_by(trials)
    return [_row(trial, objectives, best, told, repeated) for trial in shown(trials, best, most)]


def shown(trials: Sequence["FrozenTrial"], best: Sequence["FrozenTrial"], most: int) -> list["FrozenTrial"]:
    """Of many running ones and of a long front, the first; the rest is left to those that ended last."""
    running = [trial for trial in trials if trial.state.name == "RUNNING"]
    ended = [trial for trial in trials if trial.state.is_finished()]
    ended.sort(key=lambda trial: (trial.datetime_complete or datetime.min, trial.number), reverse=True)
    first = best[: max(1, most // 3)]
    chosen = {trial.number: trial for trial in [*first, *running[: max(1, most - len(first) - 1)], *ended]}
    return sorted(list(chosen.values())[:most], key=lambda trial: trial.number)


def _row(
    trial: "FrozenTrial",
    objectives: Sequence[Metric],
    best: Sequence["FrozenTrial"],
    moment: Moment,
    repeated: set[int],
) -> Row:
    epoch, value = moment.reports.get(trial.number, (0, math.nan))
    is_news = trial.state.name == "RUNNING" and epoch >= last_epoch(trial) and math.isfinite(value)
    epoch = max(epoch, last_epoch(trial))
    values = (value,) if is_news else values_of(trial)
    texts = [value_text(metric.name, number) for metric, number in zip(objectives, values)]
    seconds = seconds_of(trial, moment.now)
    state, parts = trial.state.name.lower(), _parts(trial, best)
    if state == "fail":
        how = ending(trial, repeated)
        state = how.split()[0].strip(":,")
        parts = (how.removeprefix(f"{state}: "),)
    return Row(
        trial.number,
        state,
        f"{epoch}/{moment.epochs}" if moment.epochs else str(epoch),
        parts,
        (*texts, *[""] * (len(objectives) - len(texts))),
        "" if seconds is None else f"{seconds:.1f}" if seconds < 100 else f"{seconds:,.0f}",
        any(other.number == trial.number for other in best),
    )


def _parts(trial: "FrozenTrial", best: Sequence["FrozenTrial"]) -> tuple[str, ...]:
    """The params that are not the best trial's, all of them for that one; the first begins with what the trial is."""
    params = params_of(trial)
    is_first = bool(best) and best[0].number == trial.number
    own = words(params if is_first or not best else differing(params, params_of(best[0])))
    in_front = any(other.number == trial.number for other in best)
    marks = [*(["start"] if is_start(trial) else []), *(["best" if len(best) == 1 else "front"] if in_front else [])]
    if not marks:
        return own
    return (f"{', '.join(marks)}: {own[0]}", *own[1:]) if own else (", ".join(marks),)
