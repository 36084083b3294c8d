"""MLflow model versions, what their aliases name, and every decision on them. How aliases move: `succession`."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import decision, record, tracked_model, tracking_server, wording
from pipeline.decision import Record
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.runs import KEY_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
CALLED_TAG = "reprolens.called"  # what a person calls its run
MODEL_TAG = "reprolens.model"  # MD5 of the canonical file
DECISION_TAG = "reprolens.decision."  # and when; its value is the short form of the record
FOLDER = "decisions"  # of a run: its records
# What a version takes over from its run.
ORIGIN = (
    *(KEY_TAG, "reprolens.commit", "reprolens.dirty", "reprolens.data"),
    *(f"reprolens.split.{name}" for name in ("train", "val", "test")),
)


@dataclass(frozen=True)
class Version:
    """One version of a registered model; `address` is `models:/NAME/NUMBER`, `created` in milliseconds since 1970."""

    name: str
    number: int
    run_id: str
    address: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    created: int

    @property
    def called(self) -> str:
        """Its run by name and the beginning of its key, as in `dropout 0.3 (digits) 1a2b3c4d`."""
        return self.tags.get(CALLED_TAG, self.run_id[: wording.SHORT] or "of no run")


@contextmanager
def answering() -> Iterator[None]:
    """Turns a registry that is away into one line; for calls of MLflow alone, since any `OSError` counts."""
    try:
        with tracking_server.reachable():
            yield
    except tracking_server.Away as error:
        raise UserError(
            f"the registry, MLflow at {tracking_server.tracking_uri()}, is away ({error}): the champion stays the one "
            "it is, run this again once it is back"
        ) from error


def connect() -> "MlflowClient":
    """A client; raises a `UserError` where the registry is away."""
    with answering():
        return tracking_server.connect()


def model_name(params: Params) -> str:
    """The registered model of a data set: its experiment's name, without what MLflow or an address cannot hold."""
    return re.sub(r"[^\w .-]", "-", record.experiment_name(params))


def versions(client: "MlflowClient", name: str) -> list[Version]:
    """Every version of a registered model, oldest first; none where there is no such model."""
    aliases = _aliases(client, name)
    found: list[Version] = []
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=1000, page_token=token)
        found += [_version(item, aliases) for item in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda version: version.number)


def _version(item: "ModelVersion", aliases: Mapping[str, int]) -> Version:
    number = int(item.version)
    return Version(
        name=item.name,
        number=number,
        run_id=item.run_id or "",
        address=f"models:/{item.name}/{number}",
        tags=dict(item.tags),
        aliases=tuple(sorted(alias for alias, named in aliases.items() if named == number)),
        created=item.creation_timestamp,
    )


def _aliases(client: "MlflowClient", name: str) -> dict[str, int]:
    """Which version each alias names; empty where there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        return {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}
    except MlflowException as error:
        if error.error_code not in tracked_model.NOT_THERE:
            raise
        return {}


def champion(client: "MlflowClient", name: str) -> Version | None:
    """The version that serves, if any."""
    return next((version for version in versions(client, name) if CHAMPION in version.aliases), None)


def version_of(client: "MlflowClient", name: str, wanted: str | int) -> Version:
    """The version that an alias or a number names.

    Raises:
        UserError: there is none; says which there are.
    """
    known = versions(client, name)
    for version in known:
        if str(wanted) in (str(version.number), *version.aliases):
            return version
    if not known:
        raise UserError(f"model {name} has no version yet: `reprolens promote` makes the first one")
    there = ", ".join([*sorted(alias for version in known for alias in version.aliases), f"1 to {known[-1].number}"])
    kind = "version" if str(wanted).isdecimal() else "alias"
    raise UserError(f"model {name} has no {kind} {str(wanted)!r}: give one of {there}")


def add(client: "MlflowClient", name: str, run: "Run", tags: Mapping[str, str] | None = None) -> Version:
    """The version of a run's model, which is made where there is none of these very bytes.

    Args:
        tags: beside those that lead back to run, commit, data and splits.

    Raises:
        UserError: the run has no model.
    """
    import mlflow

    mlflow.set_tracking_uri(client.tracking_uri)  # MLflow looks up the source there
    address = tracked_model.address_of(client, run)
    digest = run.data.tags.get(tracked_model.LOGGED_TAG, address)
    if known := _of_model(client, name, run.info.run_id, digest):
        return known
    _make_model(client, name)
    origin = {tag: run.data.tags[tag] for tag in ORIGIN if tag in run.data.tags}
    called = f"{run.info.run_name} {run.data.tags.get(KEY_TAG, run.info.run_id)[: wording.SHORT]}"
    whole = {**origin, CALLED_TAG: called, MODEL_TAG: digest, **(tags or {})}
    number = address.removeprefix("models:/")  # a server takes such a source only beside its id
    client.create_model_version(name, address, run.info.run_id, tags=whole, model_id=number)
    made = _of_model(client, name, run.info.run_id, digest)
    assert made is not None
    return made


def _of_model(client: "MlflowClient", name: str, run_id: str, digest: str) -> Version | None:
    """The first one, where two processes made one each."""
    alike = (item for item in versions(client, name) if item.run_id == run_id and item.tags.get(MODEL_TAG) == digest)
    return next(alike, None)


def _make_model(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def keep_files(client: "MlflowClient", version: Version, kept: Record) -> None:
    """Keeps a whole record with the run of a version, for programs and for people; one made by hand may have none."""
    if not version.run_id:
        return
    file = f"{FOLDER}/{decision.stamp(kept)}-v{version.number}"
    client.log_text(version.run_id, decision.markdown(kept), f"{file}.md")
    client.log_text(version.run_id, decision.to_json(kept), f"{file}.json")


def keep_tag(client: "MlflowClient", version: Version, kept: Record) -> None:
    """Keeps the short form of a record on the version; from then on it counts."""
    client.set_model_version_tag(
        version.name, str(version.number), f"{DECISION_TAG}{decision.stamp(kept)}", decision.short(kept)
    )


def decisions(client: "MlflowClient", name: str) -> list[Record]:
    """The short form of every decision on a model, oldest first."""
    tags = [tag for version in versions(client, name) for tag in version.tags.items()]
    return [json.loads(text) for tag, text in sorted(tags) if tag.startswith(DECISION_TAG)]
