"""Tells observers of trials that run elsewhere, by what the study's storage says of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from pipeline.attempt import Observer


class Follower:
    """Looks at all trials again and again; those that had ended before the first look are not told.

    Args:
        observers: are told when a trial starts and ends.
        epoch: is told a trial's number, the epochs it has done and its first objective after them.
    """

    def __init__(self, observers: "Sequence[Observer]", epoch: Callable[[int, int, float], None]) -> None:
        self.observers, self.epoch = observers, epoch
        self.before: set[int] | None = None
        self.started: set[int] = set()
        self.ended: set[int] = set()
        self.epochs: dict[int, int] = {}

    def look(self, trials: "Sequence[FrozenTrial]") -> None:
        """Takes all trials as they are now."""
        if self.before is None:
            self.before = {trial.number for trial in trials if trial.state.is_finished()}
        for trial in trials:
            if trial.number not in self.before | self.ended and "process" in trial.user_attrs:
                self._look(trial)

    def _look(self, trial: "FrozenTrial") -> None:
        done = max(trial.intermediate_values, default=0)
        if done > self.epochs.get(trial.number, 0):
            self.epochs[trial.number] = done
            self.epoch(trial.number, done, trial.intermediate_values[done])
        if trial.number not in self.started:
            self.started.add(trial.number)
            for observer in self.observers:
                observer.trial_started(trial)
        if trial.state.is_finished():
            self.ended.add(trial.number)
            for observer in self.observers:
                observer.trial_ended(trial)
