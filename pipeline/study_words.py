"""A running study in lines: where it stands, how a trial ended, how long it may take yet; pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline import study
from pipeline.facts import duration
from pipeline.metrics import Metric
from pipeline.study_facts import (
    best_of,
    complete_of,
    ending,
    params_of,
    repeated_by,
    seconds_of,
    start_of,
    value_text,
    values_of,
    words,
)

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def count_of(trials: int) -> str:
    """As in `1 trial`, `2 trials`."""
    return f"{trials} trial{'' if trials == 1 else 's'}"


def heading(trials: Sequence["FrozenTrial"], num_trials: int) -> str:
    """As in `tune: 12 of 40 done (9 complete, 3 pruned), 2 running, 1 failed`."""
    states = Counter(trial.state.name for trial in trials)
    lost = sum(study.is_lost(trial) for trial in trials)
    counts = {
        "running": states["RUNNING"],
        "queued": states["WAITING"],
        "failed": states["FAIL"] - lost,
        "broken off": lost,
    }
    others = "".join(f", {count} {word}" for word, count in counts.items() if count)
    done = f"{states['COMPLETE']} complete, {states['PRUNED']} pruned"
    return f"tune: {study.num_finished(trials)} of {num_trials} done ({done}){others}"


def standing(trials: Sequence["FrozenTrial"], objectives: Sequence[Metric]) -> str:
    """The best so far against the start, or the size of the Pareto front."""
    best, start = best_of(complete_of(trials), objectives), start_of(complete_of(trials))
    if not best:
        return "none complete yet"
    if len(objectives) > 1:
        return f"{count_of(len(best))} on the Pareto front"
    [metric] = objectives
    value = value_text(metric.name, best[0].values[0])
    against = f", start {value_text(metric.name, values_of(start)[0])}" if start else ""
    return f"best {metric.name} {value} (trial {best[0].number}{against})"


def time_left(
    trials: Sequence["FrozenTrial"], num_trials: int, workers: int, now: datetime, deadline: float | None
) -> str:
    """As in `about 12 min 5 s left`: by the mean time of a trial so far, or by the time that is allowed, if sooner.

    Args:
        deadline: seconds from now until the study stops; None: never.
    """
    done = [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")]
    running = [trial for trial in trials if trial.state.name == "RUNNING"]
    missing = num_trials - len(done)
    if missing <= 0:
        return ""
    if took := [seconds for trial in done if (seconds := seconds_of(trial, now))]:
        mean = sum(took) / len(took)
        begun = sum(min(mean, seconds_of(trial, now) or 0.0) for trial in running)
        at_once = min(missing, max(1, workers, len(running)))
        needed = max(0.0, missing * mean - begun) / at_once
        if deadline is None or needed < deadline:
            return f"about {duration(round(needed))} left"
    return f"stops in {duration(max(0, round(deadline)))}" if deadline is not None else ""


def line(trial: "FrozenTrial", known: Sequence["FrozenTrial"], objectives: Sequence[Metric], num_trials: int) -> str:
    """How a trial ended, as in `tune: 7 of 40, trial 9 complete: val_accuracy 0.9712 (best 0.9731, trial 4), ...`.

    Args:
        known: all trials that are known by then, this one among them.
    """
    head = (
        f"tune: {study.num_finished(known)} of {num_trials}, trial {trial.number} {ending(trial, repeated_by(known))}"
    )
    if trial.state.name == "FAIL":
        return head
    parts = [*_values(trial, known, objectives), *words(params_of(trial))]
    seconds = seconds_of(trial, datetime.now())
    parts += [duration(seconds)] if seconds is not None else []
    return f"{head}: {', '.join(parts)}"


def _values(trial: "FrozenTrial", known: Sequence["FrozenTrial"], objectives: Sequence[Metric]) -> list[str]:
    """The trial's values, the last followed by what they are to the best."""
    texts = [f"{m.name} {value_text(m.name, value)}" for m, value in zip(objectives, values_of(trial))]
    best = best_of(complete_of(known), objectives)
    if not texts or not best:
        return texts or ["no finite value"]
    if len(objectives) > 1:
        place = "on" if any(other.number == trial.number for other in best) else "not on"
        return [*texts[:-1], f"{texts[-1]} ({place} the Pareto front of {len(best)})"]
    told = f"best {value_text(objectives[0].name, best[0].values[0])}, trial {best[0].number}"
    return [f"{texts[0]} ({'best so far' if best[0].number == trial.number else told})"]
