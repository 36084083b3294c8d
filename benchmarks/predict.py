"""Pictures per second of `reprolens predict` against plain Keras: `python -m benchmarks.predict PICTURES`.

PICTURES is a folder or an archive of one; 2,000 of its files are taken, evenly. All sides have the same model in
memory and start with file names; they alternate in one process, after a few pictures each to warm up. Ours reads,
decodes, resizes, predicts and writes the CSV. Theirs is `keras.utils.load_img` and the likelihoods in a list:
`one` calls `model.predict` per file (a tenth of the files, since it takes so long), `batched` calls
`model.predict_on_batch` per 256 files, both with Keras's nearest neighbour; `smooth` is `batched` with bilinear
interpolation, which gives the pixels that ours gives and that the model was trained on.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import keep, spread
from pipeline.classifier import Classifier

BATCH = 256


def ours(asked: Classifier, files: Sequence[str], folder: Path) -> int:
    """What `reprolens predict --out` does once the model is there; returns how many pictures it predicted."""
    from pipeline.lifecycle.predict import Wishes, predict_files

    return predict_files(asked, files, Wishes(out=folder / "predictions.csv"), top=3).num_read


def one(asked: Classifier, files: Sequence[str], folder: Path) -> int:
    """Plain Keras, file by file."""
    found = [asked.model.predict(_pixels(asked, file, "nearest")[None], verbose=0)[0] for file in files[::10]]
    return len(found)


def batched(asked: Classifier, files: Sequence[str], folder: Path, interpolation: str = "nearest") -> int:
    """Plain Keras, in batches."""
    import numpy as np

    found: list[Any] = []
    for start in range(0, len(files), BATCH):
        pixels = [_pixels(asked, file, interpolation) for file in files[start : start + BATCH]]
        found.extend(asked.model.predict_on_batch(np.stack(pixels)))
    return len(found)


def smooth(asked: Classifier, files: Sequence[str], folder: Path) -> int:
    """Plain Keras, in batches, with the resizing that ours has."""
    return batched(asked, files, folder, "bilinear")


def _pixels(asked: Classifier, file: str, interpolation: str) -> Any:
    import keras
    import numpy as np

    mode = "grayscale" if asked.channels == 1 else "rgb"
    picture = keras.utils.load_img(file, color_mode=mode, target_size=asked.size, interpolation=interpolation)
    return keras.utils.img_to_array(picture, dtype=np.uint8)


SIDES: dict[str, Callable[[Classifier, Sequence[str], Path], int]] = {
    "ours": ours,
    "one": one,
    "batched": batched,
    "smooth": smooth,
}


def taken(pictures: Path, count: int, scratch: Path) -> list[str]:
    """So many files of a folder or archive, evenly."""
    from pipeline.picture_files import find

    if pictures.is_file():
        shutil.unpack_archive(pictures, scratch / "pictures", filter=None if pictures.suffix == ".zip" else "data")
        pictures = scratch / "pictures"
    files = find([str(pictures)])
    assert len(files) >= count, f"{pictures} holds only {len(files)} pictures"
    return [files[number * len(files) // count] for number in range(count)]


def compare(asked: Classifier, files: Sequence[str], rounds: int, scratch: Path) -> dict[str, list[float]]:
    """Pictures per second of each side, by round."""
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for predict in SIDES.values():
        predict(asked, files[:BATCH], scratch)
    for number in range(rounds):
        for side, predict in SIDES.items():
            began = time.monotonic()
            found[side].append(predict(asked, files, scratch) / (time.monotonic() - began))
            print(f"round {number + 1}, {side}: {found[side][-1]:,.0f} pictures/s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--model", help="as in `reprolens predict`; without it, the one of this workspace")
    given = parser.parse_args()
    from pipeline import classifier

    with TemporaryDirectory(prefix="reprolens-predict-") as scratch:
        files = taken(given.pictures, given.files, Path(scratch))
        asked = classifier.find(given.model)
        found = compare(asked, files, given.rounds, Path(scratch))
    median = {side: statistics.median(rates) for side, rates in found.items()}
    for side, rates in found.items():
        print(f"{side:8} {spread(rates, 0)} pictures/s")
    ratios = {side: median["ours"] / median[side] for side in ("one", "batched", "smooth")}
    print(f"ours / plain Keras, ratios of medians: {ratios}")
    shape = [*asked.size, asked.channels]
    keep("predict", {"files": given.files, "shape": shape, "pictures_per_second": found, "ratios": ratios})


if __name__ == "__main__":
    main()
