"""How long `reprolens retrain` takes to see that nothing is new: `python -m benchmarks.nothing_new FOLDER`.

Whole processes, from start to exit, with as many pictures as files in a watched folder; FOLDER holds `mnist` with its
official files. A small network is trained and promoted once, in a clone of the committed state, before.
"""

import argparse
from pathlib import Path

from benchmarks.common import clone, keep, run_in, spread
from benchmarks.tuning_runs import prepare, write_mnist

PROMOTED = 10
SMALL = ("train.epochs=1", "model.filters=[8]", "model.dense=[16]", "evaluate.bootstrap=100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with clone() as folder:
        pictures = folder.parent / "pictures"
        write_mnist(given.data / "mnist", pictures, range(given.images))
        prepare(folder, "mnist", "dataset.name=folder", f"dataset.path={pictures}", *SMALL)
        run_in(folder, "reprolens", "retrain", accepted=PROMOTED)
        seconds = [run_in(folder, "reprolens", "retrain") for _ in range(given.rounds)]
    print(f"nothing new in {given.images:,} images: {spread(seconds, 1)} s")
    keep("nothing_new", {"images": given.images, "seconds": seconds})


if __name__ == "__main__":
    main()
