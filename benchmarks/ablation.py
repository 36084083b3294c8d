"""What each part of a fast preset brings: `python -m benchmarks.ablation PRESET [KEY=VALUE...] [--without CHANGE...]`.

Trains the preset as it is, and once more for each of its parts with that part left out (or for each CHANGE, a KEY=VALUE
or several in one word, with that), all on the same split and with the same seeds, in turns. Tells validation accuracy
and seconds of training, from loaded data to a saved model; the test images are not read.
"""

import argparse
import statistics
from typing import Any

from benchmarks.common import clone, keep, portable, run_in, spread
from benchmarks.time_to_accuracy import timed
from tests.tracked_runs import params_of

# What a part is replaced by where it is left out.
PLAIN = {
    "model.whiten": 0,
    "model.activation": "relu",
    "model.pool_after": "last",
    "model.batch_norm": False,
    "model.pooling": "average",
    "augment.flip_horizontal": True,
    "augment.whole_shifts": False,
    "train.schedule": "constant",
    "train.optimizer": "sgd",
    "train.average": 0.0,
    "train.label_smoothing": 0.0,
    "train.small_epochs": 0,
}


def parts(params: Any) -> list[str]:
    """Overrides that leave one part of the recipe out each."""
    left_out = []
    for key, plain in PLAIN.items():
        section, name = key.split(".")
        value = getattr(getattr(params, section), name)
        is_there = value == "alternate" if key == "augment.flip_horizontal" else value != plain
        if is_there:
            left_out.append(f"{key}={str(plain).lower() if isinstance(plain, bool) else plain}")
    shifts = [f"augment.{name}=0" for name in ("shift_height", "shift_width") if getattr(params.augment, name)]
    return left_out + ([" ".join([*shifts, "augment.whole_shifts=false"])] if shifts else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of all trainings")
    parser.add_argument("--without", nargs="+", metavar="CHANGE", help="these in place of the preset's parts")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    changes = ["", *(given.without or parts(params_of(*given.overrides, preset=given.preset)))]
    found: dict[str, list[dict[str, float]]] = {change: [] for change in changes}
    with clone() as folder:
        for seed in range(given.seeds):
            for change in changes:
                run_in(
                    folder, "reprolens", "use", given.preset, *given.overrides, f"train.seed={seed}", *change.split()
                )
                run_in(folder, "dvc", "repro", "split")
                row = timed(folder, "pipeline.stages.train")
                result = {"val_accuracy": row["epochs"][-1][1], "seconds": row["training"], "mib": row["mib"]}
                found[change].append(result)
                print(f"seed {seed}, {change or 'as it is'}: {result}", flush=True)
                about = {"preset": given.preset, "overrides": [portable(item) for item in given.overrides]}
                keep(f"ablation-{given.preset}", {**about, "changes": found})  # what there is, if cut off
    for change, rows in found.items():
        accuracies = [row["val_accuracy"] for row in rows]
        seconds = spread([row["seconds"] for row in rows], 0)
        print(f"{change or 'as it is'}: val_accuracy {statistics.mean(accuracies):.4f}, {seconds} s")


if __name__ == "__main__":
    main()
