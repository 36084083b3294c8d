"""`reprolens report [RUN]`: the page of a run with its times and machine, ready to be opened."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import page, paths, runs, tracking_server
from pipeline.errors import UserError, os_errors
from pipeline.facts import facts_of
from pipeline.files import write_text
from pipeline.journal import Journal, all_journals, open_journal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NAME = paths.REPORT_PAGE.name


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
            found = runs.matching(client, wanted)
            journals = _journals(wanted, known={run.data.tags.get(runs.KEY_TAG, "") for run in found})
            if len(found) + len(journals) > 1:
                raise UserError(_ambiguous(wanted, found, journals))
            if found:
                return _artifact(client, found[0])
    except tracking_server.Away as error:
        away = f"MLflow at {tracking_server.tracking_uri()} is away ({error})"
        journals = _journals(wanted, known=set())
        if len(journals) > 1:
            raise UserError(_ambiguous(wanted, [], journals)) from error
        if not journals:
            raise UserError(f"{away}, and this checkout knows no run {wanted!r}: try again once it is back") from error
        return _kept(journals[0], f"{away} and has its page")
    if not journals:
        raise UserError(runs.no_run(wanted))
    return _kept(journals[0], "`reprolens track` was not run")


def _journals(wanted: str, known: set[str]) -> list[Journal]:
    """Journals of this checkout that `wanted` may mean, but those of runs that are `known` already."""
    return [
        journal
        for journal in all_journals()
        if journal.run_key not in known
        and (starts := journal.events("start"))
        and (wanted == starts[-1]["name"] or (runs.HEX.fullmatch(wanted) and journal.run_key.startswith(wanted)))
    ]


def _ambiguous(wanted: str, found: Sequence["Run"], journals: Sequence[Journal]) -> str:
    called = [f"{run.info.run_id} ({run.info.run_name})" for run in found] + [journal.run_key for journal in journals]
    return runs.ambiguous(wanted, called)


def _artifact(client: "MlflowClient", run: "Run") -> tuple[str, str]:
    """The page that MLflow has of a run, else what its journal still keeps."""
    run_id, key = run.info.run_id, run.data.tags.get(runs.KEY_TAG, "")
    safe = key if runs.HEX.fullmatch(key) else run_id  # it becomes the name of a file
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
