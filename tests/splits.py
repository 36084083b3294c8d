"""The data of a workspace made without files to decode: the three splits, as `split` would leave them."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline import packed, paths, profile
from pipeline.decode import pixel_hash
from pipeline.files import write_text
from pipeline.picture_statistics import Pixels

FOLDERS = {"train": paths.TRAIN, "val": paths.VAL, "test": paths.TEST}


def write_splits(
    pixels: Mapping[str, Pixels], labels: Mapping[str, Sequence[int]], classes: Sequence[str], **counts: int
) -> None:
    """Writes them below the current folder, in the order of the pixel hashes.

    Args:
        pixels: uint8 (count, height, width, channels) of train, val and test.
        labels: of each its label numbers.
        counts: files left out, by reason.
    """
    for name, folder in FOLDERS.items():
        hashes = [hash_of(item) for item in pixels[name]]
        order = np.argsort(hashes, kind="stable").tolist()
        folder.mkdir(parents=True, exist_ok=True)
        packed.write(folder, pixels[name], order, [labels[name][i] for i in order])
        columns = {"label": [classes[labels[name][i]] for i in order], "pixel_hash": [hashes[i] for i in order]}
        table = pd.DataFrame({"file": [f"{i}.png" for i in order], "split": name, **columns})
        packed.write_table(folder / "manifest.csv", table)
    write_text(paths.CLASSES, json.dumps(list(classes)))
    write_text(profile.COUNTED, json.dumps(dict.fromkeys(profile.COUNTS, 0) | counts))


def hash_of(pixels: Pixels) -> str:
    """The pixel hash of a packed image."""
    return pixel_hash(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def random_pictures(count: int, seed: int, shape: tuple[int, int, int] = (8, 8, 3)) -> Pixels:
    """All different."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
