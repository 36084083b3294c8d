"""`reprolens compare`: the runs that MLflow has, one row each, and two of them image by image."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import comparison, comparison_text, runs, tracking_server
from pipeline.comparison import Row
from pipeline.errors import UserError, os_errors
from pipeline.files import at_home, write_text
from pipeline.lifecycle.pair import Pair, key_of, pair, two_runs
from pipeline.mcnemar import Verdict
from pipeline.published import PUBLISHED, Published

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MOST = 200  # runs of one call; the newest
KINDS = (".md", ".html", ".csv")
JUDGED = "metrics.`test/accuracy` >= 0"
STATES = {"RUNNING": "still running", "SCHEDULED": "not started", "FAILED": "failed", "KILLED": "killed"}
# What may be changed of a preset without making another network of it, or other training.
SAME_NETWORK = {"dataset.name", "train.seed", "split.seed", "train.threads"}


@dataclass(frozen=True)
class Targets:
    """The files to write."""

    table: Path | None
    picture: Path | None


def compare(wanted: Sequence[str], out: str | None, two: tuple[str, str] | None, picture: str | None) -> str:
    """Compares runs, writes what is asked for, and returns what the terminal shows.

    Args:
        wanted: runs as `runs.one_run` knows them, or names of experiments; none: all evaluated runs.
        out: a file for the table: .md, .html or .csv.
        two: runs to test on the same images; without `wanted` they are the table.
        picture: a .png for the images on which they differ; None: one under `reports/compare`.

    Raises:
        UserError: no such run, or several; no run yet; two runs that cannot be tested; a file that cannot
            be written; MLflow is away.
    """
    if picture and not two:
        raise UserError("--picture is of two runs: give --pair A B too")
    targets = Targets(_target(out, "--out", KINDS), _target(picture, "--picture", (".png",)))
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            pairs = two_runs(client, *two) if two else ()
            found, note = _wanted(client, wanted) if wanted or not two else (list(pairs), "")
            judged = pair(client, *pairs) if pairs else None
            rows = rows_of(client, found)
    except tracking_server.Away as error:
        raise UserError(
            f"MLflow at {tracking_server.tracking_uri()} is away ({error}): try again once it is back"
        ) from error
    return "\n".join([comparison.to_text(rows), *([note] if note else []), *_write(rows, judged, targets)])


def rows_of(client: "MlflowClient", found: Sequence["Run"]) -> list[Row]:
    """One row per run, in their order; what a run does not have is None."""
    names = _experiments(client, found)
    return [_row(client, run, names[run.info.experiment_id]) for run in found]


def _experiments(client: "MlflowClient", found: Sequence["Run"]) -> dict[str, str]:
    """The names of the experiments that runs are in, by their ids."""
    return {number: client.get_experiment(number).name for number in {run.info.experiment_id for run in found}}


def _row(client: "MlflowClient", run: "Run", data: str) -> Row:
    metrics, tags = run.data.metrics, run.data.tags
    epochs = {point.step for point in client.get_metric_history(run.info.run_id, "train/loss")}
    seconds = {point.step: point.value for point in client.get_metric_history(run.info.run_id, "seconds_per_epoch")}
    parameters = _whole(tags.get("reprolens.parameters"))
    return Row(
        network=run.info.run_name or run.info.run_id,
        data=data,
        key=key_of(run),
        parameters=parameters,
        training_images=_whole(tags.get("reprolens.training_images")),
        epochs=len(epochs) or None,
        seconds=sum(seconds.values()) if epochs and epochs <= seconds.keys() else None,
        accuracy=metrics.get("test/accuracy"),
        low=metrics.get("test_interval/accuracy_low"),
        high=metrics.get("test_interval/accuracy_high"),
        published=_published(tags, parameters),
        note=STATES.get(run.info.status) or ("" if "test/accuracy" in metrics else "not evaluated"),
    )


def _published(tags: dict[str, str], parameters: int | None) -> Published | None:
    """What a notebook printed, if the run is of its network: its preset, with nothing changed that matters."""
    figure, changes = PUBLISHED.get(tags.get("reprolens.preset", "")), tags.get("reprolens.changes")
    if figure is None or changes is None or parameters not in (None, figure.parameters):
        return None
    changed = set() if changes == "none" else {change.partition(" ")[0] for change in changes.split("; ")}
    return figure if changed <= SAME_NETWORK else None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _wanted(client: "MlflowClient", wanted: Sequence[str]) -> tuple[list["Run"], str]:
    """The runs that are meant, each once, and a line on what was left out."""
    if not wanted:
        everything = [experiment.experiment_id for experiment in client.search_experiments()]
        found, note = evaluated(client, everything)
        if not found:
            raise UserError(
                f"no run yet in {tracking_server.tracking_uri()}: run `make repro`, or `reprolens track` for runs "
                "made while MLflow was away"
            )
        return found, note
    meant = [_meant(client, name) for name in wanted]
    return list({run.info.run_id: run for part, _ in meant for run in part}.values()), max(note for _, note in meant)


def _meant(client: "MlflowClient", name: str) -> tuple[list["Run"], str]:
    experiment = client.get_experiment_by_name(name) if name else None
    found, note = evaluated(client, [experiment.experiment_id]) if experiment else ([], "")
    return (found, note) if found else ([runs.one_run(client, name)], "")


def evaluated(client: "MlflowClient", experiments: Sequence[str], most: int = MOST) -> tuple[list["Run"], str]:
    """The newest evaluated runs, by data and then from the most accurate on, and a line if there are more."""
    condition = f"{JUDGED} and attributes.status = 'FINISHED'"
    newest = ["attributes.start_time DESC"]
    found = client.search_runs(list(experiments), condition, max_results=most + 1, order_by=newest)
    names = _experiments(client, found)
    shown = sorted(
        found[:most], key=lambda run: (names[run.info.experiment_id], -run.data.metrics["test/accuracy"], _named(run))
    )
    more = f"only the newest {most} evaluated runs are shown: name runs, or an experiment, for others"
    return shown, more if len(found) > most else ""


def _named(run: "Run") -> str:
    return run.info.run_name or ""


def _target(given: str | None, option: str, endings: Sequence[str]) -> Path | None:
    """The file to write, before any work is done for it."""
    if given is None:
        return None
    target = at_home(given, option)
    if target.suffix not in endings:
        raise UserError(f"{option} {given!r} ends in none of {', '.join(endings)}: give it one of these endings")
    if not target.parent.is_dir():
        raise UserError(f"{option} {given!r}: there is no folder {target.parent}, make it first")
    if target.is_dir():
        raise UserError(f"{option} {given!r} is a folder: give the name of a file")
    return target


def _write(rows: Sequence[Row], judged: Pair | None, targets: Targets) -> list[str]:
    """Writes the files; returns what is said of the pair and of them."""
    said: list[str] = []
    verdict, sheet = None, None
    if judged:
        verdict, sheet = judged.verdict(), judged.draw(targets.picture)
        said = ["", comparison_text.verdict(verdict), *judged.missing(), f"differences {sheet}"]
    if targets.table:
        with os_errors("cannot write the table", targets.table):
            write_text(targets.table, _as(targets.table, rows, verdict, sheet))
        said.append(f"table {targets.table}")
    return said


def _as(target: Path, rows: Sequence[Row], verdict: Verdict | None, sheet: Path | None) -> str:
    if target.suffix == ".csv":
        return comparison.to_csv(rows)
    if target.suffix == ".html":
        return comparison.to_html(rows, verdict, sheet.read_bytes() if sheet else b"")
    beside = Path(os.path.relpath(sheet, target.parent)).as_posix() if sheet else ""
    return comparison.to_markdown(rows, verdict, beside)
