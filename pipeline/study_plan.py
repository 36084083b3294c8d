"""What a call of `reprolens tune` is about: params, space, objectives, the study's name and where it is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import machine, objectives, paths, pruning, record, space, study, suggest
from pipeline.attempt import Lock, Observer, Work
from pipeline.params import Params
from pipeline.space import Space
from pipeline.study_hosts import refuse_other_hosts
from pipeline.study_lock import study_lock
from pipeline.trainer import Trainer
from pipeline.tune_params import Range

if TYPE_CHECKING:
    from optuna import Study

    from pipeline.patient_storage import PatientStorage


@dataclass(frozen=True)
class Wishes:
    """What the command line says; None: what `params.yaml` says, or the default.

    `timeout` is in seconds; `winner` the number of the trial to apply instead of the best one; `on` a Ray cluster, of
    which each worker takes `cpus` and `gpus`, and on which a lost one begins anew so often.
    """

    trials: int | None = None
    timeout: float | None = None
    workers: int = 1
    study: str | None = None
    storage: str | None = None
    apply: bool = False
    winner: int | None = None
    on: str | None = None
    cpus: float | None = None
    gpus: float = 0.0
    retries: int = 3


class Plan:
    """One call of the command, on a storage that is open."""

    def __init__(self, params: Params, wishes: Wishes, storage: "PatientStorage") -> None:
        self.params, self.wishes, self.storage = params, wishes, storage
        self.space: Space = space.space_of(params)
        self.metrics = objectives.objectives_of(params.tune.objectives)
        self.experiment = record.experiment_name(params)
        self.parts = study.identity(params)
        self.name = wishes.study or study.default_name(self.experiment, self.parts)
        self.num_trials = wishes.trials or params.tune.trials
        self.logs = paths.private() / "tune" / self.name

    def new_lock(self) -> Lock:
        return study_lock(self.storage, self.name)

    def open(self) -> "Study":
        """A study object for one thread, made anew where there is none."""
        import optuna

        tune, several = self.params.tune, len(self.metrics) > 1
        return optuna.create_study(
            study_name=self.name,
            storage=self.storage,
            directions=["maximize" if metric.higher_is_better else "minimize" for metric in self.metrics],
            sampler=suggest.sampler(tune.sampler, tune.seed, self.space.distributions),
            pruner=pruning.pruner("none" if several else tune.pruner, most_epochs(self.params)),
            load_if_exists=True,
        )

    def begin(self) -> "Study":
        """Opens the study for the first time: it is what the params say, or there is a line that says why not."""
        facts = {"experiment": self.experiment, "objectives": list(self.params.tune.objectives), "host": machine.host()}
        with held(self.new_lock()):
            opened = self.open()
            study.begin(opened, self.parts, facts, self.space)
            refuse_other_hosts(self.storage, self.name, machine.host())
        return opened

    def work(self, trainer: Trainer, observers: tuple[Observer, ...]) -> Work:
        """What workers in this process share."""
        return Work(
            *(self.open, self.new_lock, self.space, self.metrics, self.num_trials),
            *(trainer, observers, self.logs),
        )

    def queue_again(self, opened: "Study") -> None:
        """Queues the trials again whose process is gone."""
        with held(self.new_lock()):
            study.sweep(opened)
            study.requeue(opened)

    def settings(self) -> dict[str, str]:
        """How the study searches, for MLflow."""
        tune = self.params.tune
        told = {name: str(getattr(tune, name)) for name in ("sampler", "pruner", "seed")}
        told["objective"] = ", ".join(tune.objectives)
        told |= {f"space.{name}": words for name, words in space.described(self.params).items()}
        return {f"tune.{name}": words for name, words in told.items()}


def most_epochs(params: Params) -> int:
    """The epochs of the longest trial."""
    dimension: Any = params.tune.space.get("train.epochs")
    if dimension is None:
        return params.train.epochs
    return int(dimension.high if isinstance(dimension, Range) else max(dimension))


@contextmanager
def held(lock: Lock) -> Iterator[None]:
    """Holds a lock for a while."""
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
