"""Images a second on their way to the network, against Keras's loaders: `python -m benchmarks.input PICTURES.zip`.

The archive holds class folders. Ours are epochs of `training_batches` on the packed split, flipped, rotated, shifted,
and the same `unchanged`; theirs are `image_dataset_from_directory`, which changes nothing, and
`ImageDataGenerator.flow_from_directory` with the changes of the flowers notebook. No network runs. Alternating, each in
a process of its own; the first epoch of each is left out, imports and packing are not counted (for packing see
`benchmarks.packing`).
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import clone, keep, run_in, spread, top

SIDE, BATCH, EPOCHS = 100, 64, 3
KINDS = ("ours", "unchanged", "directory", "generator")
AGAINST = {"directory": "unchanged", "generator": "ours"}  # what of ours does the same


def passed(batches: Iterable[Any]) -> tuple[int, float]:
    """How many images there were, and the seconds."""
    began = time.monotonic()
    count = sum(len(batch[1]) for batch in batches)
    return count, time.monotonic() - began


def ours(folder: Path, is_changed: bool = True) -> list[tuple[int, float]]:
    from pipeline import packed
    from pipeline.images import training_batches
    from tests.tracked_runs import params_of

    split = packed.load(folder / "data" / "split" / "train")
    changes = ("augment.flip_horizontal=true", "augment.rotation=12", "augment.shift_height=0.2")
    params = params_of(*changes * is_changed, preset="flowers-baseline").augment
    return [passed(training_batches(split, BATCH, 0, range(epoch, epoch + 1), params)) for epoch in range(EPOCHS)]


def unchanged(folder: Path) -> list[tuple[int, float]]:
    return ours(folder, is_changed=False)


def directory(pictures: Path) -> list[tuple[int, float]]:
    import keras

    batches = keras.utils.image_dataset_from_directory(pictures, image_size=(SIDE, SIDE), batch_size=BATCH, verbose=0)
    return [passed(batches) for _ in range(EPOCHS)]


def generator(pictures: Path) -> list[tuple[int, float]]:
    import tensorflow as tf

    changes = tf.keras.preprocessing.image.ImageDataGenerator(
        horizontal_flip=True, rotation_range=12, height_shift_range=0.2
    )
    batches = changes.flow_from_directory(pictures, target_size=(SIDE, SIDE), batch_size=BATCH, class_mode="sparse")
    return [passed(batches[number] for number in range(len(batches))) for _ in range(EPOCHS)]


def rate(kind: str, folder: Path, pictures: Path) -> float:
    """Images a second, in a process of its own; the median of its epochs but the first."""
    words = [sys.executable, "-m", "benchmarks.input", "-", "--one", kind, "--folder"]
    where = str(pictures if kind in AGAINST else folder)
    done = subprocess.run([*words, where], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"measuring {kind} failed:\n{done.stderr}")
    epochs = json.loads(done.stdout.splitlines()[-1])
    return float(statistics.median(count / seconds for count, seconds in epochs[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, help="a zip of class folders")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        from pipeline import keras_setup

        keras_setup.deterministic(0, 2)
        epochs = {"ours": ours, "unchanged": unchanged, "directory": directory, "generator": generator}[given.one]
        print(json.dumps(epochs(given.folder)))
        return
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with TemporaryDirectory(prefix="reprolens-benchmark-") as scratch, clone() as folder:
        with zipfile.ZipFile(given.pictures) as archive:
            archive.extractall(scratch)
        chosen = (f"dataset.path={given.pictures.resolve()}", f"image.size=[{SIDE},{SIDE}]", "split.train=0.9")
        run_in(folder, "reprolens", "use", "folder", *chosen, "split.val=0.05", "split.test=0.05")
        run_in(folder, "dvc", "repro", "split")
        for number in range(given.rounds):
            for kind in KINDS:
                found[kind].append(rate(kind, folder, top(Path(scratch))))
                print(f"round {number + 1}, {kind}: {found[kind][-1]:,.0f} images a second", flush=True)
    for kind, rates in found.items():
        print(f"{kind:10} {spread(rates, 0)} images a second")
    middle = {kind: statistics.median(rates) for kind, rates in found.items()}
    ratios = {theirs: middle[mine] / middle[theirs] for theirs, mine in AGAINST.items()}
    print(f"ours / theirs, ratios of medians: {ratios}")
    keep("input", {"rounds": found, "ratios": ratios})


if __name__ == "__main__":
    main()
