"""What `reprolens tune` brings and costs: `python -m benchmarks.tuning gain|race|overhead|memory`.

gain: the winner against the preset `mnist` on 10% of MNIST, over other seeds. race: see `tuning_race`. overhead: the
share of the time that is spent inside `fit`. memory: of the command and of its fork server, after a tenth of the trials
and after all. Each runs in a clone of the committed state, on two cores; FOLDER holds `mnist` with its official files.
"""

import argparse
import os
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import clone, keep, spread
from benchmarks.tuning_race import race
from benchmarks.tuning_runs import (
    began_at,
    ended_at,
    epochs_for,
    finished,
    phases,
    prepare,
    prepare_tenth,
    tuned,
    while_finished,
)
from pipeline import gain as gains
from pipeline import objectives, study, study_facts

CORES = 2
FIT_SECONDS = 5.0  # of each trial of `overhead`
LOOKS = 0.5  # seconds between two samples of memory
MIB = 1 << 20
# A space of that preset: more and larger blocks than its two, and from no augmentation or dropout to a little more.
AROUND: dict[str, Any] = {
    "model.filters": {
        "first": {"low": 16, "high": 40, "step": 8},
        "growth": [1.5, 2.0],
        "blocks": {"low": 2, "high": 4},
    },
    "model.dropout": {"low": 0.0, "high": 0.2},
    "model.dense_dropout": {"low": 0.0, "high": 0.4},
    "augment.rotation": {"low": 0.0, "high": 10.0},
    "augment.shift_height": {"low": 0.0, "high": 0.1},
    "augment.shift_width": {"low": 0.0, "high": 0.1},
    "augment.zoom": {"low": 0.0, "high": 0.1},
}
# Three epochs are few steps, and the fewer they are, the more a training depends on its seed.
FOR_TRAINING = ("split.train=0.78", "split.val=0.2", "split.test=0.02")
ROTATION = 'tune.space={"augment.rotation": {"low": 5.0, "high": 20.0}}'  # whatever it is, a trial takes as long
DROPOUT = 'tune.space={"model.dropout": {"low": 0.1, "high": 0.5}}'
TINY = ("model.filters=[4]", "model.dense=[]", "model.batch_norm=false", "train.epochs=1", "train.batch_size=128")
PLAIN = [f"augment.{name}=0" for name in ("rotation", "shift_height", "shift_width", "zoom")]


def gain(given: argparse.Namespace) -> dict[str, Any]:
    """The winner of 40 trials against the start, trained again with other seeds."""
    with clone() as folder:
        # After one epoch of 37 steps, batch normalisation says nothing of a deep network yet: none is pruned.
        chosen = ("tune.pruner=none", *FOR_TRAINING)
        prepare_tenth(folder, given.data, given.epochs, *chosen, space=AROUND)
        opened, _, seconds = tuned(folder, "gain", "--trials", str(given.trials), "--apply")
        complete, again = study.complete(opened), opened.user_attrs
        start = next(trial for trial in complete if study_facts.is_start(trial))
        winner = study_facts.best_of(complete, study_facts.objectives_of(opened))[0]
        states = [trial.state.name for trial in opened.get_trials(deepcopy=False)]
    result: dict[str, Any] = {"trials": {name: states.count(name) for name in sorted(set(states))}, "seconds": seconds}
    for name, trial in (("start", start), ("winner", winner)):
        seeds = other_seeds(again, trial.number)
        facts = {"trial": trial.number, "value": trial.value, "params": trial.user_attrs["params"]}
        result[name] = facts | {"other_seeds": seeds}
        print(f"{name}, trial {trial.number}: {trial.value:.4f}; {facts['params']}\n  other seeds {seeds}")
    print(f"{result['trials']} in {seconds:.0f} s, with the trainings of other seeds")
    return result | told_gain(result["start"]["other_seeds"], result["winner"]["other_seeds"])


def other_seeds(attrs: dict[str, Any], number: int) -> list[float]:
    """The values that a trial has with other seeds, by seed; see `pipeline.lifecycle.apply`."""
    prefix = f"retrained:{number}:"
    values = {int(name.removeprefix(prefix)): value for name, value in attrs.items() if name.startswith(prefix)}
    return [values[seed] for seed in sorted(values)]


def told_gain(start: Sequence[float], winner: Sequence[float]) -> dict[str, Any]:
    """The gain with its interval; nothing where the start won."""
    if not winner:
        print("the start stayed the best")
        return {}
    found = gains.gain_of(objectives.OBJECTIVES["val_accuracy"], start, winner)
    print(found.text())
    return {"gain": found.mean, "low": found.low, "high": found.high, "verdict": found.verdict}


def overhead(given: argparse.Namespace) -> dict[str, Any]:
    """The share of the time inside `fit`, in trials of about five seconds of training each."""
    with clone() as folder:
        same = ("image.size=[24,24]", ROTATION, "tune.pruner=none")
        prepare(folder, "digits", *same, "train.epochs=3")
        probe = finished(tuned(folder, "probe", "--trials", "2")[0].get_trials())[-1]
        epochs = max(3, epochs_for(FIT_SECONDS, probe))
        prepare(folder, "digits", *same, f"train.epochs={epochs}")
        opened, began, seconds = tuned(folder, "overhead", "--trials", str(given.trials))
        trials = finished(opened.get_trials())
    found, wall = phases(trials), ended_at(trials[-1]) - began_at(trials[0])
    start, end = began_at(trials[0]) - began, began + seconds - ended_at(trials[-1])
    for name, values in found.items():
        print(f"{name:9} s per trial {spread(values or [0.0])}")
    shares = {"share": sum(found["fit"]) / wall, "share_of_command": sum(found["fit"]) / seconds}
    print(f"{len(trials)} trials of {epochs} epochs: {shares['share']:.1%} of {wall:.1f} s inside fit")
    print(
        f"{shares['share_of_command']:.1%} of the command's {seconds:.1f} s: {start:.1f} before, {end:.1f} after them"
    )
    return {**shares, "seconds": seconds, "before": start, "after": end, "epochs": epochs, "phases": found}


def memory(given: argparse.Namespace) -> dict[str, Any]:
    """Memory and open files of the command and its fork server after a tenth of the trials, and after all.

    So many trials run besides as make a window to take samples in: the end of a command has costs of its own.
    """
    window = max(1, given.trials // 20)
    counts = [range(count, count + window) for count in (given.trials // 10, given.trials)]
    with clone() as folder:
        prepare(folder, "digits", *TINY, *PLAIN, DROPOUT, "tune.pruner=none")
        with Sampler() as sampler:
            opened, _, seconds = tuned(folder, "memory", "--trials", str(given.trials + window))
        ends = [ended_at(trial) for trial in finished(opened.get_trials())]
    found = {}
    for name in ("command", "fork server"):
        early, late = (summed(while_finished(sampler.samples, ends, range_), name) for range_ in counts)
        ratio = late["rss"] / early["rss"]
        found[name] = {"early": early, "late": late, "ratio": ratio}
        for when, facts in ((counts[0].start, early), (counts[1].start, late)):
            print(f"{name:11} after trial {when:>3}: {facts}")
        print(f"{name:11} resident x {ratio:.3f}, open files {late['files'] - early['files']:+}")
    print(f"{len(ends)} trials in {seconds:.0f} s")
    return {"trials": given.trials, "seconds": seconds, **found}


def summed(samples: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    """Medians of one process: MiB and open files."""
    facts = [sample[name] for sample in samples if name in sample]
    return {key: round(statistics.median(fact[key] for fact in facts), 1) for key in ("rss", "uss", "files")}


class Sampler(threading.Thread):
    """Looks at the `reprolens tune` that this process runs, and at its fork server, until the block ends."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.samples: list[dict[str, Any]] = []

    def __enter__(self) -> "Sampler":
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.over.set()
        self.join()

    def run(self) -> None:
        while not self.over.wait(LOOKS):
            with suppress(psutil.Error):
                for command in psutil.Process().children():
                    if "tune" in command.cmdline():
                        self.samples.append({"at": time.time(), **self.look(command)})

    def look(self, command: psutil.Process) -> dict[str, dict[str, float]]:
        servers = [child for child in command.children() if "multiprocessing.forkserver" in " ".join(child.cmdline())]
        return {name: size(process) for name, process in zip(("command", "fork server"), [command, *servers])}


def size(process: psutil.Process) -> dict[str, float]:
    """MiB resident (rss), the part of it that is this process's alone (uss), and open files."""
    facts = process.memory_full_info()
    return {"rss": facts.rss / MIB, "uss": facts.uss / MIB, "files": process.num_fds()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    for measure, trials, epochs in ((gain, 40, 3), (race, None, 9), (overhead, 8, None), (memory, 100, None)):
        command = commands.add_parser(measure.__name__, help=(measure.__doc__ or "").splitlines()[0])
        command.set_defaults(measure=measure)
        if trials:
            command.add_argument("--trials", type=int, default=trials)
        if epochs:
            command.add_argument("--data", type=lambda given: Path(given).absolute(), required=True, metavar="FOLDER")
            command.add_argument("--epochs", type=int, default=epochs)
        if measure is race:
            command.add_argument("--minutes", type=float, default=5.0)
            command.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # what this process starts has the same cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    keep(f"tuning-{given.command}", given.measure(given))


if __name__ == "__main__":
    main()
