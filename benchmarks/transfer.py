"""Few photos on a pretrained network: `python -m benchmarks.transfer PHOTOS --weights FILE`.

Stratified k-fold: the head is trained k times, each time judged on the part that it did not see. Features are
computed once by the frozen body, and a second run computes none. In a clone of the committed state.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import clone, keep, run_in, spread

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", default="imagenet", help="a file, where the official host cannot be reached")
    parser.add_argument("--preset", default="vgg16-transfer")
    parser.add_argument("--seeds", type=int, default=1, help="ways to divide into parts")
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    photos, weights = given.photos.resolve(), given.weights
    with clone() as folder:
        pinned = weights if weights == "imagenet" else str(Path(weights).resolve())
        changes = (f"dataset.path={photos}", f"backbone.weights={pinned}", *given.overrides)
        run_in(folder, "reprolens", "use", given.preset, *changes)
        run_in(folder, "dvc", "repro", "-q", "split")
        inside = f"import os; os.chdir({str(folder)!r}); from benchmarks import transfer; transfer.folds({given.seeds})"
        for _ in range(2):
            run_in(folder, "python", "-c", inside)
        result = (folder / "folds.json").read_text()
    import json

    told: dict[str, Any] = json.loads(result)
    if told["computed"]:
        sys.exit("the second run computed features again")
    print(f"features of {told['images']} photos: {told['features_seconds']:.1f} s, the second time from disk")
    print(f"head: {spread(told['head_seconds'])} s")
    deviation = statistics.stdev(told["accuracies"])
    print(f"{FOLDS}-fold accuracy {statistics.mean(told['accuracies']):.4f}, deviation between parts {deviation:.4f}")
    keep("transfer", told)


def folds(seeds: int) -> None:
    """Run in the clone: trains heads and writes `folds.json`."""
    import json

    from sklearn.model_selection import StratifiedKFold

    from pipeline import files, keras_setup, packed, params_file, paths, start_weights, transfer
    from pipeline.packed import Packed
    from pipeline.training import Data, fit

    params = params_file.load(paths.PARAMS)
    keras_setup.deterministic(params.train.seed, params.train.threads)
    train, val = packed.load(paths.TRAIN), packed.load(paths.VAL)
    every = Packed(np.concatenate([train.images, val.images]), np.concatenate([train.labels, val.labels]))
    classes = packed.load_classes(paths.CLASSES)
    weights, before = start_weights.find(params.backbone), _computed()
    accuracies, head_seconds, features_seconds = [], [], 0.0
    for seed in range(seeds):
        for number, (inside, outside) in enumerate(
            StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(every.labels, every.labels)
        ):
            whole = transfer.build(params, Data(every, every), len(classes))
            began = time.monotonic()
            job = transfer.job_of(whole, params, Data(every, every), weights, classes)
            features_seconds += (time.monotonic() - began) if (seed, number) == (0, 0) else 0.0
            features = job.data.train
            parts = [Packed(np.asarray(features.images[rows]), features.labels[rows]) for rows in (inside, outside)]
            began = time.monotonic()
            rows = fit(job.model, Data(*parts), params.train, job.changes, None, lambda row, seconds: None)
            head_seconds.append(time.monotonic() - began)
            accuracies.append(rows[-1]["val_accuracy"])
    found = {
        "images": len(every),
        "accuracies": accuracies,
        "head_seconds": head_seconds,
        "features_seconds": features_seconds,
        "computed": _computed() - before,
    }
    known = json.loads(Path("folds.json").read_text()) if Path("folds.json").exists() else {}
    kept = {"features_seconds": known["features_seconds"]} if known else {}
    files.write_text(Path("folds.json"), json.dumps(found | kept))


def _computed() -> int:
    """How many files of features there are."""
    from pipeline import paths

    return len(list((paths.private() / "features").glob("*.npy")))


if __name__ == "__main__":
    main()
