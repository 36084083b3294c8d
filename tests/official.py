"""Small archives in the exact layouts of the official ones, as their servers would send them."""

import gzip
import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np

from pipeline import sources
from pipeline.idx import idx_bytes
from pipeline.sources import Archive, IdxFiles

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FINE = tuple(f"fine_{number:02d}" for number in range(100))
COARSE = tuple(f"coarse_{number:02d}" for number in range(20))


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A tar.gz with a folder entry before its files, as the official ones have."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for folder in sorted({name.rpartition("/")[0] for name in files}):
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def cifar10(per_batch: int = 20) -> bytes:
    """`cifar-10-binary.tar.gz`: label byte, then 1,024 bytes each of red, green and blue."""
    random = np.random.default_rng(10)
    labels = np.arange(per_batch, dtype=np.uint8)[:, None] % 10
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    files = {f"cifar-10-batches-bin/{name}.bin": _records(random, labels) for name in names}
    meta = {"batches.meta.txt": "\n".join(CIFAR10_NAMES) + "\n\n", "readme.html": "<html></html>"}
    return tar_gz({f"cifar-10-batches-bin/{name}": text.encode() for name, text in meta.items()} | files)


def cifar100(per_class: int = 2) -> bytes:
    """`cifar-100-binary.tar.gz`: coarse and fine label bytes before the pixels; five classes to a superclass."""
    random = np.random.default_rng(100)
    fine = np.tile(np.arange(100, dtype=np.uint8), per_class)[:, None]
    labels = np.hstack([fine // 5, fine])
    names = {"coarse_label_names.txt": COARSE, "fine_label_names.txt": FINE}
    texts = {f"cifar-100-binary/{name}": ("\n".join(lines) + "\n").encode() for name, lines in names.items()}
    records = {f"cifar-100-binary/{part}.bin": _records(random, labels) for part in ("train", "test")}
    return tar_gz(texts | records)


def _records(random: np.random.Generator, labels: np.ndarray) -> bytes:
    pixels = random.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    return np.hstack([labels, pixels]).astype(np.uint8).tobytes()


def idx_gz(count: int = 40) -> dict[str, bytes]:
    """The four files of MNIST or Fashion-MNIST."""
    random = np.random.default_rng(28)
    files = {}
    for part in ("train", "t10k"):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx_bytes(images))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx_bytes(np.arange(count, dtype=np.uint8) % 10))
    return files


def flowers(picture: bytes) -> bytes:
    """`flower_photos.tgz`: five class folders and a licence beside them."""
    kinds = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    photos = {f"flower_photos/{kind}/{number}_m.jpg": picture for kind in kinds for number in range(3)}
    return tar_gz({"flower_photos/LICENSE.txt": b"Photos by..."} | photos)


def archive_of(content: bytes, like: Archive, host: str) -> Archive:
    """The table row for a small archive on a host of ours."""
    return replace(like, hosts=(host,), md5=hashlib.md5(content).hexdigest(), size=len(content))


def idx_of(files: dict[str, bytes], host: str, classes: tuple[str, ...] = ()) -> IdxFiles:
    """The same for IDX files."""
    checksums = {
        member: (name, hashlib.md5(gzip.decompress(files[name])).hexdigest())
        for member, (name, _) in sources.MNIST.files.items()
    }
    return IdxFiles((host,), checksums, classes, most=2 * max(map(len, files.values())))
