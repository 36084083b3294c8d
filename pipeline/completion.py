"""Brings the MLflow run of a journal to a complete state; doing it twice changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import machine, tracked_model, tracking
from pipeline.journal import Journal

if TYPE_CHECKING:
    from mlflow import MlflowClient


def complete(client: "MlflowClient", journal: Journal, model: Path | None) -> str:
    """Adds to the run whatever it misses: params, tags, epochs, test metrics, model, files, status.

    Args:
        model: the trained `.keras` file, if it is at hand.

    Returns:
        The id of the run.
    """
    run_id = tracking.begin(client, journal)
    tracking.log_epochs(client, run_id, journal.epochs(), tracking.epochs_of(client, run_id))
    if test := journal.last("test"):
        tracking.log_test(client, run_id, test["metrics"], test["time"])
    if model:
        tracked_model.log_model(client, run_id, model)
    tracking.upload(client, run_id, journal)
    _set_status(client, run_id, journal)
    journal.model.unlink(missing_ok=True)
    journal.warned.unlink(missing_ok=True)
    return run_id


def _set_status(client: "MlflowClient", run_id: str, journal: Journal) -> None:
    start, end = journal.events("start")[-1], journal.last("end")
    if end and end["time"] >= start["time"]:
        tracking.set_status(client, run_id, end["status"], end["time"])
    elif not machine.process_lives(start["pid"]):
        last = (journal.epochs() or [start])[-1]
        tracking.set_status(client, run_id, "KILLED", last["time"])
