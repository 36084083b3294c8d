"""Reading the raw tar: pictures in class folders, or arrays in IDX format, as one list of records."""

import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.decode import Pixels, decode
from pipeline.errors import UserError
from pipeline.layout import Placed, place

IDX_IMAGES, IDX_LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


@dataclass(frozen=True)
class Raw:
    """The records of a raw tar, and how to get the pixels of one by its position."""

    records: list[Placed]
    classes: list[str]  # sorted; a label's index is its number
    pixels: Callable[[int], Pixels]  # position -> uint8 (height, width, 3); raises `decode.Unreadable`


def open_raw(path: Path) -> Raw:
    """Opens the tar that `download` wrote.

    Raises:
        UserError: no such file, or not a tar.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            members = {info.name: info for info in tar}
    except (FileNotFoundError, tarfile.TarError) as error:
        raise UserError(f"{path} is missing or broken: run `dvc repro --force download`") from error
    if any(name.endswith(IDX_IMAGES) for name in members):
        return _open_idx(path, members)
    return _open_pictures(path, members)


def _open_pictures(path: Path, members: dict[str, tarfile.TarInfo]) -> Raw:
    records = place(members, str(path))

    def pixels(position: int) -> Pixels:
        info = members[records[position].file]
        with path.open("rb") as stream:
            stream.seek(info.offset_data)
            return decode(stream.read(info.size))

    return Raw(records, sorted({record.label for record in records}), pixels)


def _open_idx(path: Path, members: dict[str, tarfile.TarInfo]) -> Raw:
    records: list[Placed] = []
    arrays = []
    for name in sorted(name for name in members if name.endswith(IDX_IMAGES)):
        folder = name.removesuffix(IDX_IMAGES)
        images = idx_array(path, members[name].offset_data)
        labels = idx_array(path, members[folder + IDX_LABELS].offset_data)
        split = folder.rstrip("/") or None
        arrays.append(images)
        records += [Placed(f"{folder}{number:05d}", str(label), split) for number, label in enumerate(labels)]
    starts = np.cumsum([0, *(len(images) for images in arrays)])

    def pixels(position: int) -> Pixels:
        which = int(np.searchsorted(starts, position, side="right")) - 1
        grey = arrays[which][position - starts[which]]
        return np.repeat(grey[:, :, None], 3, axis=2)

    return Raw(records, sorted({record.label for record in records}), pixels)


def idx_array(path: Path, offset: int) -> Pixels:
    """Memory-maps the IDX array of unsigned bytes that starts at `offset` of a file."""
    with path.open("rb") as stream:
        stream.seek(offset)
        zeros, kind, rank = struct.unpack(">HBB", stream.read(4))
        assert (zeros, kind) == (0, 8), "verified IDX data holds unsigned bytes"
        shape = struct.unpack(f">{rank}I", stream.read(4 * rank))
    return np.memmap(path, np.uint8, "r", offset + 4 + 4 * rank, shape)
