"""Near-duplicates: pictures that look alike though their pixels differ (resized, compressed again, retouched).

Two pictures are near-duplicates if their 64-bit perceptual hashes differ in at most some bits; groups are
what such pairs connect. The hash is the DCT hash ("pHash": Zauner, "Implementation and Benchmarking of
Perceptual Image Hash Functions", 2010): signs of the lowest frequencies against their median.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.decode import Pixels

BITS = 64
SIDE, KEPT = 32, 8  # pixels the picture is shrunk to; frequencies kept per axis
AT_ONCE = 2048  # hashes compared with a bucket at once; bounds memory


def perceptual_hash(pixels: Pixels) -> int:
    """64 bits that hardly change when a picture is resized, compressed or brightened.

    Args:
        pixels: uint8 (height, width, 3).
    """
    from scipy.fft import dctn

    grey = Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    frequencies = dctn(np.asarray(grey, np.float64), norm="ortho")[:KEPT, :KEPT].ravel()
    frequencies[0] = 0  # the mean brightness says nothing
    # Rounded, so that a flat picture has the same bits everywhere and not those of rounding errors.
    rounded = np.round(frequencies, 6)
    return int.from_bytes(np.packbits(rounded > np.median(rounded)).tobytes())


def groups(hashes: Sequence[int], distance: int) -> list[list[int]]:
    """Positions that belong together, at least two each, in rising order; groups in the order of their first.

    Args:
        hashes: one perceptual hash per picture.
        distance: bits in which two neighbours may differ.
    """
    values, which = np.unique(np.array(hashes, dtype=np.uint64), return_inverse=True)
    leader = np.arange(len(values))
    for one, other in _pairs(values, distance):
        _unite(leader, one, other)
    found: dict[int, list[int]] = {}
    for position, value in enumerate(which.tolist()):
        found.setdefault(_find(leader, value), []).append(position)
    return [members for members in found.values() if len(members) > 1]


def _pairs(values: NDArray[np.uint64], distance: int) -> Iterator[tuple[int, int]]:
    """Pairs within `distance`. Cut into distance + 1 bands, two such hashes agree in at least one band whole."""
    edges = np.linspace(0, BITS, distance + 2).astype(int)
    for low, high in pairwise(edges):
        band = (values >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        cuts = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, cuts):
            yield from _close(values, bucket, distance)


def _close(values: NDArray[np.uint64], bucket: NDArray[np.int64], distance: int) -> Iterator[tuple[int, int]]:
    for start in range(0, len(bucket) if len(bucket) > 1 else 0, AT_ONCE):
        rows = bucket[start : start + AT_ONCE]
        differing = np.bitwise_count(values[rows][:, None] ^ values[bucket][None, :])
        for row, column in zip(*np.nonzero(differing <= distance), strict=True):
            if start + row < column:
                yield int(rows[row]), int(bucket[column])


def _find(leader: NDArray[np.int64], position: int) -> int:
    while leader[position] != position:
        leader[position] = leader[leader[position]]
        position = int(leader[position])
    return position


def _unite(leader: NDArray[np.int64], one: int, other: int) -> None:
    first, second = sorted((_find(leader, one), _find(leader, other)))
    leader[second] = first
