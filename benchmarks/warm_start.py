"""Does a registered model help with few images? `python -m benchmarks.warm_start FOLDER [--seeds 3] [KEY=VALUE...]`.

FOLDER holds `cifar10-jpeg.tar.xz`, CIFAR-10 as JPEG files in `train/<class>/` and `test/<class>/`. A model is trained
on nine tenths of the training images and registered. Then the last tenth comes, alone: the same network is trained on
it, with the same params and seeds, from scratch and from the registered model, and both answer the official test
images.
"""

import argparse
import json
import statistics
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import clone, keep, run_in, spread

TENTH = 10  # every so many-th training image is new


def divide(archive: Path, older: Path, newer: Path) -> None:
    """Two archives with the same test images; the training images are in one of them."""
    with tarfile.open(archive) as members, zipfile.ZipFile(older, "w") as first, zipfile.ZipFile(newer, "w") as second:
        number = 0
        for member in members:
            stream = members.extractfile(member) if member.isfile() else None
            if not stream:
                continue
            content, is_training = stream.read(), "train" in Path(member.name).parts
            number += is_training
            for target, wanted in ((first, number % TENTH != 0), (second, number % TENTH == 0)):
                if wanted or not is_training:
                    target.writestr(member.name, content)


def accuracy(folder: Path, preset: str, *changes: str) -> tuple[float, float]:
    """Test accuracy, and seconds from raw data to report."""
    run_in(folder, "reprolens", "use", preset, *changes)
    seconds = run_in(folder, "dvc", "repro")
    return json.loads((folder / "reports" / "metrics.json").read_text())["accuracy"], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", default="cifar10-cnn")
    parser.add_argument("--seeds", type=int, default=3, help="train seeds 0 to N-1 (default 3)")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="reprolens-benchmark-") as place, clone() as folder:
        older, newer = (Path(place) / age / "cifar10.zip" for age in ("older", "newer"))
        for archive in (older, newer):
            archive.parent.mkdir()
        divide(given.data / "cifar10-jpeg.tar.xz", older, newer)
        common = ("dataset.name=folder", *given.overrides)
        before, _ = accuracy(folder, given.preset, *common, f"dataset.path={older}")
        run_in(folder, "reprolens", "promote")
        print(f"registered: {before:.4f}, trained on nine tenths", flush=True)
        sides: dict[str, list[float]] = {"scratch": [], "warm": []}
        seconds: dict[str, list[float]] = {"scratch": [], "warm": []}
        for seed in range(given.seeds):
            for side, start in (("scratch", "none"), ("warm", "models:/cifar10@champion")):
                changes = (*common, f"dataset.path={newer}", f"train.seed={seed}", f"backbone.weights={start}")
                told, took = accuracy(folder, given.preset, *changes)
                sides[side].append(told)
                seconds[side].append(took)
                print(f"seed {seed}, {side}: {told:.4f}, {took:.0f} s", flush=True)
    for side, accuracies in sides.items():
        print(f"{side}: mean {statistics.mean(accuracies):.4f}, {spread(accuracies, 4)}, {spread(seconds[side], 0)} s")
    keep("warm_start", {"preset": given.preset, "registered": before, "accuracies": sides, "seconds": seconds})


if __name__ == "__main__":
    main()
