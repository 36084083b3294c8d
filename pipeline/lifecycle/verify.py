"""`reprolens verify RUN|VERSION`: makes a run again from what it stored, and says whether it is the same."""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import registry, runs, tracking, tracking_server, version_names
from pipeline.errors import UserError
from pipeline.lifecycle.remake import remake
from pipeline.lifecycle.tune import terminated_as_interrupted
from pipeline.origin import Origin, origin_of
from pipeline.registry import Version
from pipeline.verdict import Verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def verify(wanted: str) -> tuple[str, int]:
    """Makes a run again and compares data, split, model and metrics.

    Args:
        wanted: a run as `runs.one_run` knows it, or a model version as `version_names` reads it.

    Returns:
        The verdict for people, and the exit code: 0 identical, 3 differs.

    Raises:
        UserError: there is no such run; it cannot be made again; MLflow is away.
        KeyboardInterrupt: Ctrl-C or SIGTERM; nothing is left behind.
    """
    with terminated_as_interrupted(), tempfile.TemporaryDirectory() as folder:
        client, run_id, origin = _found(wanted, Path(folder))
        verdict = remake(origin)
    _record(client, run_id, verdict)
    return verdict.text(), verdict.exit_code


def run_of(client: "MlflowClient", wanted: str) -> "Run":
    """The run that is meant, or the one of the version that is meant.

    Raises:
        UserError: there is none, or there are several.
    """
    version = version_names.parse(wanted)
    if version is None:
        return runs.one_run(client, wanted)
    return run_of_version(client, registry.version_of(client, *version))


def run_of_version(client: "MlflowClient", version: Version) -> "Run":
    """The run that a model version came from.

    Raises:
        UserError: it names none.
    """
    if not version.run_id:
        raise UserError(f"{version.address} names no run: it was registered by another program")
    return client.get_run(version.run_id)


def _found(wanted: str, folder: Path) -> tuple["MlflowClient", str, Origin]:
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            run = run_of(client, wanted)
            return client, run.info.run_id, origin_of(client, run, folder)
    except tracking_server.Away as error:
        raise UserError(
            f"MLflow at {tracking_server.tracking_uri()} is away ({error}): it has what the run stored, "
            "try again once it is back"
        ) from error


def _record(client: "MlflowClient", run_id: str, verdict: Verdict) -> None:
    """Keeps the verdict with the run, if MLflow is still there."""
    try:
        with tracking_server.reachable():
            tracking.log_facts(client, run_id, {}, verdict.tags(datetime.now(UTC)))
    except tracking_server.Away as error:
        print(f"warning: MLflow is away ({error}): the run does not keep this verdict", file=sys.stderr)
