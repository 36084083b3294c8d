"""Tuners on the same network, data and space for the same minutes, one after another: `benchmarks.tuning race`.

What is compared is the best validation accuracy of all trials and epochs within the time. Ours runs with its default
pruner and with none; KerasTuner's Hyperband and Optuna's plain loop are in `plain_tuning`. Their clock starts after
their imports, ours with the command.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.common import clone, run_in, spread
from benchmarks.tuning_runs import (
    Record,
    best_within,
    ended_within,
    pooled_deviation,
    prepare_tenth,
    records_of,
    tuned,
)

OURS, UNPRUNED = "ours", "ours, pruner none"
OTHERS = {"KerasTuner Hyperband": "keras-tuner", "Optuna plain loop": "optuna"}
SIDES = (OURS, UNPRUNED, *OTHERS)
MOST = "100000"  # trials: the time ends it
FIFTHS = 5  # of the time, after which the best so far is noted

Runs = dict[str, list[dict[str, Any]]]
"""By side, for each seed: what `told` says."""


def race(given: argparse.Namespace) -> dict[str, Any]:
    """Runs it; prints and returns what came of it."""
    seconds = given.minutes * 60
    runs: Runs = {side: [] for side in SIDES}
    with clone() as folder:
        for seed in range(given.seeds):
            for side in SIDES:
                own = (f"train.seed={seed}", f"tune.seed={seed}")
                pruner = "none" if side == UNPRUNED else "halving"
                prepare_tenth(folder, given.data, given.epochs, *own, f"tune.pruner={pruner}")
                runs[side].append(told(one_run(folder, side, seed, seconds), seconds))
                print(f"seed {seed}, {side}: {runs[side][-1]}", flush=True)
    show(runs)
    return {"minutes": given.minutes, "epochs": given.epochs, "runs": runs, "ours_against": compared(runs)}


def one_run(folder: Path, side: str, seed: int, seconds: float) -> list[Record]:
    """The trials of one side with one seed."""
    name = f"{'none' if side == UNPRUNED else OTHERS.get(side, side)}-{seed}"
    if side not in OTHERS:
        opened, began, _ = tuned(folder, name, "--trials", MOST, "--timeout", str(seconds))
        return records_of(opened.get_trials(deepcopy=False), began)
    file = folder.parent / f"{name}.json"
    run_in(folder, "python", "-m", "benchmarks.plain_tuning", OTHERS[side], str(seconds), str(file))
    records: list[Record] = json.loads(file.read_text())
    return records


def told(records: list[Record], seconds: float) -> dict[str, Any]:
    """What a run reached within the time, in parts of it, and in its first trial, which is today's params with most."""
    ended = ended_within(records, seconds)
    return {
        "best": best_within(records, seconds),
        "so_far": [best_within(records, seconds * part / FIFTHS) for part in range(1, FIFTHS + 1)],
        "first_trial": best_within(records[:1], seconds),
        "trials": ended,
        "per_minute": ended * 60 / seconds,
    }


def compared(runs: Runs) -> dict[str, Any]:
    """Ours against each other side: difference of the mean bests, their pooled deviation, ratio of trials."""
    best = {side: [run["best"] for run in rows] for side, rows in runs.items()}
    trials = {side: sum(run["trials"] for run in rows) for side, rows in runs.items()}
    return {
        side: {
            "difference": statistics.mean(best[OURS]) - statistics.mean(best[side]),
            "pooled_deviation": pooled_deviation(best[OURS], best[side]),
            "ratio_of_trials": trials[OURS] / trials[side] if trials[side] else None,
        }
        for side in runs
        if side != OURS
    }


def show(runs: Runs) -> None:
    """The result as a table."""
    for side, rows in runs.items():
        best, speed = ([row[name] for row in rows] for name in ("best", "per_minute"))
        print(f"{side:21} best: mean {statistics.mean(best):.4f}, median {spread(best, 4)}")
        print(f"{'':21} trials per minute {spread(speed, 1)}")
    for side, row in compared(runs).items():
        deviation, ratio = (
            "unknown" if value is None else f"{value:.{digits}f}"
            for value, digits in ((row["pooled_deviation"], 4), (row["ratio_of_trials"], 2))
        )
        print(f"ours against {side}: {row['difference']:+.4f}, pooled deviation {deviation}, trials x {ratio}")
