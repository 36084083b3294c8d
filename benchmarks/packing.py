"""Packing pictures, against one pass of Keras's own loader: `python -m benchmarks.packing CIFAR10.tar.xz`.

The archive holds class folders. Ours is `split`: from the raw tar to packed arrays, with decoding, hashing, dividing,
tables and pictures; before it, told apart, `download`: unpack the archive, write the raw tar. Theirs is one pass of
`keras.utils.image_dataset_from_directory` over the same files, already unpacked. Alternating, each in a process of its
own, imports not counted. Then a quarter of the files against all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.common import keep, spread, top

SIDE = 32  # of the pictures in the archive


def pack(archive: Path, folder: Path) -> dict[str, float]:
    """Both stages, on an archive; returns the seconds of each."""
    from pipeline.params import Dataset, Image, Split
    from pipeline.stages.download import download
    from pipeline.stages.split import Outputs, split

    where, began = str(archive), time.monotonic()
    download(Dataset(name="folder", path=where, sha256="", mirror="", watch=where), folder / "raw.tar", folder)
    unpacked = time.monotonic()
    shares = Split(seed=0, train=0.7, val=0.15, test=0.15, max_unreadable=0, near_duplicates=0)
    splits = {name: folder / name for name in ("train", "val", "test")}
    outputs = Outputs(splits, folder / "classes.json", folder / "report")
    split(shares, Image(size=(SIDE, SIDE), channels=3), folder / "raw.tar", outputs)
    return {"download": unpacked - began, "split": time.monotonic() - unpacked}


def read_with_keras(pictures: Path) -> dict[str, float]:
    """One pass over the class folders of each part; returns the seconds."""
    from pipeline import keras_setup

    keras_setup.prepare()
    import keras

    count, began = 0, time.monotonic()
    for part in sorted(pictures.iterdir()):
        batches = keras.utils.image_dataset_from_directory(part, image_size=(SIDE, SIDE), batch_size=128, shuffle=False)
        count += sum(len(labels) for _, labels in batches)
    assert count, "no pictures found"
    return {"keras": time.monotonic() - began}


def one(kind: str, source: Path, folder: Path) -> None:
    """Measures in this process and prints the seconds."""
    if kind == "keras":
        import keras  # noqa: F401 imports are not counted
    else:
        import matplotlib.figure  # noqa: F401
        import pandas  # noqa: F401

        import pipeline.stages.split  # noqa: F401
    print(json.dumps(pack(source, folder) if kind == "pack" else read_with_keras(source)))


def measure(kind: str, source: Path) -> dict[str, float]:
    """Runs `one` in a process of its own and watches the memory of its whole family."""
    with TemporaryDirectory(prefix="reprolens-packing-") as folder:
        words = [sys.executable, "-m", "benchmarks.packing", str(source), "--one", kind, "--folder", folder]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, own_memory(child.pid))
            time.sleep(0.1)
        assert child.stdout is not None
        lines = child.stdout.read().splitlines()
    if child.returncode:
        sys.exit(f"measuring {kind} failed")
    return {**json.loads(lines[-1]), "megabytes": peak}


def own_memory(pid: int) -> float:
    """Memory of a process and its children besides mapped files, in MB."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            memory = process.memory_info()
            total += memory.rss - memory.shared
    except psutil.Error:
        pass
    return total / 1e6


def quarter(archive: Path, target: Path) -> None:
    """Every fourth file of an archive."""
    with tarfile.open(archive) as tar, tarfile.open(target, "w:xz") as small:
        files = [info for info in tar if info.isfile()]
        for info in sorted(files, key=lambda info: info.name)[::4]:
            small.addfile(info, tar.extractfile(info))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=["pack", "keras"])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.one:
        return one(given.one, given.archive, given.folder)
    found: dict[str, list[dict[str, float]]] = {"pack": [], "keras": [], "quarter": []}
    with TemporaryDirectory(prefix="reprolens-packing-") as scratch:
        with tarfile.open(given.archive) as tar:
            tar.extractall(Path(scratch, "unpacked"), filter="data")
        quarter(given.archive, Path(scratch, "quarter.tar.xz"))
        places = {
            "pack": given.archive.resolve(),
            "keras": top(Path(scratch, "unpacked")),
            "quarter": Path(scratch, "quarter.tar.xz"),
        }
        for number in range(given.rounds):
            for kind, place in places.items():
                os.sync()
                found[kind].append(measure("keras" if kind == "keras" else "pack", place))
                print(f"round {number + 1}, {kind}: {found[kind][-1]}", flush=True)
    report(found)
    return None


def report(found: dict[str, list[dict[str, float]]]) -> None:
    """Prints and keeps medians, spreads and ratios."""

    def median(kind: str, what: str) -> float:
        return statistics.median(item[what] for item in found[kind])

    ratios = {
        "split_to_keras": median("pack", "split") / median("keras", "keras"),
        "download_and_split_to_keras": statistics.median(item["download"] + item["split"] for item in found["pack"])
        / median("keras", "keras"),
        "split_to_quarter": median("pack", "split") / median("quarter", "split"),
        "download_to_quarter": median("pack", "download") / median("quarter", "download"),
        "memory_to_quarter": median("pack", "megabytes") / median("quarter", "megabytes"),
    }
    for kind, what in (("pack", "split"), ("pack", "download"), ("keras", "keras"), ("quarter", "split")):
        print(f"{kind}, {what}: {spread([item[what] for item in found[kind]], 1)} s")
    print({name: round(value, 2) for name, value in ratios.items()})
    keep("packing", {"rounds": found, "ratios": ratios})


if __name__ == "__main__":
    main()
