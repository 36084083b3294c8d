"""Runs of `reprolens tune` in a clone, and what their studies say of time and of what was reached."""

import gzip
import json
import math
import statistics
import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.common import REPOSITORY, run_in
from pipeline import idx, sources

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna import Study
    from optuna.trial import FrozenTrial

Record = dict[str, Any]
"""A trial: `epochs`, a list of [seconds since the clock began, val_accuracy]; `ended`, None if the time was over."""
TENTH = 10
OFFICIAL = 60_000  # training images of MNIST
SHARES = ("split.train=0.65", "split.val=0.3", "split.test=0.05")  # a large validation split shows small gains
FINISHED = ("COMPLETE", "PRUNED")


def write_mnist(mnist: Path, target: Path, numbers: range) -> None:
    """Official training images of MNIST as PNG files, in a folder per class."""
    from PIL import Image

    images, labels = (_idx(mnist, f"train/{name}") for name in (idx.IMAGES[0], idx.LABELS))
    for number in numbers:
        folder = target / str(labels[number])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).save(folder / f"{number:05}.png")


def _idx(mnist: Path, member: str) -> "NDArray[Any]":
    with TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain"
        plain.write_bytes(gzip.decompress((mnist / sources.MNIST.files[member][0]).read_bytes()))
        return idx.idx_array(plain, 0).copy()


def prepare(folder: Path, preset: str, *overrides: str) -> None:
    """Writes the params of a clone and makes its splits."""
    run_in(folder, "reprolens", "use", preset, *overrides)
    run_in(folder, "dvc", "repro", "-q", "split")


def prepare_tenth(folder: Path, data: Path, epochs: int, *overrides: str, space: "Record | None" = None) -> None:
    """The preset `mnist` on 10% of MNIST; without another space it is the preset's without the learning rate."""
    from ruamel.yaml import YAML

    place = folder.parent / "tenth"
    if not place.exists():
        write_mnist(data / "mnist", place, range(0, OFFICIAL, TENTH))
    if space is None:
        space = YAML(typ="safe").load(REPOSITORY / "presets" / "base.yaml")["tune"]["space"]
        del space["train.learning_rate"]
    given = ("dataset.name=folder", f"dataset.path={place}", *SHARES)
    prepare(folder, "mnist", *given, f"train.epochs={epochs}", f"tune.space={json.dumps(space)}", *overrides)


def tuned(folder: Path, name: str, *options: str) -> "tuple[Study, float, float]":
    """`reprolens tune` in a clone; returns the study, when the command began (since 1970), and its seconds."""
    import optuna

    storage = f"sqlite:///{folder.parent / name}.db"
    began = time.time()
    seconds = run_in(folder, "reprolens", "tune", "--study", name, "--storage", storage, *options)
    return optuna.load_study(study_name=name, storage=storage), began, seconds


def records_of(trials: Sequence["FrozenTrial"], began: float) -> list[Record]:
    """Trials of ours as records; `began` in seconds since 1970."""
    return [
        {
            "epochs": [[row["time"] / 1000 - began, row["val_accuracy"]] for row in trial.user_attrs.get("rows", [])],
            "ended": ended_at(trial) - began if trial.state.name in FINISHED else None,
        }
        for trial in trials
    ]


def best_within(records: Sequence[Record], seconds: float) -> float:
    """The best validation accuracy of all trials and epochs so far; 0 where there is none."""
    return max((accuracy for record in records for at, accuracy in record["epochs"] if at <= seconds), default=0.0)


def ended_within(records: Sequence[Record], seconds: float) -> int:
    """Trials that had ended by then, pruned ones among them."""
    return sum(record["ended"] is not None and record["ended"] <= seconds for record in records)


def pooled_deviation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The standard deviation of both around their own means, of as many values each; None of a single one."""
    if min(len(one), len(other)) < 2:
        return None
    return math.sqrt((statistics.variance(one) + statistics.variance(other)) / 2)


def finished(trials: Sequence["FrozenTrial"]) -> list["FrozenTrial"]:
    """Complete and pruned ones, in the order they ended in."""
    return sorted((trial for trial in trials if trial.state.name in FINISHED), key=ended_at)


def phases(ordered: Sequence["FrozenTrial"]) -> dict[str, list[float]]:
    """Seconds of each complete trial, run one after another.

    `fit` is Keras's whole call, `outside` the rest of the trial; `to_epoch` is from its start to its first epoch (the
    first part of `fit` included), `after` from its last epoch to its end, `between` from there to the next one's start.
    """
    rows = [trial.user_attrs["rows"] for trial in ordered]
    fit = [trial.user_attrs["fit_seconds"] for trial in ordered]
    began, ended = [began_at(trial) for trial in ordered], [ended_at(trial) for trial in ordered]
    return {
        "fit": fit,
        "outside": [end - begin - inside for begin, end, inside in zip(began, ended, fit)],
        "to_epoch": [each[0]["time"] / 1000 - each[0]["seconds"] - begin for each, begin in zip(rows, began)],
        "after": [end - each[-1]["time"] / 1000 for each, end in zip(rows, ended)],
        "between": [begin - end for end, begin in zip(ended, began[1:])],
    }


def epochs_for(seconds: float, trial: "FrozenTrial") -> int:
    """How many epochs take about so long inside `fit`, by a trial of two epochs or more."""
    later: list[float] = [row["seconds"] for row in trial.user_attrs["rows"][1:]]
    first: float = trial.user_attrs["fit_seconds"] - sum(later)
    return max(1, 1 + round((seconds - first) / statistics.median(later)))


def while_finished(samples: Sequence[dict[str, Any]], ends: Sequence[float], counts: range) -> list[dict[str, Any]]:
    """The samples, each with its time `at`, from while as many trials were finished as `counts` says.

    Args:
        ends: of the finished trials, in seconds since 1970 as `at` is, in order.
    """
    return [sample for sample in samples if bisect_right(ends, sample["at"]) in counts]


def began_at(trial: "FrozenTrial") -> float:
    """Seconds since 1970."""
    assert trial.datetime_start is not None, "it has ended"
    return trial.datetime_start.timestamp()


def ended_at(trial: "FrozenTrial") -> float:
    """Seconds since 1970."""
    assert trial.datetime_complete is not None, "it has ended"
    return trial.datetime_complete.timestamp()
