"""CIFAR-10 and CIFAR-100 in their official binary form; no pickle is ever read.

A record is one label byte (CIFAR-100: two, coarse then fine) and 3,072 pixel bytes, 1,024 each of red, green
and blue, row by row. Format: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.idx import LABELS, idx_bytes

SIDE = 32
PIXELS = 3 * SIDE * SIDE  # bytes


@dataclass(frozen=True)
class Layout:
    """Where things are in an archive: files of records per split, and files of names, one a line."""

    splits: dict[str, tuple[str, ...]]
    classes: str
    superclasses: str = ""  # of CIFAR-100: names of the coarse labels, whose byte comes first in a record

    @property
    def label_bytes(self) -> int:
        return 2 if self.superclasses else 1


CIFAR10 = Layout(
    {
        "train": tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
        "test": ("cifar-10-batches-bin/test_batch.bin",),
    },
    "cifar-10-batches-bin/batches.meta.txt",
)
CIFAR100 = Layout(
    {"train": ("cifar-100-binary/train.bin",), "test": ("cifar-100-binary/test.bin",)},
    "cifar-100-binary/fine_label_names.txt",
    "cifar-100-binary/coarse_label_names.txt",
)


@dataclass(frozen=True)
class Cifar:
    """What an archive holds, as members of the raw tar, and the names of its labels by number."""

    members: dict[str, bytes]
    classes: list[str]
    superclasses: list[str]  # one per class, by the class's number; empty for CIFAR-10


def read_cifar(archive: Path, layout: Layout) -> Cifar:
    """Reads an official archive.

    Raises:
        UserError: a file is missing, or is not made of whole records. (The checksum is checked before.)
    """
    files = (*sum(layout.splits.values(), ()), layout.classes, *filter(None, [layout.superclasses]))
    contents = _contents(archive, files)
    classes = _names(contents[layout.classes])
    members: dict[str, bytes] = {}
    superclass_of: dict[int, int] = {}
    for split, names in layout.splits.items():
        images, labels = zip(*(_records(contents.pop(name), name, layout.label_bytes) for name in names), strict=True)
        fine = np.concatenate(labels)
        members[f"{split}/images-idx4-ubyte"] = idx_bytes(np.concatenate(images))
        members[f"{split}/{LABELS}"] = idx_bytes(np.ascontiguousarray(fine[:, -1]))
        if layout.superclasses:
            superclass_of |= {int(label): int(coarse) for coarse, label in np.unique(fine, axis=0)}
    if not layout.superclasses:
        return Cifar(members, classes, [])
    coarse_names = _names(contents[layout.superclasses])
    return Cifar(members, classes, [coarse_names[superclass_of[number]] for number in range(len(classes))])


def _contents(archive: Path, files: Sequence[str]) -> dict[str, bytes]:
    with tarfile.open(archive, "r:*") as tar:
        found = {info.name: stream.read() for info in tar if info.name in files and (stream := tar.extractfile(info))}
    for name in files:
        if name not in found:
            raise UserError(f"{archive} holds no {name!r}: it is not the official binary version")
    return found


def _records(content: bytes, name: str, label_bytes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images (count, 32, 32, 3) and labels (count, label_bytes), both uint8."""
    size = label_bytes + PIXELS
    if not content or len(content) % size:
        raise UserError(f"{name!r} has {len(content):,} bytes, which are no whole records of {size:,}: fetch it again")
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    planes = records[:, label_bytes:].reshape(-1, 3, SIDE, SIDE)
    return planes.transpose(0, 2, 3, 1), records[:, :label_bytes]


def _names(content: bytes) -> list[str]:
    return [line.strip() for line in content.decode("utf-8").splitlines() if line.strip()]
