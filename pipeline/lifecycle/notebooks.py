"""`reprolens notebooks`: the course notebooks' networks, one after another as DVC experiments, then their table.

It goes on where it was stopped: what is there already, made with the same params by the same code, is not made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import at_hand, comparison, experiments, params_file, paths, tracking, tracking_server
from pipeline.completion import complete
from pipeline.errors import UserError
from pipeline.files import at_home
from pipeline.journal import open_journal
from pipeline.lifecycle.compare import rows_of
from pipeline.lifecycle.use import compose
from pipeline.params import Params
from pipeline.progress import say
from pipeline.published import PUBLISHED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LOCK_WAIT = 0.1  # seconds


@dataclass(frozen=True)
class Planned:
    """One row of the table: a network, its seed, its data set, and what came of it."""

    preset: str
    seed: int
    data: str
    params: Params | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """Of the DVC experiment."""
        return f"{self.preset}-seed{self.seed}"


def notebooks(presets: Sequence[str], folder: str | None, num_seeds: int) -> tuple[str, bool]:
    """Makes the rows of `presets` (none: all) and returns their table, and whether none of them failed.

    A row whose data is not at hand is no failure: the table says how to get it.

    Args:
        folder: where data sets lie; None: only what was downloaded or can be.
        num_seeds: rows per network, with `train.seed` 0, 1...

    Raises:
        UserError: no such notebook or folder; another call is at work; MLflow is away.
    """
    from filelock import FileLock, Timeout

    plan = planned(presets, folder, num_seeds)
    paths.private().mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(paths.private() / "notebooks.lock", timeout=LOCK_WAIT):
            made = [_made(row, number, len(plan)) for number, row in enumerate(plan, start=1)]
    except Timeout as error:
        raise UserError("another `reprolens notebooks` is at work in this folder: wait until it is done") from error
    return _table(made), not any(row.params and row.problem for row in made)


def planned(presets: Sequence[str], folder: str | None, num_seeds: int) -> list[Planned]:
    """The rows, in the order of the notebooks; those whose data is missing have a `problem` and no params."""
    for name in presets:
        if name not in PUBLISHED:
            raise UserError(f"no notebook `{name}`: there are {', '.join(PUBLISHED)}")
    data = at_home(folder, "DATA").resolve() if folder else None
    if data and not data.is_dir():
        raise UserError(f"DATA {folder!r} is not a folder: give one that data sets lie in")
    wanted = [name for name in PUBLISHED if name in presets or not presets]
    sources = {name: params_file.read_yaml(paths.PRESETS / f"{name}.yaml")["dataset"]["name"] for name in wanted}
    found = {source: at_hand.find(source, data) for source in dict.fromkeys(sources.values())}
    rows = [Planned(name, seed, sources[name]) for seed in range(num_seeds) for name in wanted]
    return [_with_data(row, found[row.data]) for row in rows]


def _with_data(row: Planned, data: at_hand.Found) -> Planned:
    from ruamel.yaml import YAML

    if data.missing:
        return replace(row, problem=data.missing)
    text = compose(paths.PRESETS, row.preset, [*data.overrides, f"train.seed={row.seed}"])
    return replace(row, params=params_file.parse(YAML(typ="safe").load(text), f"preset {row.preset}"))


def _made(row: Planned, number: int, count: int) -> Planned:
    """Runs the experiment of a row, unless it is there."""
    head = f"notebooks: {number} of {count}, {row.name}"
    if not row.params:
        say(f"{head}: skipped, {row.problem}")
        return row
    if experiments.find(row.name, row.params):
        say(f"{head}: made before")
        return row
    say(f"{head}: running")
    if experiments.run(row.name, row.params):
        return row
    say(f"{head}: failed, see above")
    return replace(row, problem="failed: see what it printed, mend it, and run this again")


def _table(made: Sequence[Planned]) -> str:
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            rows = [_shown(client, row) for row in made]
    except tracking_server.Away as error:
        raise UserError(
            f"MLflow at {tracking_server.tracking_uri()} is away ({error}); what was made is kept. Run this again later"
        ) from error
    return comparison.to_text(rows)


def _shown(client: "MlflowClient", row: Planned) -> comparison.Row:
    called = f"{row.preset}, seed {row.seed}" if row.seed else row.preset
    if not row.params:
        return comparison.skipped(called, row.data, row.problem)
    if row.problem:
        return comparison.Row(called, row.data, note=row.problem)
    if run := _run(client, row.name, row.params):
        return replace(rows_of(client, [run])[0], network=called)
    missing = f"made, but MLflow has no run of it: `dvc exp apply {row.name}`, then `reprolens track`"
    return comparison.Row(called, row.data, note=missing)


def _run(client: "MlflowClient", name: str, params: Params) -> "Run | None":
    """The MLflow run of an experiment; one that MLflow missed is completed from its journal."""
    commit = experiments.find(name, params)
    key = experiments.run_key_of(commit) if commit else None
    if key is None:
        return None
    journal = open_journal(key)
    if journal.warned.exists() or not tracking.find_run(client, key):
        if not journal.events("start"):
            return None
        complete(client, journal, journal.model if journal.model.exists() else None)
    return tracking.find_run(client, key)
