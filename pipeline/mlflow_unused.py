"""What MLflow keeps that nobody needs any more: deleted runs and models that another took the place of.

A registered version needs its run and its model, deleted or not; so does a run that is not deleted its newest model.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.lineage import HASHES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

EVERYTHING = 3  # `ViewType.ALL` of mlflow.entities
DELETED = "deleted"
PAGE = 1000
MD5 = 32  # hex digits
DATA_TAGS = tuple(tag for tag in HASHES if tag.startswith(("reprolens.data", "reprolens.split.", "reprolens.model")))


@dataclass(frozen=True)
class Unneeded:
    """What can go, and the hashes of data and models that what stays leads back to."""

    runs: Sequence["Run"]
    models: Sequence["LoggedModel"]
    needed_hashes: frozenset[str]


def find(client: "MlflowClient") -> Unneeded:
    """Looks through every experiment, deleted or not.

    Raises:
        UserError: a registered version needs a run of a deleted experiment.
    """
    experiments = list(_pages(lambda token: client.search_experiments(EVERYTHING, PAGE, page_token=token)))
    ids = [experiment.experiment_id for experiment in experiments]
    runs = list(_of_each(ids, lambda part, token: client.search_runs(part, "", EVERYTHING, PAGE, page_token=token)))
    versions = list(_pages(lambda token: client.search_model_versions(max_results=PAGE, page_token=token)))
    registered = {version.run_id for version in versions}
    sources = {version.source.removeprefix("models:/") for version in versions if version.source}
    _check_experiments(experiments, runs, registered)
    gone = [run for run in runs if run.info.lifecycle_stage == DELETED and run.info.run_id not in registered]
    gone_ids = {run.info.run_id for run in gone}
    models = [
        model
        for model, is_newest in _models(client, ids)
        if model.model_id not in sources and (model.source_run_id in gone_ids or not is_newest)
    ]
    stay = [run for run in runs if run.info.run_id not in gone_ids]
    tags = [run.data.tags.get(tag, "") for run in stay for tag in DATA_TAGS]
    tags += [value for version in versions for tag, value in version.tags.items() if tag in DATA_TAGS]
    return Unneeded(gone, models, frozenset(tag for tag in tags if len(tag.removesuffix(".dir")) == MD5))


def _check_experiments(experiments: Sequence[Any], runs: Sequence["Run"], registered: set[str]) -> None:
    deleted = {item.experiment_id: item.name for item in experiments if item.lifecycle_stage == DELETED}
    for run in runs:
        if run.info.experiment_id in deleted and run.info.run_id in registered:
            raise UserError(
                f"experiment {deleted[run.info.experiment_id]} is deleted, but a registered version needs its run "
                f"{run.info.run_name}: restore the experiment, or delete the version, then run this again"
            )


def _models(client: "MlflowClient", experiments: list[str]) -> Iterator[tuple["LoggedModel", bool]]:
    """Every model that a run logged, and whether it is that run's newest."""
    newest_first = [{"field_name": "creation_time", "ascending": False}]
    seen: set[str] = set()
    for model in _of_each(
        experiments,
        lambda part, token: client.search_logged_models(part, order_by=newest_first, page_token=token),
    ):
        if model.source_run_id:
            yield model, model.source_run_id not in seen
            seen.add(model.source_run_id)


def _of_each(experiments: list[str], page: Callable[[list[str], str | None], Any]) -> Iterator[Any]:
    """One experiment after another: a server takes only so many at once."""
    for experiment in experiments:
        yield from _pages(lambda token, part=[experiment]: page(part, token))  # type: ignore[misc]


def _pages(page: Callable[[str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        found = page(token)
        yield from found
        token = found.token
        if not token:
            return


def remove(client: "MlflowClient", unneeded: Unneeded) -> None:
    """Removes runs and models for good: first the files, so that a call that was cut off can be made again.

    Args:
        client: of a database; a server removes nothing for good.

    Raises:
        UserError: it is one of a server.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    store = client._tracking_client.store
    if not hasattr(store, "_hard_delete_run"):
        raise UserError(
            f"{client.tracking_uri} is a server, which removes nothing for good: give --backend-store with the "
            "address of its database, where that can be reached"
        )
    for model in unneeded.models:
        client.delete_logged_model(model.model_id)
        get_artifact_repository(model.artifact_location).delete_artifacts()
        store._hard_delete_logged_model(model.model_id)
    for run in unneeded.runs:
        get_artifact_repository(run.info.artifact_uri).delete_artifacts()
        store._hard_delete_run(run.info.run_id)
