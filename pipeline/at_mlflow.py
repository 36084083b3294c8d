"""What MLflow has of the model that lies in the workspace, which perhaps another clone has made."""

from typing import TYPE_CHECKING

from pipeline import paths, registry, tracking
from pipeline.files import file_digest
from pipeline.journal import open_journal
from pipeline.params import Params
from pipeline.runs import KEY_TAG
from pipeline.tracked_model import LOGGED_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient


def is_judged(client: "MlflowClient", params: Params) -> bool:
    """Whether there is a decision on it.

    Raises:
        UserError: MLflow is away.
    """
    key = _run_key()
    with registry.answering():
        known = registry.versions(client, registry.model_name(params))
    return any(
        version.tags.get(KEY_TAG) == key and any(tag.startswith(registry.DECISION_TAG) for tag in version.tags)
        for version in known
    )


def is_whole(client: "MlflowClient") -> bool:
    """Whether there is nothing for `track` to add. What another clone has written of commit and machine then stays.

    Raises:
        UserError: MLflow is away.
    """
    journal = open_journal(_run_key())
    if journal.warned.exists() or journal.artifacts.exists() or journal.model.exists():
        return False
    with registry.answering():
        run = tracking.find_run(client, journal.run_key)
    made = file_digest(paths.MODEL, "md5")
    return run is not None and "test/accuracy" in run.data.metrics and run.data.tags.get(LOGGED_TAG) == made


def _run_key() -> str:
    return paths.RUN_KEY.read_text(encoding="utf-8").strip()
