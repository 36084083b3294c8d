"""Which trials of a study end early: Optuna's pruners, made exact for studies that are interrupted.

A failed trial does not count, since it comes again, and a trial goes by its point, not by its number. The start (point
0) and a trial at its last epoch are never pruned: today's params must have their value, and the other is paid for. A
value that is not a number ends a trial at once.
"""

import math
import zlib
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from pipeline.suggest import PARAMS, POINT

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

Name = Literal["none", "median", "halving", "hyperband"]

MEDIAN_OF = 5  # trials that must have ended before a median says something
RUNGS = 2  # before the last epoch
FACTOR = 3  # of the trials that reach a rung, one in so many goes on, for so many times the epochs


def pruner(name: Name, max_epochs: int) -> "BasePruner":
    """A pruner that is asked after every epoch, the first being 1; for studies of one objective.

    A trial may have its own number of epochs, as `train.epochs` in its user attribute `params`.

    halving: after a ninth of the epochs the best third goes on, after a third of them the best third of these.
    hyperband: the same, but some points are spared until the later of these. median: from the second quarter of the
    epochs on, what was never as good as the median was at that epoch.
    """
    from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

    if name == "none":
        return NopPruner()
    first = max(1, max_epochs // FACTOR**RUNGS)  # the first epochs of many say little
    shares = bracket_shares(max_epochs // first) if name == "hyperband" else [1]
    brackets: list[BasePruner] = [
        MedianPruner(n_startup_trials=MEDIAN_OF, n_warmup_steps=1 + max_epochs // 4)
        if name == "median"
        else SuccessiveHalvingPruner(min_resource=first, reduction_factor=FACTOR, min_early_stopping_rate=bracket)
        for bracket in range(len(shares))
    ]

    class Exact(BasePruner):
        def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
            bracket, epoch = bracket_of(trial.user_attrs[POINT], shares), trial.last_step
            if epoch is None:
                return False
            seen = cast("Study", _Seen(study, lambda other: bracket_of(other.user_attrs[POINT], shares) == bracket))
            # Asked in any case: halving notes the value that later trials are held against.
            poor = math.isnan(trial.intermediate_values[epoch]) or brackets[bracket].prune(seen, trial)
            last = trial.user_attrs.get(PARAMS, {}).get("train.epochs", max_epochs)
            return poor and epoch < last and trial.user_attrs[POINT] > 0

    return Exact()


def bracket_shares(max_epochs: int) -> list[int]:
    """How many trials of hyperband's brackets there are, in proportion; bracket b prunes from rung b on.

    As in Optuna's `HyperbandPruner`, after Li et al., JMLR 18 (2018), algorithm 1.
    """
    num_brackets = 1
    while FACTOR**num_brackets <= max_epochs:
        num_brackets += 1
    rungs = range(num_brackets, 0, -1)
    return [math.ceil(num_brackets * FACTOR ** (count - 1) / count) for count in rungs]


def bracket_of(point: int, shares: list[int]) -> int:
    """The bracket of a point, drawn in proportion to the shares."""
    left = zlib.crc32(str(point).encode()) % sum(shares)
    for bracket, share in enumerate(shares):
        left -= share
        if left < 0:
            return bracket
    raise AssertionError(point)


@dataclass(frozen=True)
class _Seen:
    """A study as a pruner is to see it: with those of its trials that were begun, did not fail, and are wanted."""

    study: "Study"
    wanted: "Callable[[FrozenTrial], bool]"

    def get_trials(self, deepcopy: bool = True, states: "Container[TrialState] | None" = None) -> "list[FrozenTrial]":
        trials = self.study.get_trials(deepcopy=deepcopy, states=states)
        return [
            trial for trial in trials if trial.state.name != "FAIL" and POINT in trial.user_attrs and self.wanted(trial)
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.study, name)
