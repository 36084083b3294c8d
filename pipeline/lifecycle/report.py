"""`reprolens report [RUN]`: the page of a run with its times and machine, ready to be opened."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import page, paths, tracking, tracking_server
from pipeline.errors import UserError, os_errors
from pipeline.facts import facts_of
from pipeline.files import write_text
from pipeline.journal import Journal, all_journals, open_journal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NAME = paths.REPORT_PAGE.name
AT_ONCE = 50  # runs asked for; more than that is too many to be meant
SHOWN = 5
HEX = re.compile("[0-9a-f]{1,64}")


def report(wanted: str | None) -> Path:
    """Writes the page of a run, or without `wanted` of the workspace, to a file of its own; returns its path.

    Args:
        wanted: an MLflow run id or run key, or the unique beginning of one, or the exact name of a run.

    Raises:
        UserError: nothing was made yet; no such run, several of them, one without a page; MLflow is away.
    """
    text, key = _workspace() if wanted is None else _of_run(wanted)
    target = paths.private() / "reports" / f"{key}.html"
    with os_errors("cannot write the report", target):
        write_text(target, text)
    return target.resolve()


def _workspace() -> tuple[str, str]:
    if not paths.REPORT_PAGE.exists():
        raise UserError(f"{paths.REPORT_PAGE} does not exist: nothing was made yet, run `dvc repro`")
    text = paths.REPORT_PAGE.read_text(encoding="utf-8")
    key = page.run_key_of(text)
    if key is None:
        raise UserError(f"{paths.REPORT_PAGE} is not a report of this project: run `dvc repro --force evaluate`")
    return page.fill(text, facts_of(open_journal(key))), key


def _of_run(wanted: str) -> tuple[str, str]:
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            runs = _matching(client, wanted)
            journals = _journals(wanted, known={run.data.tags.get(tracking.KEY_TAG, "") for run in runs})
            if len(runs) + len(journals) > 1:
                raise UserError(_ambiguous(wanted, runs, journals))
            if runs:
                return _artifact(client, runs[0])
    except tracking_server.Away as error:
        away = f"MLflow at {tracking_server.tracking_uri()} is away ({error})"
        journals = _journals(wanted, known=set())
        if len(journals) > 1:
            raise UserError(_ambiguous(wanted, [], journals)) from error
        if not journals:
            raise UserError(f"{away}, and this checkout knows no run {wanted!r}: try again once it is back") from error
        return _kept(journals[0], f"{away} and has its page")
    if not journals:
        raise UserError(f"no run {wanted!r}: give a run id, a run key, the beginning of one, or a run's exact name")
    return _kept(journals[0], "`reprolens track` was not run")


def _matching(client: "MlflowClient", wanted: str) -> list["Run"]:
    """The runs that `wanted` may mean; an exact id or key means that run alone."""
    tag = f"tags.`{tracking.KEY_TAG}`"
    filters = [f"attributes.run_name = {quoted}"] if (quoted := _quoted(wanted)) else []
    if HEX.fullmatch(wanted):
        filters += [f"attributes.run_id LIKE '{wanted}%'", f"{tag} LIKE '{wanted}%'"]
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = {
        run.info.run_id: run
        for condition in filters
        for run in client.search_runs(experiments, condition, max_results=AT_ONCE)
    }
    exact = [run for run in found.values() if wanted in (run.info.run_id, run.data.tags.get(tracking.KEY_TAG))]
    return exact or list(found.values())


def _quoted(text: str) -> str | None:
    """A text as MLflow's filters take it; one with both kinds of quotes cannot be asked for."""
    return next((f"{mark}{text}{mark}" for mark in ("'", '"') if mark not in text), None)


def _journals(wanted: str, known: set[str]) -> list[Journal]:
    """Journals of this checkout that `wanted` may mean, but those of runs that are `known` already."""
    return [
        journal
        for journal in all_journals()
        if journal.run_key not in known
        and (starts := journal.events("start"))
        and (wanted == starts[-1]["name"] or (HEX.fullmatch(wanted) and journal.run_key.startswith(wanted)))
    ]


def _ambiguous(wanted: str, runs: Sequence["Run"], journals: Sequence[Journal]) -> str:
    ids = [f"{run.info.run_id} ({run.info.run_name})" for run in runs] + [journal.run_key for journal in journals]
    shown = ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
    many = f"{AT_ONCE} or more" if len(ids) >= AT_ONCE else str(len(ids))
    return f"{wanted!r} means {many} runs: {shown}. Give more of one's id"


def _artifact(client: "MlflowClient", run: "Run") -> tuple[str, str]:
    """The page that MLflow has of a run, else what its journal still keeps."""
    run_id, key = run.info.run_id, run.data.tags.get(tracking.KEY_TAG, "")
    safe = key if HEX.fullmatch(key) else run_id  # it becomes the name of a file
    if any(item.path == NAME for item in client.list_artifacts(run_id)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(client.download_artifacts(run_id, NAME, folder))
            return file.read_text(encoding="utf-8"), safe
    return _kept(open_journal(safe), f"MLflow has none for run {run_id}")


def _kept(journal: Journal, reason: str) -> tuple[str, str]:
    """The page that a journal keeps for MLflow, or that of the workspace if it is of that run."""
    if (journal.artifacts / NAME).exists():
        return (journal.artifacts / NAME).read_text(encoding="utf-8"), journal.run_key
    if paths.REPORT_PAGE.exists():
        text = paths.REPORT_PAGE.read_text(encoding="utf-8")
        if page.run_key_of(text) == journal.run_key:
            return page.fill(text, facts_of(journal)), journal.run_key
    raise UserError(f"no report of run {journal.run_key} here ({reason}): only runs that were evaluated have one")
