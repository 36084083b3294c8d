"""Which point a study tries next: a whole point, told by the seed, the point's ordinal and what has been tried.

Nothing is kept from one suggestion to the next and no trial number counts, so a study that was interrupted goes on as
if it had not been. No point comes twice.
"""

import itertools
import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import UserError
from pipeline.points import Key, Point, Points, drawn

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study, StudyDirection
    from optuna.trial import FrozenTrial

Name = Literal["tpe", "random", "grid"]

TPE_TRIES = 10
RANDOM_TRIES = 50
SEEDS = 2**32  # as many as NumPy takes
POINT = "point"  # user attribute of a trial: its ordinal, the same where a trial is repeated
PARAMS = "params"  # user attribute: the params that the point sets; written once it is drawn
FIXED = "fixed_params"  # Optuna's system attribute of a trial that was enqueued


class Exhausted(Exception):
    """Every point of the space has been tried; there are `num_points`."""

    def __init__(self, num_points: int) -> None:
        super().__init__(f"all {num_points} points have been tried")
        self.num_points = num_points


def sampler(name: Name, seed: int, distributions: "Mapping[str, BaseDistribution]") -> "BaseSampler":
    """A sampler of whole points over these distributions; it has no state, so threads may share it.

    A trial that was enqueued is left as it was enqueued. Where nothing is left, `Exhausted` comes out of `study.ask`
    and leaves a running trial behind: ask `is_exhausted` before.

    Raises:
        UserError: a grid over numbers without steps.
    """
    from optuna.samplers import BaseSampler, RandomSampler

    space = grid(distributions) if name == "grid" else Points(dict(distributions))

    class WholePoints(BaseSampler):
        def infer_relative_search_space(self, study: "Study", trial: "FrozenTrial") -> "dict[str, BaseDistribution]":
            return dict(space.distributions)

        def sample_relative(self, study: "Study", trial: "FrozenTrial", search_space: object) -> Point:
            if FIXED in trial.system_attrs:
                return {}
            others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
            return _Suggester(name, seed, space, study.directions, others).suggest()

        def sample_independent(
            self, study: "Study", trial: "FrozenTrial", param_name: str, param_distribution: "BaseDistribution"
        ) -> Any:
            one = RandomSampler(seed=drawn(seed, trial.user_attrs.get(POINT), param_name) % SEEDS)
            return one.sample_independent(study, trial, param_name, param_distribution)

    return WholePoints()


def grid(distributions: "Mapping[str, BaseDistribution]") -> Points:
    """The space of all values, which has a size and can be gone through.

    Raises:
        UserError: a range of numbers has no step; all such are named.
    """
    space = Points(dict(distributions))
    if names := space.endless:
        log = any(getattr(distributions[name], "log", False) for name in names)
        have = "has" if len(names) == 1 else "have"
        raise UserError(
            f"tune.sampler is grid, but {', '.join(f'`{name}`' for name in names)} {have} no step: "
            f"give one{' in place of log' if log else ''}, or a list of choices"
        )
    return space


def next_point(trials: "Collection[FrozenTrial]") -> int:
    """The ordinal of the next new point: one more than the largest, from 0."""
    return max((trial.user_attrs.get(POINT, -1) for trial in trials if was_made(trial)), default=-1) + 1


def is_exhausted(study_trials: "Collection[FrozenTrial]", distributions: "Mapping[str, BaseDistribution]") -> bool:
    """Whether these trials have tried every point there is; never so with numbers without steps."""
    space = Points(dict(distributions))
    return space.size is not None and len(tried(study_trials, space)) >= space.size


def tried(trials: "Collection[FrozenTrial]", space: Points) -> set[Key]:
    """Keys of the points that were, are or wait to be trained, of those within the space."""
    made = [trial.system_attrs.get(FIXED, {}) | trial.params for trial in trials if was_made(trial)]
    return {key for key in map(space.key, made) if key is not None}


def was_made(trial: "FrozenTrial") -> bool:
    """False of a trial that died before all was written that it needs; its point, never trained, comes again."""
    return trial.state.name != "FAIL" or {POINT, PARAMS} <= trial.user_attrs.keys()


@dataclass(frozen=True)
class _Suggester:
    """One suggestion, for a study with these trials."""

    name: Name
    seed: int
    space: Points
    directions: "Sequence[StudyDirection]"
    trials: "Sequence[FrozenTrial]"

    def suggest(self) -> Point:
        """The first candidate that was not tried."""
        seen = tried(self.trials, self.space)
        for point in self._candidates():
            if self.space.key(point) not in seen:
                return point
        raise Exhausted(len(seen))

    def _candidates(self) -> Iterator[Point]:
        """Points of TPE, then random ones, then all there are; of a grid, these alone."""
        from optuna.samplers import RandomSampler, TPESampler

        ordinal = next_point(self.trials)
        seeds = (drawn(self.seed, ordinal, attempt) % SEEDS for attempt in itertools.count())
        if self.name == "tpe":
            # A suggestion that was not taken stays there as a running trial, which TPE shuns.
            told = self._study(self._history())
            yield from (self._asked(told, TPESampler(seed=seed)) for seed in itertools.islice(seeds, TPE_TRIES))
        if self.name != "grid":
            untold = self._study([])
            yield from (self._asked(untold, RandomSampler(seed=seed)) for seed in itertools.islice(seeds, RANDOM_TRIES))
        if self.space.size is not None:
            yield from self.space.shuffled(self.seed)

    def _asked(self, study: "Study", one: "BaseSampler") -> Point:
        study.sampler = one
        return self.space.exact(study.ask(self.space.distributions).params)

    def _history(self) -> "list[FrozenTrial]":
        """What TPE is to know: trials by ordinal, since it goes by their order; never one that failed or waits."""
        known = [trial for trial in self.trials if trial.state.name in ("COMPLETE", "PRUNED", "RUNNING")]
        inside = [trial for trial in known if self.space.key(trial.params) is not None]
        return sorted(inside, key=lambda trial: (trial.user_attrs.get(POINT, math.inf), trial.number))

    def _study(self, history: "Sequence[FrozenTrial]") -> "Study":
        """A study in memory with copies of these trials, numbered in their order."""
        from optuna import create_study
        from optuna.trial import create_trial

        logging.getLogger("optuna.storages._in_memory").setLevel(logging.WARNING)  # else it tells of every such study
        study = create_study(directions=self.directions)
        for trial in history:
            study.add_trial(
                create_trial(
                    state=trial.state,
                    values=trial.values,
                    params={name: trial.params[name] for name in self.space.distributions},
                    distributions=self.space.distributions,
                    intermediate_values=trial.intermediate_values,
                )
            )
        return study
