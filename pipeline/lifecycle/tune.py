"""`reprolens tune`: a study that searches what `tune.space` names, and goes on where it was stopped."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from pipeline import params_file, paths, space, study, study_pictures, suggest
from pipeline.attempt import Work
from pipeline.checkpoint import Row
from pipeline.journal import Status
from pipeline.lifecycle import apply
from pipeline.lifecycle.preview import make_splits
from pipeline.progress import say
from pipeline.study_plan import Plan, Wishes, held, most_epochs
from pipeline.study_storage import open_storage
from pipeline.study_table import LiveTable, summary
from pipeline.study_tracker import StudyTracker
from pipeline.trainer import Trainer
from pipeline.tuning import Workers

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

LOOKS = 0.5  # seconds between two looks at the study


def tune(wishes: Wishes) -> str:
    """Runs a study to its end, or until its time is over, and returns what came of it.

    Raises:
        UserError: bad params or options, an unreachable storage, a study of something else, too many failures.
        KeyboardInterrupt: Ctrl-C; finished trials are kept, running ones queued again.
    """
    params = params_file.load(paths.PARAMS)
    found = space.space_of(params)
    suggest.sampler(params.tune.sampler, params.tune.seed, found.distributions)  # what is wrong is told before any work
    storage = open_storage(wishes.storage)
    make_splits()
    return run(Plan(params, wishes, storage), Trainer())


def run(plan: Plan, trainer: Trainer) -> str:
    """`tune`, with params, storage and splits at hand."""
    opened = plan.begin()
    with terminated_as_interrupted():
        if study.num_finished(opened.get_trials(deepcopy=False)) < plan.num_trials:
            _search(plan, opened, trainer)
        text = summary(opened, plan.metrics)
        return "\n".join([text, *(apply.applied(plan, opened) if plan.wishes.apply else _next(plan, opened))])


def _search(plan: Plan, opened: "Study", trainer: Trainer) -> None:
    """Runs the workers, shows what they do, and leaves the study tidy however it ends."""
    flat = params_file.flatten(plan.params.model_dump(mode="json"))
    tracker = StudyTracker(plan.open(), flat, plan.settings())
    wishes = plan.wishes
    say("tune: importing TensorFlow, once for all trials")
    trainer.warm_up()
    with LiveTable(plan.metrics, plan.num_trials, most_epochs(plan.params), wishes.workers, wishes.timeout) as table:
        work = Work(
            plan.open,
            plan.new_lock,
            plan.space,
            plan.metrics,
            plan.num_trials,
            trainer,
            (tracker, _Shown(table, plan.metrics[0].name)),
            plan.logs,
        )
        workers = Workers(work)
        tracker.start()
        status: Status = "FAILED"
        try:
            _watch(workers, opened, table, wishes)
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            _tidy(plan, workers, opened)
            table.update(opened.get_trials(deepcopy=False))
            tracker.finish(study_pictures.draw(opened, plan.logs / "pictures"), status)
    if workers.error:
        raise workers.error
    if workers.exhausted:
        say(f"tune: all {workers.exhausted} points of tune.space were tried: widen it for more")


def _watch(workers: Workers, opened: "Study", table: LiveTable, wishes: Wishes) -> None:
    deadline = time.monotonic() + wishes.timeout if wishes.timeout else None
    workers.start(wishes.workers)
    while workers.busy():
        table.update(opened.get_trials(deepcopy=False))
        if deadline and time.monotonic() > deadline:
            return
        time.sleep(LOOKS)


def _tidy(plan: Plan, workers: Workers, opened: "Study") -> None:
    """Ends what still runs, and queues it again."""
    workers.stop()
    with held(plan.new_lock()):
        study.sweep(opened)
        study.requeue(opened)


def _next(plan: Plan, opened: "Study") -> list[str]:
    named = f" --study {plan.name}" if plan.wishes.study else ""
    if study.num_finished(opened.get_trials(deepcopy=False)) < plan.num_trials:
        return [f"Not all trials are done: the same command goes on with study {plan.name}"]
    return [f"Next: reprolens tune{named} --apply"]


class _Shown:
    """Moves the table's rows while trials run."""

    def __init__(self, table: LiveTable, metric: str) -> None:
        self.table, self.metric = table, metric

    def trial_started(self, trial: "FrozenTrial") -> None: ...

    def epoch(self, number: int, row: Row) -> None:
        self.table.epoch(number, int(row["epoch"]), row.get(self.metric, float("nan")))

    def trial_ended(self, trial: "FrozenTrial") -> None: ...


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does: tidily."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
