"""Seconds per epoch and memory, ours against plain Keras `fit`: `python -m benchmarks.overhead`.

Same network (the cifar10-deep of the course notebooks), batch size, uint8 images and rescaling in the
model; augmentation off, both deterministic, validation on both sides. Every measurement is a process of
its own; the two alternate. Memory is the peak resident set, and its part that is not file pages.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import REPOSITORY, keep, spread

EPOCHS = 4  # the first builds the graph and is left out
NETWORK = "cifar10-deep"
SIDE, CHANNELS, CLASSES, BATCH = 32, 3, 10, 64


def write_split(folder: Path, count: int) -> None:
    """Random images; what is in them does not matter to the clock."""
    from pipeline import packed

    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    pixels = random.integers(0, 256, (count, SIDE, SIDE, CHANNELS), dtype=np.uint8)
    packed.write(folder, pixels, range(count), random.integers(0, CLASSES, count).tolist())


class NonFileMemory(threading.Thread):
    """Samples the resident memory that is not file pages; `peak` is in MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self) -> None:
        while True:
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            resident = sum(int(status[key].split()[0]) for key in ("RssAnon", "RssShmem")) / 1024
            self.peak = max(self.peak, resident)
            time.sleep(0.05)


def measure(side: str, folder: Path, preset: str) -> dict[str, float]:
    """Trains once in this process; returns the median seconds per epoch and the peaks in MiB."""
    from ruamel.yaml import YAML

    from pipeline import keras_setup, packed, params_file
    from pipeline.images import num_batches
    from pipeline.lifecycle.use import compose
    from pipeline.model import build_model
    from pipeline.optimizer import compile_model

    params = params_file.parse(
        YAML(typ="safe").load(compose(REPOSITORY / "presets", preset, [f"train.epochs={EPOCHS}"]))
    )
    keras_setup.deterministic(params.train.seed, params.train.threads)
    memory = NonFileMemory()
    memory.start()
    train, val = packed.load(folder / "train"), packed.load(folder / "val")
    model = build_model(params.model, (SIDE, SIDE, CHANNELS), CLASSES, params.train.seed)
    compile_model(model, params.train, num_batches(len(train), BATCH), CLASSES)
    seconds = _ours(model, train, val, params, folder) if side == "ours" else _plain(model, train, val)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": statistics.median(seconds[1:]), "peak": peak, "non_file": memory.peak}


def _ours(model: Any, train: Any, val: Any, params: Any, folder: Path) -> list[float]:
    from pipeline.quick_gradients import quicken
    from pipeline.training import Data, fit

    quicken(model)
    ends = [time.monotonic()]
    fit(
        model,
        Data(train, val),
        params.train,
        params.augment,
        folder / "checkpoint.npz",
        lambda *_: ends.append(time.monotonic()),
    )
    (folder / "checkpoint.npz").unlink(missing_ok=True)
    return np.diff(ends).tolist()


def _plain(model: Any, train: Any, val: Any) -> list[float]:
    import keras

    ends = [time.monotonic()]
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.monotonic()))
    images, labels = np.array(train.images), np.array(train.labels)
    held = np.array(val.images), np.array(val.labels)
    model.fit(
        images,
        labels,
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_data=held,
        validation_batch_size=BATCH,
        verbose=0,
        callbacks=[clock],
    )
    return np.diff(ends).tolist()


def measured(side: str, folder: Path, preset: str = NETWORK) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--measure", side, "--folder", str(folder)]
    command += ["--network", preset]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(rounds: int, images: int, folder: Path) -> dict[str, Any]:
    """Alternates both sides; prints and returns the figures."""
    found: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
    for number in range(rounds):
        for side in ("ours", "plain"):
            found[side].append(measured(side, folder))
            print(f"round {number + 1}, {side}: {found[side][-1]}", flush=True)
    median = {
        side: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for side, rows in found.items()
    }
    for side, rows in found.items():
        print(
            f"{side:8} s/epoch {spread([row['seconds'] for row in rows])}, "
            f"MiB {spread([row['peak'] for row in rows], 0)}"
        )
        print(f"{'':8} MiB without file pages {spread([row['non_file'] for row in rows], 0)}")
    ratios = {
        "seconds": median["ours"]["seconds"] / median["plain"]["seconds"],
        "peak_memory": median["ours"]["peak"] / median["plain"]["peak"],
    }
    print(f"ours / plain Keras, ratios of medians: {ratios}")
    return {"images": images, "ratios": ratios, "rounds": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--network", default=NETWORK, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=["ours", "plain"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.folder, given.network)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_split(Path(folder) / "train", given.images)
        write_split(Path(folder) / "val", given.images // 5)
        keep("overhead", compare(given.rounds, given.images, Path(folder)))


if __name__ == "__main__":
    main()
