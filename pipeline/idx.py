"""The IDX format of MNIST and its kin: a header with rank and sizes, then unsigned bytes.

Arrays of a raw tar lie in pairs, `images-idx3-ubyte` (grey) or `images-idx4-ubyte` (colour) beside
`labels-idx1-ubyte`, in a folder per given split. Format: http://yann.lecun.com/exdb/mnist/.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

IMAGES = ("images-idx3-ubyte", "images-idx4-ubyte")
LABELS = "labels-idx1-ubyte"
CLASSES = "classes.json"  # names by label number, where the numbers are not the names
SUPERCLASSES = "superclasses.json"  # of each class its superclass, by label number
Bytes = NDArray[np.uint8]


def idx_bytes(array: Bytes) -> bytes:
    """A uint8 array in IDX format: magic 0, 0, 8 (unsigned byte), rank, big-endian sizes, then the bytes."""
    assert array.dtype == np.uint8
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_array(path: Path, offset: int) -> Bytes:
    """Memory-maps the IDX array of unsigned bytes that starts at `offset` of a file."""
    with path.open("rb") as stream:
        stream.seek(offset)
        zeros, kind, rank = struct.unpack(">HBB", stream.read(4))
        assert (zeros, kind) == (0, 8), "verified IDX data holds unsigned bytes"
        shape = struct.unpack(f">{rank}I", stream.read(4 * rank))
    return np.memmap(path, np.uint8, "r", offset + 4 + 4 * rank, shape)
