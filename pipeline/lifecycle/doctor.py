"""`reprolens doctor`: is all well with this machine and checkout? Looks only; changes and trains nothing."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from pipeline import checkup, commits, git, machine, params_file, paths, tracking_health
from pipeline.checkup import Line
from pipeline.dvc_storage import Storage, storage
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.remote_health import look_at as look_at_remote

SUPPORTED = ((3, 11), (3, 13))
GPU_LOCK = Path("requirements-gpu.lock")
ROOM = 2_000_000_000  # bytes that a run may write besides as much as it has made before
PATIENCE = 5.0  # seconds for a program that tells of the GPU


def doctor() -> tuple[str, bool]:
    """Looks at everything; returns one line each, and whether nothing is bad."""
    lines = [line for look in LOOKS for line in look()]
    return checkup.text(lines), checkup.is_well(lines)


def _python() -> Iterator[Line]:
    version, (oldest, newest) = sys.version_info[:2], SUPPORTED
    said = f"{machine.versions()['python']} at {sys.prefix}"
    if not oldest <= version <= newest:
        yield Line("bad", "python", said, "3.11 to 3.13 are supported: run `make PYTHON=/path/to/python setup`")
        return
    theirs = Path(".venv")
    if theirs.exists() and theirs.resolve() != Path(sys.prefix).resolve():
        yield Line("warn", "python", said, "stages run in .venv: call .venv/bin/reprolens")
        return
    yield Line("ok", "python", said)


def _packages() -> Iterator[Line]:
    marker = Path(sys.prefix) / f".{GPU_LOCK}.done"  # of `make setup GPU=1`
    lock = GPU_LOCK if marker.exists() else paths.PACKAGE_LOCK
    installed = {checkup.plain(item.name): item.version for item in metadata.distributions() if item.name}
    if not lock.exists():
        yield Line("bad", "packages", f"{lock} is missing", f"`git checkout {lock}`")
        return
    yield checkup.packages(lock.read_text(encoding="utf-8"), str(lock), installed, machine.PACKAGES)


def _git() -> Iterator[Line]:
    if not shutil.which("git"):
        yield Line("bad", "git", "not installed", "install it: runs lead back to commits")
        return
    head = commits.find("HEAD")
    if head is None:
        yield Line("bad", "git", "no repository with a commit here", "`git init`, `git add -A`, `git commit`")
        return
    changed = git.changed_files()
    kept = f", {len(changed)} file{'s' if len(changed) != 1 else ''} not committed: runs keep the difference"
    yield Line("ok", "git", f"{head.number[:10]} on {git.branch()}{kept if changed else ''}")
    missing = [key for key in ("user.name", "user.email") if not git.config(key)]
    if missing and not {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"} <= os.environ.keys():
        told = " and ".join(missing)
        yield Line("warn", "git", f"{told} not set", f"`git config {missing[0]} ...`, else commits of yours fail")


def _dvc() -> Iterator[Line]:
    try:
        known = storage()
    except UserError as error:
        yield Line("bad", "dvc", str(error))
        return
    yield _cache(known)
    yield look_at_remote(known)
    yield from _disks({"this folder": Path.cwd(), f"DVC's cache ({known.cache})": known.cache})


def _cache(known: Storage) -> Line:
    place = _existing(known.cache)
    if not os.access(place, os.W_OK):
        return Line("bad", "dvc cache", f"{known.cache} cannot be written", "mend its permissions")
    if not known.cache.exists():
        return Line("ok", "dvc cache", f"{known.cache} is made by the first run")
    size = sum(file.stat().st_size for file in known.cache.rglob("*") if file.is_file())
    return Line("ok", "dvc cache", f"{size / 1e6:,.1f} MB in {known.cache}")


def _disks(folders: Mapping[str, Path]) -> Iterator[Line]:
    """One line per disk; that of temporary files is one more, which `verify` works on."""
    seen: set[int] = set()
    for called, folder in {
        **folders,
        f"temporary files ({tempfile.gettempdir()})": Path(tempfile.gettempdir()),
    }.items():
        place = _existing(folder)
        if place.stat().st_dev not in seen:
            yield checkup.disk(called, shutil.disk_usage(place).free, _needed())
        seen.add(place.stat().st_dev)


def _needed() -> int:
    """Bytes that the next run may write: as much as is there now, and some."""
    made = [file for folder in ("data", "models") for file in Path(folder).rglob("*")]
    return ROOM + sum(file.stat().st_size for file in made if file.is_file())


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _tracking() -> Iterator[Line]:
    yield tracking_health.look_at()


def _processor() -> Iterator[Line]:
    said = machine.cpu()
    weak = "avx2" not in said and "avx512" not in said and "x86" in platform.machine()
    yield Line("warn", "processor", said, "without AVX2 training is slow") if weak else Line("ok", "processor", said)
    names = _gpus()
    with_cuda = any(item.name and item.name.startswith("nvidia-cudnn") for item in metadata.distributions())
    if names and not with_cuda:
        yield Line("warn", "gpu", f"{names} is not used", "`make setup GPU=1` installs TensorFlow with CUDA")
    else:
        yield Line("ok", "gpu", names or "none: training runs on the processor")


def _gpus() -> str:
    """The names of NVIDIA's; empty where there is none or no driver."""
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return ", ".join(done.stdout.split("\n")).strip(", ") if done.returncode == 0 else ""


def _params() -> Iterator[Line]:
    try:
        params: Params = params_file.load(paths.PARAMS)
    except UserError as error:
        yield Line("bad", "params", str(error))
        return
    yield Line("ok", "params", f"{paths.PARAMS} is valid: {params.dataset.path or params.dataset.name}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield checkup.threads(params.train.threads, cores)


LOOKS: tuple[Callable[[], Iterator[Line]], ...] = (*(_python, _packages, _git, _dvc, _tracking, _processor, _params),)
