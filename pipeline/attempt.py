"""One trial as its worker sees it: takes a point under the study's lock, has it trained, keeps what came of it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline import machine, start_weights, study, suggest
from pipeline.checkpoint import Row
from pipeline.errors import UserError, one_line
from pipeline.metrics import Metric
from pipeline.space import Space
from pipeline.trainer import Failed, Trainer
from pipeline.trial import Task

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial


class Lock(Protocol):
    """Excludes all others that work on the study; `release` without holding it does nothing."""

    def acquire(self, stop: threading.Event | None = None) -> bool: ...
    def release(self) -> None: ...
    def held(self) -> bool: ...


class Observer(Protocol):
    """Whoever wants to know about trials; called by the workers' threads."""

    def trial_started(self, trial: "FrozenTrial") -> None: ...
    def epoch(self, number: int, row: Row) -> None: ...
    def trial_ended(self, trial: "FrozenTrial") -> None: ...


@dataclass(frozen=True)
class Work:
    """What all workers share.

    `open_study` gives each thread a study object of its own, `new_lock` a handle on the one lock.
    """

    open_study: "Callable[[], Study]"
    new_lock: Callable[[], Lock]
    space: Space
    objectives: list[Metric]
    num_trials: int
    trainer: Trainer
    observers: tuple[Observer, ...]
    logs: Path


class Attempt:
    """Optuna's objective, for one trial.

    Args:
        stopping: whether the workers are being stopped, so that a killed process is no kill.
    """

    def __init__(self, work: Work, opened: "Study", lock: Lock, stopping: Callable[[], bool]) -> None:
        self.work, self.study, self.lock, self.stopping = work, opened, lock, stopping
        self.rows: list[Row] = []
        self.trial_id: int | None = None
        self.failure: Failed | None = None

    def __call__(self, trial: "Trial") -> "float | tuple[float, ...]":
        import optuna

        self.trial_id = trial._trial_id
        try:
            params = self._take_point(trial)
            self.lock.release()
            for observer in self.work.observers:
                observer.trial_started(self.frozen())
            values = self._train(trial, params)
        except Failed as error:
            self.failure = None if self.stopping() else error
            trial.set_user_attr("reason", str(self.failure or f"{study.INTERRUPTED}: it is queued again"))
            raise
        finally:
            trial.set_user_attr("rows", self.rows)
        if values is None:
            raise optuna.TrialPruned
        return values[0] if len(values) == 1 else tuple(values)

    def ended(self) -> None:
        """Tells the observers what became of the trial."""
        if self.trial_id is not None:
            for observer in self.work.observers:
                observer.trial_ended(self.frozen())

    def frozen(self) -> "FrozenTrial":
        """The trial as the storage has it now."""
        assert self.trial_id is not None
        return self.study._storage.get_trial(self.trial_id)

    def _take_point(self, trial: "Trial") -> dict[str, Any]:
        """Writes the point and who runs it; returns the params it sets."""
        frozen = self.frozen()
        trials = self.study.get_trials(deepcopy=False)
        point = frozen.user_attrs.get("point")
        if point is None:
            point = suggest.next_point(trials)
            trial.set_user_attr("point", point)
        given = frozen.system_attrs.get("fixed_params", self.work.space.distributions)
        values = {name: draw(trial, name, self.work.space.distributions[name]) for name in given}
        params: dict[str, Any] = frozen.user_attrs.get("params") or self.work.space.resolve(values)
        if not self.lock.held():  # PostgreSQL has restarted: another host may have taken the same point
            raise Failed(f"{study.INTERRUPTED}: the storage was away while its point was taken")
        for name, value in (("params", params), ("host", machine.host()), ("process", machine.process_mark())):
            trial.set_user_attr(name, value)
        return params

    def _train(self, trial: "Trial", params: dict[str, Any]) -> list[float] | None:
        try:
            wanted = self.work.space.params_at(params)
        except UserError as error:
            raise Failed(f"no such network: {one_line(error)}") from error
        names = tuple(metric.name for metric in self.work.objectives)
        log = self.work.logs / f"trial-{trial.number}.log"
        task = Task(wanted, names, log, start_weights.find(wanted.backbone))
        result = self.work.trainer.train(task, lambda row, seconds: self._epoch(trial, row, seconds))
        if result is None:
            return None
        trial.set_user_attr("parameters", int(result.values["parameters"]))
        trial.set_user_attr("fit_seconds", round(result.fit_seconds, 3))
        return [result.values[name] for name in names]

    def _epoch(self, trial: "Trial", row: Row, seconds: float) -> bool:
        """Keeps an epoch; whether the trial is worth another one."""
        self.rows.append(row | {"seconds": round(seconds, 3), "time": int(time.time() * 1000)})
        for observer in self.work.observers:
            observer.epoch(trial.number, self.rows[-1])
        if len(self.work.objectives) > 1:  # Optuna prunes by one value only
            return True
        trial.report(row[self.work.objectives[0].name], int(row["epoch"]))
        return not trial.should_prune()


def draw(trial: "Trial", name: str, distribution: Any) -> Any:
    """What the sampler has for a parameter."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    low, high, step, log = distribution.low, distribution.high, distribution.step, distribution.log
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, low, high, step=step, log=log)
    return trial.suggest_float(name, low, high, step=step, log=log)
