"""A split on disk: one memory-mapped uint8 array, labels, and a manifest a person can read.

A folder holds `images.npy` (count, height, width, channels), `labels.npy` int32 (count,), and
`manifest.csv` (file, label, split, pixel_hash), all in the order of the pixel hashes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.files import reserve

if TYPE_CHECKING:
    import pandas as pd

COPY_AT_ONCE = 1024  # images; bounds memory while packing


@dataclass(frozen=True)
class Packed:
    """A split, its images memory-mapped: pixels, uint8, or what `features` made of them, float32.

    Of features there may be several views of each image: (views x count, ...), the first view of all images first.
    """

    images: NDArray[Any]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)


def load(folder: Path) -> Packed:
    """Opens a split without reading its pixels.

    Raises:
        UserError: the split was not made yet.
    """
    try:
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        return Packed(images, np.load(folder / "labels.npy", allow_pickle=False))
    except (FileNotFoundError, ValueError, EOFError) as error:
        raise UserError(f"{folder} is missing or broken: run `dvc repro`") from error


def load_manifest(folder: Path) -> "pd.DataFrame":
    """The manifest as text columns: file, label, split, pixel_hash."""
    return read_table(folder / "manifest.csv")


def load_classes(path: Path) -> list[str]:
    """Class names; a label's number is its position."""
    names: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return names


def write(folder: Path, pixels: NDArray[np.uint8], positions: Sequence[int], labels: Sequence[int]) -> None:
    """Copies `pixels[positions]` to `folder` in bounded memory, with `labels` beside."""
    shape = (len(positions), *pixels.shape[1:])
    target = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    reserve(folder / "images.npy")
    for start in range(0, len(positions), COPY_AT_ONCE):
        chunk = positions[start : start + COPY_AT_ONCE]
        # "clip" only because any other mode copies twice: no position is out of bounds.
        np.take(pixels, chunk, axis=0, out=target[start : start + len(chunk)], mode="clip")
    np.save(folder / "labels.npy", np.asarray(labels, dtype=np.int32), allow_pickle=False)


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """CSV with Unix line ends; floats keep nine digits, enough for any float32; odd file names survive."""
    table.to_csv(path, index=False, float_format="%.9g", lineterminator="\n", errors="surrogateescape")


def read_table(path: Path, **kinds: type) -> "pd.DataFrame":
    """Reads a table that `write_table` wrote; columns are text unless `kinds` says otherwise."""
    import pandas as pd

    header = pd.read_csv(path, nrows=0, encoding_errors="surrogateescape").columns
    return pd.read_csv(
        path,
        dtype={name: kinds.get(name, str) for name in header},
        keep_default_na=False,
        encoding_errors="surrogateescape",
    )
