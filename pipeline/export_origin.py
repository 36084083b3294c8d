"""Where an exported model came from: its canonical file and its MLflow run; and what the run is told of the export."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import paths, registry, runs, tracked_model, tracking
from pipeline.export import Exported
from pipeline.files import file_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LOGGED_MODEL = "m-"  # how the ids of MLflow's logged models begin


def file_at_hand(wanted: str | None) -> Path | None:
    """The file that `classifier.find` opens without MLflow, if any."""
    if wanted is None:
        return paths.MODEL
    return Path(wanted) if not wanted.startswith("models:/") and Path(wanted).exists() else None


def run_of_file(client: "MlflowClient", file: Path) -> "Run | None":
    """The run that logged these very bytes: the one of this workspace, or the newest of several."""
    digest = file_digest(file, "md5")
    if paths.RUN_KEY.exists() and paths.MODEL.exists() and file_digest(paths.MODEL, "md5") == digest:
        return tracking.find_run(client, paths.RUN_KEY.read_text(encoding="utf-8").strip())
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`{tracked_model.LOGGED_TAG}` = '{digest}'", max_results=1)
    return found[0] if found else None


def run_of_model(client: "MlflowClient", wanted: str) -> "Run | None":
    """The run of a `models:/` address, or the one that is meant by another word; None for a model of no run."""
    if not wanted.startswith("models:/"):
        return runs.one_run(client, wanted)
    name = wanted.removeprefix("models:/")
    run_id = client.get_logged_model(name).source_run_id if _is_logged_model(name) else _run_of_version(client, name)
    return client.get_run(run_id) if run_id else None


def _is_logged_model(name: str) -> bool:
    return name.startswith(LOGGED_MODEL) and "/" not in name and "@" not in name


def _run_of_version(client: "MlflowClient", text: str) -> str:
    mark = "@" if "@" in text else "/"
    name, _, wanted = text.partition(mark)
    if (mark, wanted) == ("/", "latest"):
        return registry.versions(client, name)[-1].run_id
    return registry.version_of(client, name, wanted).run_id


def log(client: "MlflowClient", run: "Run", exported: Exported) -> str:
    """Tells the run how far the export was from it, and the digest of the export; returns the name of the metric."""
    name = exported.format_name
    client.log_metric(run.info.run_id, f"export/{name}_difference", exported.compared.difference)
    client.set_tag(run.info.run_id, f"reprolens.export.{name}", exported.digest)
    return f"export/{name}_difference"
