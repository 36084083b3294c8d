"""What a run stored to be made again: commit, params, lock, difference of the code; and what it came to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import params_file, paths, runs
from pipeline.errors import UserError
from pipeline.journal import open_journal
from pipeline.verdict import Made
from pipeline.wording import SHORT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DIFF = "code.diff"
TRUSTED = ("split", "train")  # stages whose entries in the stored lock are of this run; `evaluate` wrote its own later


@dataclass(frozen=True)
class Origin:
    """`lock` is the content of the stored `dvc.lock`; `params` and `diff` are files of their own."""

    called: str
    commit: str
    params: Path
    lock: Mapping[str, Any]
    lock_file: Path
    diff: Path | None
    made: Made

    def lock_text(self) -> str:
        """The stored lock, with the raw data of the run."""
        text, (raw, _) = self.lock_file.read_text(encoding="utf-8"), hashes_of(self.lock)
        return text.replace(raw, self.made.data) if raw else text

    def code(self) -> dict[str, str]:
        """MD5 of each file of code and packages that data and model were made by."""
        deps = [dep for stage in TRUSTED for dep in self.lock["stages"].get(stage, {}).get("deps", [])]
        return {
            dep["path"]: dep["md5"]
            for dep in deps
            if dep["path"].startswith("pipeline/") or dep["path"] == str(paths.PACKAGE_LOCK)
        }


def called(run: "Run") -> str:
    """A run by its name and the beginning of its key."""
    key = run.data.tags.get(runs.KEY_TAG, run.info.run_id)
    return f"{run.info.run_name} {key[:SHORT]}"


def origin_of(client: "MlflowClient", run: "Run", folder: Path) -> Origin:
    """Fetches what a run stored to `folder`.

    Raises:
        UserError: it was not evaluated, or its commit is unknown.
    """
    tags = run.data.tags
    commit, model = tags.get("reprolens.commit", "unknown"), tags.get("reprolens.model")
    if commit == "unknown":
        raise UserError(f"run {called(run)} was made outside a git repository: no commit leads back to its code")
    found = {
        name: stored(client, run, name, folder)
        for name in (paths.PARAMS.name, paths.GRAPH_LOCK.name, paths.METRICS.name)
    }
    params, lock_file, metrics = found.values()
    if not (params and lock_file and metrics and model):
        missing = ", ".join([*(name for name, file in found.items() if not file), *([] if model else ["its model"])])
        raise UserError(
            f"run {called(run)} has no {missing}: only a run that was trained and evaluated can be made again "
            "(`reprolens track` completes one that MLflow missed)"
        )
    lock = params_file.read_yaml(lock_file)
    made = Made(
        *_data_of(lock, tags),
        model=model,
        metrics=flat_metrics(metrics),
        environment=environment_of(tags),
    )
    diff = stored(client, run, DIFF, folder) if tags.get("reprolens.dirty") == "yes" else None
    return Origin(called(run), commit, params, lock, lock_file, diff, made)


def stored(client: "MlflowClient", run: "Run", name: str, folder: Path) -> Path | None:
    """A file of a run: still in its journal, which is the newest, or in MLflow."""
    key = run.data.tags.get(runs.KEY_TAG, "")
    if runs.HEX.fullmatch(key) and (waiting := open_journal(key).artifacts / name).exists():
        return waiting
    if all(item.path != name for item in client.list_artifacts(run.info.run_id)):
        return None
    return Path(client.download_artifacts(run.info.run_id, name, str(folder)))


def hashes_of(lock: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """MD5 of the raw data, and of each part of the split by its path, as a lock has them."""
    stages = lock.get("stages", {})
    outs = {name: {out["path"]: out["md5"] for out in stages.get(name, {}).get("outs", [])} for name in stages}
    raw = outs.get("download", {}).get(str(paths.RAW), "")
    parts = {path: md5 for path, md5 in outs.get("split", {}).items() if path.startswith("data/")}
    return raw, parts


def _data_of(lock: Mapping[str, Any], tags: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """As `hashes_of`; from the run's tags where the lock was stored after `split` had gone on to other data."""
    raw, parts = hashes_of(lock)
    trained_on = {dep["path"]: dep["md5"] for dep in lock.get("stages", {}).get("train", {}).get("deps", [])}
    if all(trained_on[path] == md5 for path, md5 in parts.items() if path in trained_on):
        return raw, parts
    tagged = {f"data/split/{name}": tags.get(f"reprolens.split.{name}", "") for name in ("train", "val", "test")}
    return tags.get("reprolens.data", ""), tagged


def flat_metrics(file: Path) -> dict[str, float]:
    """The numbers of `metrics.json` by dotted names."""
    return params_file.flatten(json.loads(file.read_text(encoding="utf-8")))


def environment_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Versions, processor and threads, as the tags of a run have them."""
    versions: dict[str, str] = json.loads(tags.get("reprolens.versions", "{}"))
    unknown = "unknown"
    return versions | {
        "processor": tags.get("reprolens.cpu", unknown),
        "threads": tags.get("reprolens.threads", unknown),
    }
