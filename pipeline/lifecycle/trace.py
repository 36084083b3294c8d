"""`reprolens trace ANY`: everything that is connected with a run, commit, file, model version or hash."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import (
    clues,
    commits,
    decision,
    dvc_storage,
    params_file,
    paths,
    record,
    registry,
    runs,
    tracking_server,
    version_names,
)
from pipeline.clues import Clue
from pipeline.errors import UserError
from pipeline.lifecycle.verify import run_of_version
from pipeline.lineage import HASHES, Lineage, VersionLine
from pipeline.registry import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MOST = 200  # runs looked for per tag; the newest
IN_FULL = 3  # runs told in full
LOGGED = "reprolens.logged_model_md5"


def trace(wanted: str) -> str:
    """Tells what `wanted` is and everything connected with it.

    Args:
        wanted: a run (id, run key, the beginning of one, exact name), a commit or other git revision, a file or
            folder, a model version (see `version_names`), an MD5 of data or model, or the beginning of one.

    Raises:
        UserError: there is nothing of that name; MLflow is away.
    """
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            heads, found = _search(client, wanted)
            versions = _versions(client) if found else []
            lines = [_lineage(client, run, versions) for run in found[:IN_FULL]]
            others = [_lineage(client, run, ()) for run in found[IN_FULL:]]
    except tracking_server.Away as error:
        raise UserError(
            f"MLflow at {tracking_server.tracking_uri()} is away ({error}): try again once it is back"
        ) from error
    if not heads:
        raise UserError(
            f"nothing is known of {wanted!r}: give a run, a commit, a file, a model version as NAME@champion, or at "
            f"least {clues.LEAST} digits of a hash"
        )
    rest = "\n".join(f"also       {item.line()}" for item in others)
    return "\n\n".join([*("\n".join(heads),), *(item.text() for item in lines), *([rest] if rest else [])])


def _search(client: "MlflowClient", wanted: str) -> tuple[list[str], list["Run"]]:
    """What it is, one line each, and its runs, newest first."""
    heads: list[str] = []
    found: dict[str, Run] = {}
    for what, some in _meanings(client, wanted):
        heads.append(f"{wanted}: {what}{_count(some)}")
        found |= {run.info.run_id: run for run in some}
    return heads, sorted(found.values(), key=lambda run: -run.info.start_time)


def _meanings(client: "MlflowClient", wanted: str) -> Iterator[tuple[str, Sequence["Run"]]]:
    if (file := Path(wanted).expanduser()).exists():
        if file.absolute() == paths.PARAMS.absolute():
            yield "the params of this folder", _with_params(client)
        else:
            yield from _of_clues(client, clues.of_file(file))
    elif version := version_names.parse(wanted):
        known = registry.version_of(client, *version)
        yield f"version {known.number} of {known.name}", [run_of_version(client, known)]
    else:
        tagged = list(_of_clues(client, clues.of_text(wanted)))
        yield from tagged
        told = {run.info.run_id for _, some in tagged for run in some}
        named = [run for run in runs.matching(client, wanted) if run.info.run_id not in told]
        if named:
            yield "run", named


def _of_clues(client: "MlflowClient", found: Sequence[Clue]) -> Iterator[tuple[str, Sequence["Run"]]]:
    for clue in found:
        some = _tagged(client, clue.tag, clue.value) if clue.tag else []
        if some or clue.sure:
            yield clue.what, some


def _tagged(client: "MlflowClient", tag: str, value: str) -> list["Run"]:
    """Runs with a tag that begins so."""
    if "'" in value or "%" in value:
        return []
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`{tag}` LIKE '{value}%'", max_results=MOST))


def _with_params(client: "MlflowClient") -> list["Run"]:
    """Runs of exactly the params of this folder."""
    params = params_file.load(paths.PARAMS)
    experiment = client.get_experiment_by_name(record.experiment_name(params))
    if experiment is None:
        return []
    flat = params_file.flatten(params.model_dump(mode="json")).items()
    wanted = {name: str(value) for name, value in flat}
    return [
        run for run in client.search_runs([experiment.experiment_id], max_results=MOST) if run.data.params == wanted
    ]


def _versions(client: "MlflowClient") -> list[Version]:
    """Every model version that MLflow has."""
    names = [model.name for model in client.search_registered_models()]
    return [version for name in names for version in registry.versions(client, name)]


def _lineage(client: "MlflowClient", run: "Run", versions: Sequence[Version]) -> Lineage:
    tags = run.data.tags
    commit = commits.find(tags.get("reprolens.commit", ""))
    return Lineage(
        run.info.run_id,
        run.info.run_name,
        client.get_experiment(run.info.experiment_id).name,
        run.info.status,
        run.info.start_time,
        tags,
        run.data.metrics,
        commit.subject if commit else "",
        [_version_line(version) for version in versions if version.run_id == run.info.run_id],
        _places(tags),
    )


def _version_line(version: Version) -> VersionLine:
    records = [json.loads(text) for tag, text in sorted(version.tags.items()) if tag.startswith(registry.DECISION_TAG)]
    told = [f"{decision.when(kept)}  {decision.headline(kept)}" for kept in records]
    return VersionLine(version.address, version.aliases, told)


def _places(tags: Mapping[str, str]) -> dict[str, list[str]]:
    """Where the bytes of a run's hashes are: in this folder, in DVC's cache, in MLflow."""
    storage = dvc_storage.storage()
    here = {md5: str(path) for path, md5 in record.locked_hashes().items() if path.exists()}
    found = {}
    for md5 in {tags[tag] for tag in HASHES if tag in tags}:
        logged = tags.get(LOGGED) == md5
        known = {here.get(md5, ""): md5 in here, "DVC's cache": storage.has(md5), "MLflow": logged}
        found[md5] = [place for place, is_there in known.items() if is_there]
    return found


def _count(some: Sequence["Run"]) -> str:
    if not some:
        return "; no run in MLflow is of it"
    return "" if len(some) == 1 else f" of {len(some)}{' or more' if len(some) == MOST else ''} runs"
