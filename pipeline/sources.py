"""Where images come from: a plain table, data set name -> function that writes the raw tar.

Hosts and checksums of MNIST were checked against several public users of them.
"""

import gzip
import hashlib
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.archives import in_memory, pack_pictures, write_tar
from pipeline.errors import UserError
from pipeline.fetch import fetch, is_address
from pipeline.params import Dataset

Source = Callable[[Dataset, Path, Path], None]
"""(params, target tar, folder for downloads and scratch files) -> writes the tar."""

MNIST_HOSTS = ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")
# member of the raw tar -> (file at the hosts, MD5 of its decompressed bytes)
MNIST_FILES = {
    "train/images-idx3-ubyte": ("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb"),
    "train/labels-idx1-ubyte": ("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624"),
    "test/images-idx3-ubyte": ("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea"),
    "test/labels-idx1-ubyte": ("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637"),
}


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


def mnist(params: Dataset, target: Path, scratch: Path) -> None:
    """MNIST in IDX format. The decompressed bytes are verified, since a mirror may compress differently."""
    places = mirror_or(MNIST_HOSTS, params)
    members = {}
    for member, (file, md5) in MNIST_FILES.items():
        fetched = fetch(file, places, scratch / "mnist", partial(wrong_gzip, md5=md5))
        members[member] = in_memory(gzip.decompress(fetched.read_bytes()))
    write_tar(members, target)


def folder(params: Dataset, target: Path, scratch: Path) -> None:
    """The user's own folder of class folders, or an archive of one."""
    pack_pictures(Path(params.path).expanduser(), target, scratch)


SOURCES: dict[str, Source] = {"digits": digits, "mnist": mnist, "folder": folder}


def mirror_or(hosts: tuple[str, ...], params: Dataset) -> tuple[str, ...]:
    """The mirror alone where one is set, else the official hosts.

    Raises:
        UserError: the mirror is neither an address nor a folder.
    """
    if not params.mirror:
        return hosts
    if not is_address(params.mirror) and not Path(params.mirror).expanduser().is_dir():
        raise UserError(f"dataset.mirror {params.mirror!r} is neither a folder nor an http(s) address")
    return (params.mirror,)


def wrong_gzip(path: Path, md5: str) -> str | None:
    """What is wrong with a gzip file whose content should have this MD5; None if nothing."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with gzip.open(path) as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return f"not a whole gzip file ({error})"
    found = digest.hexdigest()
    return None if found == md5 else f"wrong checksum: its content has md5 {found}, expected {md5}"


def idx_bytes(array: np.ndarray) -> bytes:
    """A uint8 array in IDX format: magic 0, 0, 8 (unsigned byte), rank, big-endian sizes, then the bytes."""
    assert array.dtype == np.uint8
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
