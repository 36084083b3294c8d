"""Making a run again in a temporary worktree: its commit, params, lock and difference of the code, the same data."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import children, dvc_storage, machine, params_file, paths, worktree
from pipeline.dvc_storage import Storage
from pipeline.errors import UserError
from pipeline.files import at_home, file_digest, write_text
from pipeline.origin import Origin, flat_metrics, hashes_of
from pipeline.progress import say
from pipeline.remote import is_remote
from pipeline.verdict import Made, Verdict

STAGES = ("split", "train", "evaluate")
# Of the caller's environment; they would lead to another checkout, server or experiment.
LEFT_OUT = ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_SITE_CACHE_DIR", "MLFLOW_RUN_ID")
BINARY = Path(sys.executable).parent  # where `dvc` of this environment lies


def remake(origin: Origin) -> Verdict:
    """Makes a run again, as far as its data are at hand, and compares.

    Raises:
        UserError: it cannot be made: the commit or the code is missing, the data are gone, a stage fails.
    """
    with laid_out(origin) as place:
        came_from = _bring_data(origin, place, dvc_storage.storage())
        raw = file_digest(place / paths.RAW, "md5")
        now = Made(raw)
        if raw == origin.made.data:
            _repro(origin, place)
            now = _made(place, raw)
    return Verdict(origin.called, origin.commit, origin.made, now, came_from)


@contextmanager
def laid_out(origin: Origin) -> Iterator[Path]:
    """Yields a folder with the run's commit and, over it, what it stored.

    Raises:
        UserError: the code cannot be had.
    """
    if not worktree.has_commit(origin.commit):
        raise UserError(
            f"run {origin.called} was made at commit {origin.commit}, which this repository does not have: "
            "`git fetch` it, or verify where it was made"
        )
    with worktree.checked_out(origin.commit) as place:
        try:
            binaries = worktree.apply(origin.diff.read_bytes(), place) if origin.diff else []
        except UserError as error:
            raise UserError(f"run {origin.called} cannot be made again: {error}") from error
        shutil.copyfile(origin.params, place / paths.PARAMS)
        write_text(place / paths.GRAPH_LOCK, origin.lock_text())
        _require_code(origin, place, binaries)
        _lend_packages(place / ".venv")
        _lend_downloads(place)
        yield place


def _lend_packages(link: Path) -> None:
    if link.is_symlink():  # someone committed one
        link.unlink()
    if not link.exists():
        link.symlink_to(sys.prefix)


def _require_code(origin: Origin, place: Path, binaries: list[str]) -> None:
    """Holds the code of the worktree to the hashes that data and model were made by."""
    for name, md5 in origin.code().items():
        if not (place / name).is_file() or name in binaries:
            raise UserError(
                f"run {origin.called} cannot be made again: {name}, which it was made by, was never tracked by git: "
                "commit the code, then run `dvc repro`"
            )
        if file_digest(place / name, "md5") != md5:
            raise UserError(
                f"run {origin.called} cannot be made again: {name} was another file (MD5 {md5}) when it was made "
                f"than in commit {origin.commit[:10]} with the run's code.diff"
            )


def _bring_data(origin: Origin, place: Path, storage: Storage) -> str:
    """Puts the run's raw data in its place, if they can be had; says where from."""
    md5, target = origin.made.data, place / paths.RAW
    target.parent.mkdir(parents=True, exist_ok=True)
    if storage.has(md5):
        target.symlink_to(storage.place(md5))
        return f"DVC's cache ({storage.place(md5)})"
    dvc_storage.lend_remotes(storage, place)
    if storage.remotes and not _dvc(place, "pull", "--quiet", str(paths.RAW)) and target.exists():
        return f"DVC's remote {storage.default or next(iter(storage.remotes))}"
    return _download(origin, place, storage)


def _download(origin: Origin, place: Path, storage: Storage) -> str:
    """Fetches the data from their source, once more."""
    dataset = params_file.read_yaml(place / paths.PARAMS)["dataset"]
    say(f"verify: neither DVC's cache nor a remote has {origin.made.data}: asking the source")
    _lend_sources(place, [str(dataset[key]) for key in ("path", "mirror") if dataset.get(key)])
    gone = (
        f"the raw images of run {origin.called} (MD5 {origin.made.data}) are gone: neither DVC's cache "
        f"{storage.cache} nor a remote has them"
    )
    if _run(place, sys.executable, "-m", "pipeline.stages.download"):
        raise UserError(f"{gone}, and they cannot be fetched again (see above). `dvc push` keeps a snapshot elsewhere")
    found = file_digest(place / paths.RAW, "md5")
    is_fixed = dataset["name"] != "folder" or bool(dataset.get("sha256"))
    if found != origin.made.data and not is_fixed:
        raise UserError(
            f"{gone}, and {dataset['path']} holds other images now (MD5 {found}). `dvc push` keeps a snapshot elsewhere"
        )
    return f"the source ({dataset['path'] or dataset['name']})"


def _lend_downloads(place: Path) -> None:
    """What was downloaded before, data and weights."""
    if paths.downloads().exists():
        (place / ".reprolens").mkdir(exist_ok=True)
        (place / ".reprolens" / "downloads").symlink_to(paths.downloads().resolve())


def _lend_sources(place: Path, names: list[str]) -> None:
    """Folders that the params name by their place in this checkout."""
    for name in names:
        relative = at_home(name, "dataset.path")
        if not is_remote(name) and not relative.is_absolute() and relative.exists() and not (place / relative).exists():
            (place / relative).parent.mkdir(parents=True, exist_ok=True)
            (place / relative).symlink_to(relative.resolve())


def _repro(origin: Origin, place: Path) -> None:
    if _dvc(place, "repro", "--quiet", "--force", "--no-commit", "--single-item", *STAGES):
        raise UserError(f"run {origin.called} cannot be made again: a stage failed, see above")


def _made(place: Path, raw: str) -> Made:
    """What the worktree holds now."""
    _, parts = hashes_of(params_file.read_yaml(place / paths.GRAPH_LOCK))
    threads = params_file.read_yaml(place / paths.PARAMS).get("train", {}).get("threads", "unknown")
    here = machine.versions() | {"processor": machine.cpu(), "threads": str(threads)}
    metrics = flat_metrics(place / paths.METRICS)
    return Made(raw, parts, file_digest(place / paths.MODEL, "md5"), metrics, here)


def _dvc(place: Path, *words: str) -> int:
    return _run(place, str(BINARY / "dvc"), *words)


def _run(place: Path, *command: str) -> int:
    """Runs a program of this environment in the worktree; MLflow is a store in there."""
    environment = {name: value for name, value in worktree.environment().items() if name not in LEFT_OUT}
    ours = {
        "DVC_ROOT": str(place),
        "DVC_SITE_CACHE_DIR": str(place / ".dvc" / "site"),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlruns' / 'mlflow.db'}",
        "PATH": os.pathsep.join([str(BINARY), environment.get("PATH", os.defpath)]),
    }
    return children.run(list(command), place, environment | ours)
