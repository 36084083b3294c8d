"""A fast preset against a notebook's plain script: `python -m benchmarks.time_to_accuracy FAST PLAIN [KEY=VALUE...]`.

In clones of the committed state, both on data that is split and packed already; the two alternate, a process each, from
its start to its end: ours is the stage `train`, theirs the plain script (`plain_notebooks`), which trains on the images
that we keep for validation, too, and looks at the test images after each epoch. KEY=VALUE goes to both, as in
`dataset.name=folder dataset.path=FILE`. Ours reads the test images once, in the stage `evaluate`, when its training is
over. Tells accuracy on them, seconds, peak resident memory, and after how many seconds our validation accuracy passed
the accuracy that the plain script ended with. `training` are our seconds without imports: from loaded data to a saved
model.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common import COMMIT, REPOSITORY, RESULTS, clone, keep, portable, run_in, spread
from pipeline import machine

LOADED = re.compile(r"train: [\d,]+ images to train on")
EPOCH = re.compile(r"epoch +\d+/\d+ .*val_accuracy (\d\.\d+)")


def timed(folder: Path, *words: str) -> dict[str, Any]:
    """Seconds and peak MiB of a process, when each of its epochs ended and how well, and its last line."""
    environment = {**os.environ, "DVC_ROOT": str(folder), "PYTHONPATH": str(folder)}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    epochs, line, loaded, said = [], "", began, began
    assert process.stdout
    with process.stdout as lines:
        for line in lines:
            said = time.monotonic()
            if LOADED.match(line):
                loaded = said
            if found := EPOCH.match(line):
                epochs.append((said - began, float(found[1])))
                print(line, end="", file=sys.stderr, flush=True)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(words)} failed")
    seconds = {"seconds": time.monotonic() - began, "training": said - loaded}
    return {**seconds, "mib": usage.ru_maxrss / 1024, "epochs": epochs, "last": line}


def plain(folder: Path, system: str, seed: int) -> dict[str, Any]:
    """The plain script, once."""
    row = timed(folder, "benchmarks.plain_notebooks", system, str(seed), "data/split")
    return {**{key: row[key] for key in ("seconds", "mib")}, "accuracy": float(row["last"].split()[-1])}


def ours(folder: Path, preset: str, overrides: list[str], seed: int, split_too: bool) -> dict[str, Any]:
    """The fast preset, once."""
    seeds = [f"train.seed={seed}"] + [f"split.seed={seed}"] * split_too
    run_in(folder, "reprolens", "use", preset, *overrides, *seeds)
    run_in(folder, "dvc", "repro", "split")
    row = timed(folder, "pipeline.stages.train")
    # DVC takes the training over as it is, and judges it.
    run_in(folder, "dvc", "commit", "--force", "train")
    run_in(folder, "dvc", "repro")
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())
    kept = {key: row[key] for key in ("seconds", "training", "mib", "epochs")}
    return {**kept, "accuracy": metrics["accuracy"]}


def passed(row: dict[str, Any], bar: float) -> float | None:
    """Seconds until validation accuracy was at least so much."""
    return next((seconds for seconds, accuracy in row["epochs"] if accuracy >= bar), None)


def earlier_rows(file: Path, about: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of an earlier call, of ours and of theirs.

    Raises:
        SystemExit: there is none, or it is of something else.
    """
    if not file.exists():
        sys.exit(f"--go-on: there is no {file.relative_to(REPOSITORY)}")
    earlier = json.loads(file.read_text())
    here = {**about, "cpu": machine.cpu()}
    differs = [key for key, value in here.items() if {**earlier, **earlier["measured_on"]}[key] != value]
    if differs:
        sys.exit(f"--go-on: {file.relative_to(REPOSITORY)} has another {', '.join(differs)}")
    return {side: earlier[side] for side in ("fast", "plain")}


def tell(found: dict[str, list[dict[str, Any]]]) -> None:
    for name, rows in found.items():
        if not rows:
            continue
        accuracies = [row["accuracy"] for row in rows]
        mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies) if len(rows) > 1 else 0.0
        print(
            f"{name}: accuracy mean {mean:.4f}, deviation {deviation:.4f}, seconds "
            f"{spread([row['seconds'] for row in rows], 0)}, MiB {spread([row['mib'] for row in rows], 0)}"
        )
    print(f"fast: seconds without imports {spread([row['training'] for row in found['fast']])}")
    if found["plain"]:
        seconds, mib = (
            statistics.median(row[key] for row in found["fast"]) / statistics.median(row[key] for row in found["plain"])
            for key in ("seconds", "mib")
        )
        print(f"fast / plain, ratios of medians: time {seconds:.2f}, peak memory {mib:.2f}")
        print(f"seconds until validation passed the plain script's end: {[row['passed'] for row in found['fast']]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", help="of ours, as in cifar10-fast")
    parser.add_argument("plain", help="a course notebook's network, as in cifar10-deep; none: ours alone")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plain-seeds", type=int, help="of the plain script, if it takes too long (default: --seeds)")
    parser.add_argument("--split-seeds", action="store_true", help="each seed divides the images, too")
    parser.add_argument("--go-on", action="store_true", help="begin after the seeds that the result file has")
    parser.add_argument("--name", help="of the result file (default: the preset)")
    given = parser.parse_args()
    given.plain_seeds = given.seeds if given.plain_seeds is None else given.plain_seeds
    about = {
        "preset": given.preset,
        "plain_script": given.plain,
        "overrides": [portable(item) for item in given.overrides],
    }
    name = f"time_to_accuracy-{given.name or given.preset}"
    found: dict[str, list[dict[str, Any]]] = {"fast": [], "plain": []}
    if given.go_on:
        found = earlier_rows(RESULTS / f"{name}.json", about)
    with clone() as mine, clone() as theirs:
        if given.plain != "none":
            run_in(theirs, "reprolens", "use", given.plain, *given.overrides)
            run_in(theirs, "dvc", "repro", "split")
        for seed in range(given.seeds):
            if seed == len(found["fast"]):
                row = {"commit": COMMIT} | ours(mine, given.preset, given.overrides, seed, given.split_seeds)
                found["fast"].append(row)
                print(f"seed {seed}, fast: accuracy {row['accuracy']:.4f}, {row['seconds']:.0f} s", flush=True)
                keep(name, {**about, **found})  # what there is, if cut off
            if given.plain != "none" and len(found["plain"]) <= seed < given.plain_seeds:
                found["plain"].append(plain(theirs, given.plain, seed))
                print(f"seed {seed}, plain: {found['plain'][-1]}", flush=True)
            if found["plain"]:
                end = found["plain"][min(seed, len(found["plain"]) - 1)]["accuracy"]
                found["fast"][seed]["passed"] = passed(found["fast"][seed], end)
            keep(name, {**about, **found})
    tell(found)


if __name__ == "__main__":
    main()
