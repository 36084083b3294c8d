"""The checks of new data on real images: how often they raise a false alarm, and what trouble they see.

`python -m benchmarks.data_checks MNIST FASHION CIFAR10.tar.xz`: two folders of IDX files, gzipped or not, and an
archive of class folders. Each time the champion has seen 4,800 images drawn at random, and 1,000 others come. Honest
growth: as they are. Trouble: a share of the labels replaced at random, pictures changed, classes out of balance. The
champion that guesses is a support vector machine on 50 principal components of every second pixel. Everything goes
through `data_checks.check` with the limits of `params.yaml`.
"""

import argparse
import gzip
import hashlib
import io
import statistics
import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import REPOSITORY, keep
from pipeline import params_file
from pipeline.data_checks import CheckResult, check
from pipeline.data_findings import LabelEvidence
from pipeline.intervals import wilson
from pipeline.profile import Part, build
from pipeline.retrain_params import Retrain

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int32]
Random = np.random.Generator


@dataclass(frozen=True)
class Sizes:
    """How many images the champion was trained and validated on, and how many come."""

    known: int = 4000
    val: int = 800
    new: int = 1000


SIZES = Sizes()


@dataclass(frozen=True)
class Images:
    """Images of a data set, with a hash each."""

    pixels: Pixels
    labels: Labels

    def at(self, rows: NDArray[np.int64]) -> "Images":
        return Images(self.pixels[rows], self.labels[rows])

    def part(self) -> Part:
        """As a split: in the order of the hashes."""
        hashes = np.array([hashlib.sha256(item.tobytes()).hexdigest() for item in self.pixels])
        order = np.argsort(hashes)
        return Part(hashes[order].tolist(), self.labels[order], self.pixels[order])


def poisoned(share: float) -> Callable[[Images, Random], Images]:
    """A share of the labels becomes any other."""

    def change(images: Images, random: Random) -> Images:
        labels = images.labels.copy()
        rows = random.choice(len(labels), round(share * len(labels)), replace=False)
        labels[rows] = (labels[rows] + random.integers(1, 10, len(rows))) % 10
        return Images(images.pixels, labels)

    return change


def repainted(paint: Callable[[NDArray[np.float64], Random], Any]) -> Callable[[Images, Random], Images]:
    """Other pixels under the same labels."""

    def change(images: Images, random: Random) -> Images:
        pixels = np.clip(np.round(paint(images.pixels.astype(np.float64), random)), 0, 255)
        return Images(pixels.astype(np.uint8), images.labels)

    return change


def unbalanced(images: Images, random: Random) -> Images:
    """All there is of one class, about 40%, and then the others."""
    wanted = images.labels == random.integers(0, 10)
    return images.at(np.concatenate([np.flatnonzero(wanted), np.flatnonzero(~wanted)]))


def blurred(pixels: NDArray[np.float64], random: Random) -> NDArray[np.float64]:
    """The mean of 3x3 pixels."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(pixels, (1, 3, 3, 1)))


CHANGES: dict[str, Callable[[Images, Random], Images]] = {
    "honest": lambda images, random: images,
    "5% of the labels": poisoned(0.05),
    "10% of the labels": poisoned(0.1),
    "20% of the labels": poisoned(0.2),
    "30% of the labels": poisoned(0.3),
    "inverted": repainted(lambda pixels, random: 255 - pixels),
    "noise, sd 5": repainted(lambda pixels, random: pixels + random.normal(0, 5, pixels.shape)),
    "noise, sd 20": repainted(lambda pixels, random: pixels + random.normal(0, 20, pixels.shape)),
    "brighter by 15": repainted(lambda pixels, random: pixels + 15),
    "brighter by 40": repainted(lambda pixels, random: pixels + 40),
    "contrast x 0.7": repainted(lambda pixels, random: 128 + 0.7 * (pixels - 128)),
    "blurred 3x3": repainted(blurred),
    "shifted by 2": repainted(lambda pixels, random: np.roll(pixels, 2, axis=2)),
    "turned by 90": repainted(lambda pixels, random: np.rot90(pixels, axes=(1, 2))),
    "one class much": unbalanced,
}


def one(
    source: Images, change: Callable[[Images, Random], Images], retrain: Retrain, seed: int, sizes: Sizes = SIZES
) -> tuple[CheckResult, ...]:
    """One round of growth, checked."""
    random = np.random.default_rng(seed)
    rows = random.permutation(len(source.labels))[: sizes.known + sizes.val + 4 * sizes.new]
    known, val, others = (source.at(part) for part in np.split(rows, [sizes.known, sizes.known + sizes.val]))
    new = change(others, random).at(np.arange(sizes.new))
    classes = [str(number) for number in range(10)]
    empty = Part([], np.empty(0, np.int32), None)
    champion = build([known.part(), val.part(), empty], classes, {})
    grown = Images(np.concatenate([known.pixels, new.pixels]), np.concatenate([known.labels, new.labels]))
    now = build([grown.part(), val.part(), empty], classes, {}, beyond=champion)
    return check(retrain, champion, now, evidence(known, val, new))


def evidence(known: Images, val: Images, new: Images) -> LabelEvidence:
    """What a simple champion says of the labels."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    def flat(images: Images) -> NDArray[np.float32]:
        return images.pixels[:, ::2, ::2].reshape(len(images.labels), -1).astype(np.float32) / np.float32(255)

    champion = make_pipeline(PCA(min(50, flat(known).shape[1]), svd_solver="covariance_eigh"), SVC(C=10))
    champion.fit(flat(known), known.labels)
    wrong = [int(np.count_nonzero(champion.predict(flat(images)) != images.labels)) for images in (new, val)]
    return LabelEvidence(wrong[0], len(new.labels), wrong[1], len(val.labels), num_classes=10)


def read_idx(folder: Path) -> Images:
    """The training part of a data set in IDX format."""

    def content(name: str) -> bytes:
        packed = folder / f"{name}.gz"
        return gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()

    labels = np.frombuffer(content("train-labels-idx1-ubyte"), np.uint8, offset=8).astype(np.int32)
    pixels = np.frombuffer(content("train-images-idx3-ubyte"), np.uint8, offset=16).reshape(len(labels), 28, 28, 1)
    return Images(pixels, labels)


def read_archive(archive: Path, every: int = 4) -> Images:
    """Every fourth training picture of an archive of class folders."""
    pixels, names = [], []
    with tarfile.open(archive) as tar:
        for number, info in enumerate(tar):
            parts = Path(info.name).parts
            if info.isfile() and "train" in parts and number % every == 0 and (stream := tar.extractfile(info)):
                pixels.append(np.asarray(Image.open(io.BytesIO(stream.read())).convert("RGB")))
                names.append(parts[-2])
    return Images(np.stack(pixels), np.unique(names, return_inverse=True)[1].astype(np.int32))


def read(name: str, given: argparse.Namespace) -> Images:
    """A data set by its name, from where it was said to be."""
    if name == "cifar10-jpeg":
        return read_archive(given.cifar10)
    return read_idx(given.mnist if name == "mnist" else given.fashion)


def measure(source: Images, retrain: Retrain, rounds: dict[str, int]) -> dict[str, Any]:
    """Per kind of growth: rounds, the share with any alarm, of which check, and the sizes each check saw."""
    found: dict[str, Any] = {}
    for kind, change in CHANGES.items():
        results = [
            one(source, change, retrain, seed) for seed in range(rounds["honest" if kind == "honest" else "kind"])
        ]
        found[kind] = summary(results)
        print(f"  {kind:<18} {told(found[kind])}", flush=True)
    return found


def summary(rounds: Sequence[Sequence[CheckResult]]) -> dict[str, Any]:
    """Shares and sizes of many rounds."""
    alarms = Counter(item.name for results in rounds for item in results if item.alarming)
    any_alarm = sum(any(item.alarming for item in results) for results in rounds)
    sizes: dict[str, list[float]] = {}
    for item in (item for results in rounds for item in results):
        if item.p is not None and item.size is not None:
            sizes.setdefault(item.name, []).append(item.size)
    return {
        "rounds": len(rounds),
        "alarms": any_alarm,
        "interval": wilson(any_alarm, len(rounds)),
        "by": dict(alarms),
        "sizes": {
            name: [round(number, 4) for number in (min(seen), statistics.median(seen), max(seen))]
            for name, seen in sizes.items()
        },
        "significant": {
            name: sum(
                item.p is not None and item.p <= 0.01 for results in rounds for item in results if item.name == name
            )
            for name in sizes
        },
    }


def told(found: dict[str, Any]) -> str:
    """One line of a summary."""
    sizes = "  ".join(
        f"{name} {low:.3f}..{middle:.3f}..{high:.3f} ({found['significant'][name]})"
        for name, (low, middle, high) in found["sizes"].items()
    )
    return f"{found['alarms']:>3} of {found['rounds']:<3} {found['by']}  {sizes}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("fashion", type=Path)
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("--honest", type=int, default=200, help="rounds of honest growth per data set (default 200)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds per kind of trouble (default 20)")
    given = parser.parse_args()
    retrain = params_file.load(REPOSITORY / "params.yaml").retrain
    rounds = {"honest": given.honest, "kind": given.rounds}
    result: dict[str, Any] = {"sizes": asdict(SIZES), "retrain": retrain.model_dump()}
    for name in ("mnist", "fashion-mnist", "cifar10-jpeg"):
        print(name, flush=True)
        result[name] = measure(read(name, given), retrain, rounds)
        keep("data_checks", result)


if __name__ == "__main__":
    main()
