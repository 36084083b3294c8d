"""Where images come from: a plain table, data set name -> function that writes the raw tar.

Hosts and checksums were checked against several public users of them.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline import cifar, remote
from pipeline.archives import pack_pictures
from pipeline.checksums import wrong_gzip, wrong_md5, wrong_sha256
from pipeline.errors import UserError
from pipeline.fetch import fetch, is_address
from pipeline.files import at_home
from pipeline.idx import CLASSES, SUPERCLASSES, idx_bytes
from pipeline.params import Dataset
from pipeline.pull import PATIENCE, Patience
from pipeline.raw_tar import in_memory, write_tar

Source = Callable[[Dataset, Path, Path], None]
"""(params, target tar, folder for downloads and scratch files) -> writes the tar."""


@dataclass(frozen=True)
class IdxFiles:
    """A data set in IDX format: member of the raw tar -> (file at the hosts, MD5 of its decompressed bytes)."""

    hosts: tuple[str, ...]
    files: dict[str, tuple[str, str]]
    classes: tuple[str, ...] = ()  # names by label number; none: the numbers are the names
    most: int = 1 << 26  # bytes that a file may have, however it is compressed


@dataclass(frozen=True)
class Archive:
    """A data set in one archive, with the MD5 and the size in bytes of the file as served."""

    hosts: tuple[str, ...]
    file: str
    md5: str
    size: int


def _idx_files(train_images: str, train_labels: str, test_images: str, test_labels: str) -> dict[str, tuple[str, str]]:
    return {
        "train/images-idx3-ubyte": ("train-images-idx3-ubyte.gz", train_images),
        "train/labels-idx1-ubyte": ("train-labels-idx1-ubyte.gz", train_labels),
        "test/images-idx3-ubyte": ("t10k-images-idx3-ubyte.gz", test_images),
        "test/labels-idx1-ubyte": ("t10k-labels-idx1-ubyte.gz", test_labels),
    }


MNIST = IdxFiles(
    ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    _idx_files(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
)
FASHION_MNIST = IdxFiles(
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    # Of the decompressed files. Packed again by gzip -6 with their names and the times 1504176606 (train) and
    # 1504176627 (t10k), they have the published MD5 of the files as served.
    _idx_files(
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
)
TORONTO = ("https://www.cs.toronto.edu/~kriz/",)
CIFAR10 = Archive(TORONTO, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171)
CIFAR100 = Archive(TORONTO, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", 168_513_733)
FLOWERS = Archive(
    ("https://storage.googleapis.com/download.tensorflow.org/example_images/",),
    "flower_photos.tgz",
    "6f87fb78e9cc9ab41eff2015b380011d",
    228_813_984,
)


def digits(params: Dataset, target: Path, scratch: Path) -> None:
    """scikit-learn's own 1,797 images of 8x8 pixels in 17 shades, stretched to 0..255; nothing is fetched."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.round(data.images * (255 / 16)).astype(np.uint8)
    write_tar(
        {
            "images-idx3-ubyte": in_memory(idx_bytes(images)),
            "labels-idx1-ubyte": in_memory(idx_bytes(data.target.astype(np.uint8))),
        },
        target,
    )


def idx_files(official: IdxFiles, params: Dataset, target: Path, scratch: Path, patience: Patience = PATIENCE) -> None:
    """A data set in IDX format. Decompressed bytes are verified, since a mirror may compress differently."""
    places = mirror_or(official.hosts, params)
    members = {}
    for member, (file, md5) in official.files.items():
        fetched = fetch(file, places, scratch / params.name, partial(wrong_gzip, md5=md5), patience, official.most)
        members[member] = in_memory(gzip.decompress(fetched.read_bytes()))
    if official.classes:
        members[CLASSES] = in_memory(json.dumps(official.classes).encode())
    write_tar(members, target)


def cifar_records(
    official: Archive,
    layout: cifar.Layout,
    params: Dataset,
    target: Path,
    scratch: Path,
    patience: Patience = PATIENCE,
) -> None:
    """CIFAR in its official binary form."""
    found = cifar.read_cifar(_fetched(official, params, scratch, patience), layout)
    members = {name: in_memory(content) for name, content in found.members.items()}
    members[CLASSES] = in_memory(json.dumps(found.classes).encode())
    if found.superclasses:
        members[SUPERCLASSES] = in_memory(json.dumps(found.superclasses).encode())
    write_tar(members, target)


def pictures(official: Archive, params: Dataset, target: Path, scratch: Path, patience: Patience = PATIENCE) -> None:
    """An official archive of class folders."""
    pack_pictures(_fetched(official, params, scratch, patience), target, scratch)


def folder(
    params: Dataset, target: Path, scratch: Path, patience: Patience = PATIENCE, most: int | None = None
) -> None:
    """The user's own folder of class folders, or an archive of one; both may be at an address (see `remote.pack`)."""
    if remote.is_remote(params.path):
        remote.pack(params, target, scratch, patience, most)
        return
    source = at_home(params.path, "dataset.path")
    if params.sha256 and source.is_dir():
        raise UserError("dataset.sha256 is of an archive, but dataset.path is a folder: leave it empty")
    if params.sha256 and source.exists() and (problem := wrong_sha256(source, params.sha256)):
        raise UserError(f"dataset.path {params.path!r}: {problem}. Fetch it again, or mend dataset.sha256")
    pack_pictures(source, target, scratch)


SOURCES: dict[str, Source] = {
    "digits": digits,
    "mnist": partial(idx_files, MNIST),
    "fashion-mnist": partial(idx_files, FASHION_MNIST),
    "cifar10": partial(cifar_records, CIFAR10, cifar.CIFAR10),
    "cifar100": partial(cifar_records, CIFAR100, cifar.CIFAR100),
    "flowers": partial(pictures, FLOWERS),
    "folder": folder,
}


def mirror_or(hosts: tuple[str, ...], params: Dataset) -> tuple[str, ...]:
    """The mirror alone where one is set, else the official hosts.

    Raises:
        UserError: the mirror is neither an address nor a folder.
    """
    if not params.mirror:
        return hosts
    if not is_address(params.mirror) and not at_home(params.mirror, "dataset.mirror").is_dir():
        raise UserError(f"dataset.mirror {params.mirror!r} is neither a folder nor an http(s) address")
    return (params.mirror,)


def _fetched(official: Archive, params: Dataset, scratch: Path, patience: Patience) -> Path:
    places = mirror_or(official.hosts, params)
    check = partial(wrong_md5, md5=official.md5)
    return fetch(official.file, places, scratch / params.name, check, patience, official.size)
