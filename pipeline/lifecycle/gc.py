"""`reprolens gc`: removes what neither DVC nor MLflow needs any more; says it first, does it with `apply` alone."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline import dvc_unused, mlflow_unused, paths, registry, study_address, study_storage, tracking_server
from pipeline.dvc_unused import Unused
from pipeline.errors import UserError
from pipeline.mlflow_unused import Unneeded
from pipeline.retrain_lock import Held, only_one

if TYPE_CHECKING:
    from mlflow import MlflowClient

SHOWN = 5  # runs named
MB = 1_000_000


def gc(apply: bool, cloud: bool, backend_store: str | None) -> str:
    """Looks, or removes; returns what there is to say.

    Args:
        cloud: also what the default DVC remote holds.
        backend_store: address of the database of an MLflow server.

    Raises:
        UserError: what is needed cannot be told, so nothing is removed.
    """
    try:
        with only_one(paths.private()):
            return _alone(apply, cloud, backend_store)
    except Held as error:
        raise UserError(f"a retraining is at work ({error}): run this again when it has ended") from error


def _alone(apply: bool, cloud: bool, backend_store: str | None) -> str:
    client = registry.connect()
    with registry.answering():
        unneeded = mlflow_unused.find(client)
    with dvc_unused.opened() as repo:
        needed = dvc_unused.needed(repo, unneeded.needed_hashes)
        unused = dvc_unused.unused(repo, needed, cloud)
        if apply:
            if unneeded.runs or unneeded.models:
                _remove_of_mlflow(client, unneeded, backend_store)
            dvc_unused.remove(repo, needed, cloud)
    return "\n".join(_told(unneeded, unused, apply))


def _remove_of_mlflow(client: "MlflowClient", unneeded: Unneeded, backend_store: str | None) -> None:
    database = _database(backend_store) if backend_store else client
    with registry.answering():
        mlflow_unused.remove(database, unneeded)


def _database(address: str) -> "MlflowClient":
    try:
        place = study_address.parse(address)
        if "experiments" not in study_storage.tables(place):  # MLflow would make its tables there
            raise UserError(f"--backend-store {study_address.shown(place)}: no MLflow server keeps its runs there")
        return tracking_server.of_database(place.render_as_string(hide_password=False))
    except UserError as error:
        raise UserError(str(error).replace("--storage", "--backend-store")) from error
    except tracking_server.Away as error:
        raise UserError(f"--backend-store {study_address.shown(place)}: {error}") from error


def _told(unneeded: Unneeded, unused: list[Unused], apply: bool) -> Iterator[str]:
    lines = list(_lines(unneeded, unused))
    if not lines:
        yield "nothing to remove: branches, tags, experiments, runs and model versions need all there is"
        return
    yield "removed:" if apply else "would be removed:"
    yield from lines
    if not apply:
        yield "Nothing was removed: `reprolens gc --apply` does it"


def _lines(unneeded: Unneeded, unused: list[Unused]) -> Iterator[str]:
    if unneeded.runs:
        names = [f"{run.info.run_name} {run.info.run_id[:8]}" for run in unneeded.runs]
        more = ", ..." if len(names) > SHOWN else ""
        yield f"  MLflow      {_counted(len(names), 'deleted run')}: {', '.join(names[:SHOWN])}{more}"
    if unneeded.models:
        count = _counted(len(unneeded.models), "model")
        yield f"  MLflow      {count} of deleted runs, or that a newer one of the same run took the place of"
    for each in unused:
        if each.count:
            yield f"  {each.place:10}  {_counted(each.count, 'object')}, {each.num_bytes / MB:,.1f} MB"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
