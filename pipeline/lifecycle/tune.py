"""`reprolens tune`: a study that searches what `tune.space` names, and goes on where it was stopped."""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from pipeline import cluster_bundle, params_file, paths, ray_workers, space, study, study_pictures, suggest
from pipeline.checkpoint import Row
from pipeline.errors import UserError
from pipeline.journal import Status
from pipeline.lifecycle import apply
from pipeline.lifecycle.preview import make_splits
from pipeline.progress import say
from pipeline.ray_workers import RayWorkers, Share
from pipeline.study_follower import Follower
from pipeline.study_plan import Plan, Wishes, most_epochs
from pipeline.study_storage import open_storage
from pipeline.study_table import LiveTable, summary
from pipeline.study_tracker import StudyTracker
from pipeline.trainer import Trainer
from pipeline.tuning import Workers

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

LOOKS = 0.5  # seconds between two looks at the study


class Crew(Protocol):
    """Workers, wherever they are."""

    error: BaseException | None
    exhausted: int

    def start(self, num_workers: int) -> None: ...
    def busy(self) -> bool: ...
    def stop(self) -> None: ...


Engine = Callable[[Plan, StudyTracker, LiveTable], tuple[Crew, Callable[["list[FrozenTrial]"], None]]]
"""Makes the workers of a plan, and what is to be called with all trials now and then."""


def tune(wishes: Wishes) -> str:
    """Runs a study to its end, or until its time is over, and returns what came of it.

    Raises:
        UserError: bad params or options, an unreachable storage or cluster, a study of something else, too many
            failures.
        KeyboardInterrupt: Ctrl-C; finished trials are kept, running ones queued again.
    """
    params = params_file.load(paths.PARAMS)
    found = space.space_of(params)
    suggest.sampler(params.tune.sampler, params.tune.seed, found.distributions)  # what is wrong is told before any work
    storage = open_storage(wishes.storage)
    if not wishes.on:
        make_splits()
        return run(Plan(params, wishes, storage), Trainer())
    if storage.engine.name == "sqlite":
        raise UserError(f"--on {wishes.on}: nodes cannot share a SQLite file: give --storage postgresql://... as well")
    with ray_workers.connected(wishes.on), tempfile.TemporaryDirectory() as folder:
        make_splits()
        return _run(Plan(params, wishes, storage), partial(_on_ray, Path(folder) / "bundle.tar"))


def run(plan: Plan, trainer: Trainer) -> str:
    """`tune` on this machine, with params, storage and splits at hand."""
    return _run(plan, partial(_here, trainer))


def _run(plan: Plan, engine: Engine) -> str:
    opened = plan.begin()
    with terminated_as_interrupted():
        if study.num_finished(opened.get_trials(deepcopy=False)) < plan.num_trials:
            _search(plan, opened, engine)
        text = summary(opened, plan.metrics)
        return "\n".join([text, *(apply.applied(plan, opened) if plan.wishes.apply else _next(plan, opened))])


def _search(plan: Plan, opened: "Study", engine: Engine) -> None:
    """Runs the workers, shows what they do, and leaves the study tidy however it ends."""
    flat = params_file.flatten(plan.params.model_dump(mode="json"))
    tracker = StudyTracker(plan.open(), flat, plan.settings())
    wishes = plan.wishes
    with LiveTable(plan.metrics, plan.num_trials, most_epochs(plan.params), wishes.workers, wishes.timeout) as table:
        workers, look = engine(plan, tracker, table)
        tracker.start()
        status: Status = "FAILED"
        try:
            _watch(workers, opened, look, wishes)
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            workers.stop()
            plan.queue_again(opened)
            look(opened.get_trials(deepcopy=False))
            tracker.finish(study_pictures.draw(opened, plan.logs / "pictures"), status)
    if workers.error:
        raise workers.error
    if workers.exhausted:
        say(f"tune: all {workers.exhausted} points of tune.space were tried: widen it for more")


def _here(
    trainer: Trainer, plan: Plan, tracker: StudyTracker, table: LiveTable
) -> tuple[Crew, Callable[["list[FrozenTrial]"], None]]:
    say("tune: importing TensorFlow, once for all trials")
    trainer.warm_up()
    return Workers(plan.work(trainer, (tracker, _Shown(table, plan.metrics[0].name)))), table.update


def _on_ray(
    bundle: Path, plan: Plan, tracker: StudyTracker, table: LiveTable
) -> tuple[Crew, Callable[["list[FrozenTrial]"], None]]:
    wishes, storage = plan.wishes, plan.storage.engine.url.render_as_string(hide_password=False)
    share = Share(wishes.cpus or plan.params.train.threads, wishes.gpus, wishes.retries)
    words = [str(plan.num_trials), plan.name]
    say("tune: sending code and packed data to the cluster, once for each node")
    digest = cluster_bundle.pack(plan.params, bundle)
    workers = RayWorkers(bundle, digest, words, {"REPROLENS_TUNE_STORAGE": storage}, share)
    follower = Follower((tracker,), table.epoch)

    def look(trials: "list[FrozenTrial]") -> None:
        table.update(trials)
        follower.look(trials)

    return workers, look


def _watch(workers: Crew, opened: "Study", look: Callable[["list[FrozenTrial]"], None], wishes: Wishes) -> None:
    deadline = time.monotonic() + wishes.timeout if wishes.timeout else None
    workers.start(wishes.workers)
    while workers.busy():
        look(opened.get_trials(deepcopy=False))
        if deadline and time.monotonic() > deadline:
            return
        time.sleep(LOOKS)


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
