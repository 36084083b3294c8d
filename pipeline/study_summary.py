"""What came of a study, in a few lines; pure."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline import study
from pipeline.metrics import Metric
from pipeline.study_facts import (
    best_of,
    complete_of,
    differing,
    params_of,
    rounded,
    start_of,
    value_text,
    values_of,
    words,
)
from pipeline.study_words import count_of
from pipeline.wording import compact

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

WIDTH = 100  # columns
NARROWEST = 20  # of the params in a front
DIGITS = 6  # of a parameter
GAP = "  "


def summary(opened: "Study", objectives: Sequence[Metric]) -> str:
    """Counts, and the best trial against the start with its params, or the Pareto front."""
    trials = opened.get_trials(deepcopy=False)
    best, start = best_of(complete_of(trials), objectives), start_of(complete_of(trials))
    if not best:
        lines = ["best: no trial is complete"]
    elif len(objectives) > 1:
        lines = [f"Pareto front: {count_of(len(best))}", *_front(best, start, objectives)]
    else:
        lines = [_gain(best[0], start, objectives[0]), *_params(best[0], start)]
    return "\n".join([_counts(trials), *lines])


def _counts(trials: Sequence["FrozenTrial"]) -> str:
    states = Counter(trial.state.name for trial in trials)
    lost = sum(study.is_lost(trial) for trial in trials)
    broken = f", {lost} broken off" if lost else ""
    return f"tune: {states['COMPLETE']} complete, {states['PRUNED']} pruned, {states['FAIL'] - lost} failed{broken}"


def _gain(best: "FrozenTrial", start: "FrozenTrial | None", metric: Metric) -> str:
    head = f"best: trial {best.number}, {metric.name} {value_text(metric.name, best.values[0])}"
    if start is None:
        return f"{head}; the start is not complete"
    if start.number == best.number:
        return f"{head}, the start itself: nothing better was found"
    gain = best.values[0] - start.values[0]
    change = f"{'+' if gain >= 0 else '-'}{value_text(metric.name, abs(gain))}"
    return f"{head}; the start had {value_text(metric.name, start.values[0])} ({change})"


def _params(best: "FrozenTrial", start: "FrozenTrial | None") -> list[str]:
    """The best trial's params in columns, beside what the start had."""
    now, before = params_of(best), params_of(start) if start else {}
    changed = differing(now, before)
    rows = []
    for key, value in now.items():
        was = f"(start {_text(key, before[key])})" if key in changed and key in before else ""
        rows.append((key, _text(key, value), was))
    return _aligned(rows, "  ")


def _text(key: str, value: Any) -> str:
    return compact(key, rounded(value, DIGITS))


def _front(best: Sequence["FrozenTrial"], start: "FrozenTrial | None", objectives: Sequence[Metric]) -> list[str]:
    """A row per trial of the front, and the start; what all of them share stands below."""
    shown = [*best, *([start] if start and start.number not in {trial.number for trial in best} else [])]
    params = {trial.number: params_of(trial) for trial in shown}
    first = params[shown[0].number]
    same = [key for key in first if all(key in other and other[key] == first[key] for other in params.values())]
    rows = [("trial", *(metric.name for metric in objectives), "params that differ")]
    for trial in shown:
        own = {key: value for key, value in params[trial.number].items() if key not in same}
        number = f"{trial.number}{' start' if trial is start else ''}"
        values = (value_text(metric.name, value) for metric, value in zip(objectives, values_of(trial)))
        rows.append((number, *values, ", ".join(words(own)) or "none"))
    shared = ", ".join(words({key: first[key] for key in same}))
    below = textwrap.wrap(f"the same in all: {shared}", WIDTH, break_on_hyphens=False) if same else []
    return [*_aligned(rows, "", right=(1, 2)), *below]


def _aligned(rows: Sequence[tuple[str, ...]], indent: str, right: Sequence[int] = ()) -> list[str]:
    """Columns, some set flush right, the last one wrapped to what is left of the width."""
    widths = [max(map(len, column)) for column in list(zip(*rows))[:-1]]
    left = len(indent) + sum(widths) + len(GAP) * len(widths)
    lines = []
    for *cells, last in rows:
        sides = [">" if place in right else "<" for place in range(len(cells))]
        head = indent + "".join(f"{cell:{side}{width}}{GAP}" for cell, side, width in zip(cells, sides, widths))
        parts = textwrap.wrap(last, max(NARROWEST, WIDTH - left), break_on_hyphens=False) or [""]
        lines += [f"{head}{parts[0]}".rstrip(), *(" " * left + part for part in parts[1:])]
    return lines
