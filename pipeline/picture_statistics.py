"""What pictures look like in a few numbers: statistics a person can name, and features a classifier can use; pure."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

STATISTICS = ("brightness", "contrast", "colour", "warmth", "sharpness")
GRID = 8  # cells per side that a picture is averaged over for features
COARSE = 4  # the same for edges
FEATURES = GRID**2 + COARSE**2 + len(STATISTICS)
AT_ONCE = 1 << 20  # values read at once; bounds memory, however large the pictures are
LUMA = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601, as in `decode.fit`


def describe(pixels: Pixels, rows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.float16]]:
    """Statistics and features of the pictures `rows` of a (memory-mapped) array; no other pixel is read.

    Args:
        pixels: uint8 (count, height, width, 1 or 3).

    Returns:
        Statistics (len(rows), 5), in the order of `STATISTICS`; features (len(rows), FEATURES).
    """
    statistics = np.empty((len(rows), len(STATISTICS)), np.float32)
    features = np.empty((len(rows), FEATURES), np.float16)
    step = max(1, AT_ONCE // int(np.prod(pixels.shape[1:])))
    for start in range(0, len(rows), step):
        here = slice(start, start + step)
        chunk = np.asarray(pixels[rows[here]])
        grey = luma(chunk)
        statistics[here] = _statistics(chunk, grey)
        features[here] = np.concatenate(
            [_pooled(grey, GRID), _pooled(_edges(grey), COARSE), statistics[here]], axis=1, dtype=np.float32
        )
    return statistics, features


def luma(pixels: Pixels) -> Floats:
    """Grey of (count, height, width, channels)."""
    if pixels.shape[3] == 1:
        return pixels[..., 0].astype(np.float32)
    red, green, blue = (np.float32(share) * pixels[..., channel] for channel, share in enumerate(LUMA))
    return np.asarray(red + green + blue)


def _statistics(pixels: Pixels, grey: Floats) -> Floats:
    """One row per picture.

    brightness and contrast: mean and standard deviation of grey. colour: mean distance of the strongest from the
    weakest channel. warmth: mean of red less blue. sharpness: standard deviation of the Laplacian (Pech-Pacheco et
    al., "Diatom Autofocusing in Brightfield Microscopy: a Comparative Study", ICPR 2000), which noise raises, too.
    """
    red, green, blue = (_flat(pixels[..., min(channel, pixels.shape[3] - 1)]) for channel in range(3))
    strongest, weakest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    columns = (
        _flat(grey).mean(axis=1),
        _flat(grey).std(axis=1),
        (strongest - weakest).mean(axis=1),
        red.mean(axis=1) - blue.mean(axis=1),
        _flat(_laplacian(grey)).std(axis=1),
    )
    return np.stack(columns, axis=1).astype(np.float32)


def _flat(pictures: NDArray[np.generic]) -> NDArray[np.generic]:
    return pictures.reshape(len(pictures), -1)


def _laplacian(grey: Floats) -> Floats:
    """Four neighbours less four times the middle; beyond the border a picture goes on as its border."""
    wide = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1] + wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:]
    return np.asarray(around - 4 * grey)


def _edges(grey: Floats) -> Floats:
    """How much each pixel differs from the next, across and down."""
    found = np.zeros_like(grey)
    found[:, :, :-1] += np.abs(np.diff(grey, axis=2))
    found[:, :-1] += np.abs(np.diff(grey, axis=1))
    return found


def _pooled(grey: Floats, cells: int) -> Floats:
    """Means of a grid of cells, flat; of a picture with fewer pixels than cells, pixels stand in several cells."""
    (tops, tall), (lefts, wide) = (_cells(side, cells) for side in grey.shape[1:])
    sums = np.add.reduceat(np.add.reduceat(grey, tops, axis=1), lefts, axis=2)
    return np.asarray(sums / (tall[:, None] * wide)).reshape(len(grey), cells**2)


def _cells(side: int, cells: int) -> tuple[NDArray[np.int64], Floats]:
    """Where each cell begins, and how many pixels it has: at least one."""
    edges = np.arange(cells + 1) * side // cells
    return edges[:-1], np.maximum(1, np.diff(edges)).astype(np.float32)
