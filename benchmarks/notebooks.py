"""A notebook's network here against the same in plain Keras: `python -m benchmarks.notebooks PRESET --data FOLDER`.

Makes the preset with `train.seed` 0 to N-1 by `reprolens notebooks` (what is there is not made again), then trains the
notebook's plain script (`plain_notebooks`) with the same seeds on the same data: its training images are ours and those
that we keep for validation, its test images are ours. Run it in a checkout with the dependencies installed.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dvc.api
import numpy as np

from benchmarks.common import REPOSITORY, keep, spread
from pipeline import experiments, paths
from pipeline.lifecycle.notebooks import Planned, planned

SPLITS = (paths.TRAIN, paths.VAL, paths.TEST)


def made(preset: str, folder: str, seeds: int) -> list[tuple[Planned, str]]:
    """The rows of a preset with the commits of their experiments."""
    command = [str(Path(sys.prefix) / "bin" / "reprolens"), "notebooks", preset, "--data", folder]
    subprocess.run([*command, "--seeds", str(seeds)], cwd=REPOSITORY, check=True)
    rows = planned([preset], folder, seeds)
    found = [(row, experiments.find(row.name, row.params) if row.params else None) for row in rows]
    return [(row, commit) for row, commit in found if commit]


def plain_accuracy(preset: str, seed: int, commit: str) -> tuple[float, dict[str, int]]:
    """The plain script's test accuracy, and the images in each split."""
    with TemporaryDirectory(prefix="reprolens-benchmark-") as place:
        for split in SPLITS:
            command = [str(Path(sys.prefix) / "bin" / "dvc"), "get", "-q", ".", str(split), "--rev", commit]
            subprocess.run([*command, "-o", f"{place}/{split.name}"], cwd=REPOSITORY, check=True)
        sizes = {split.name: len(np.load(Path(place) / split.name / "labels.npy")) for split in SPLITS}
        command = [sys.executable, "-m", "benchmarks.plain_notebooks", preset, str(seed), place]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the plain script failed:\n{done.stdout}{done.stderr}")
    return float(done.stdout.split()[-1]), sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("--data", required=True, help="the folder of data sets")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    result: dict[str, Any] = {"preset": given.preset, "ours": [], "plain": []}
    for row, commit in made(given.preset, given.data, given.seeds):
        ours = json.loads(dvc.api.read(str(paths.METRICS), repo=str(REPOSITORY), rev=commit))["accuracy"]
        plain, result["images"] = plain_accuracy(given.preset, row.seed, commit)
        result["ours"].append(ours)
        result["plain"].append(plain)
        print(f"seed {row.seed}: ours {ours:.4f}, plain Keras {plain:.4f}", flush=True)
    difference = statistics.mean(result["ours"]) - statistics.mean(result["plain"])
    for name in ("ours", "plain"):
        print(f"{name}: mean {statistics.mean(result[name]):.4f}, median {spread(result[name], 4)}")
    print(f"difference of the means {difference:+.4f}; images {result['images']}")
    keep(f"notebooks-{given.preset}", result)


if __name__ == "__main__":
    main()
