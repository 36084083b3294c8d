"""The pictures of the wrong guesses, in a file that two runs can be compared by without the test split.

An image that one of two runs has right and the other wrong is a mistake of exactly one of them, so the
mistakes of both hold every image on which they differ.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.files import replacing
from pipeline.mistakes import Mistake

SIDE = 64  # pixels; larger pictures are shrunk, keeping their shape
MOST = 4000  # mistakes, the surest first: at most 49 MB


def write_pictures(target: Path, images: NDArray[np.uint8], mistakes: Sequence[Mistake]) -> None:
    """Writes the first `MOST` mistakes in their order: `pixel_hash` (bytes) and `images` (count, height, width, c).

    Not compressed: another build of zlib would make other bytes, and the file is an out.

    Args:
        images: the test split, uint8 (count, height, width, 1 or 3).
    """
    kept = mistakes[:MOST]
    height, width = _shrunk(*images.shape[1:3])
    pixels = np.empty((len(kept), height, width, images.shape[3]), np.uint8)
    for place, item in enumerate(kept):
        pixels[place] = _resized(np.asarray(images[item.row]), height, width)
    hashes = np.array([item.pixel_hash.encode() for item in kept], dtype="S64")
    with replacing(target) as beside, beside.open("wb") as stream:
        np.savez(stream, allow_pickle=False, pixel_hash=hashes, images=pixels)


def read_pictures(file: Path) -> dict[str, NDArray[np.uint8]]:
    """Of each mistake its picture, by the hash of its pixels; copies of one image have one entry.

    Raises:
        UserError: the file is broken.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            pixels = held["images"]
            return {name.decode(): pixels[place] for place, name in enumerate(held["pixel_hash"])}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{file.name} is broken: run `dvc repro --force evaluate` for that run") from error


def _shrunk(height: int, width: int) -> tuple[int, int]:
    share = min(1.0, SIDE / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def _resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    return small.reshape(height, width, pixels.shape[2])
