"""What the benchmarks share: a clone to work in, medians with their spread, results with the machine beside."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline import git, machine

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results"
COMMIT = git.commit()  # at the start: a long measurement may outlast the commit it measures


@contextmanager
def clone() -> Iterator[Path]:
    """A clone of the committed state with this environment, removed afterwards."""
    with TemporaryDirectory(prefix="reprolens-benchmark-") as folder:
        target = Path(folder) / "repository"
        subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(target)], check=True)
        (target / ".venv").symlink_to(sys.prefix)
        yield target


def run_in(folder: Path, *words: str, accepted: int = 0) -> float:
    """Runs a program of the environment in a clone; returns its seconds. Its output is shown if it fails.

    Args:
        accepted: the exit code that is none of a failure.
    """
    environment = {**os.environ, "DVC_ROOT": str(folder), "PYTHONPATH": str(folder)}
    began = time.monotonic()
    done = subprocess.run(
        [str(Path(sys.prefix) / "bin" / words[0]), *words[1:]],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != accepted:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout}")
    return time.monotonic() - began


def portable(override: str) -> str:
    """A path by its last part: where data lies on one machine says nothing on another."""
    key, _, value = override.partition("=")
    return f"{key}={Path(value).name}" if key in ("dataset.path", "dataset.mirror", "backbone.weights") else override


def top(folder: Path) -> Path:
    """Below the folders that wrap everything."""
    while len(inside := list(folder.iterdir())) == 1:
        folder = inside[0]
    return folder


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median with the smallest and largest value."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def keep(name: str, result: dict[str, Any]) -> None:
    """Writes a result with what it was measured on to `benchmarks/results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    facts = {"commit": COMMIT, "cpu": machine.cpu(), "versions": machine.versions()}
    (RESULTS / f"{name}.json").write_text(json.dumps({**result, "measured_on": facts}, indent=1) + "\n")
