"""What is kept of the data of a run: which images under which labels in which split, and what a sample looks like.

`data/profile.npz` of a run. It tells which images a model was trained on, and later data from those. Of the test
split it holds hashes and labels, as the manifest has them, and nothing of its pixels.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import packed, paths
from pipeline.errors import UserError
from pipeline.files import replacing
from pipeline.picture_statistics import Pixels, describe

NAME = "data/profile.npz"  # of the artifact
FOLDERS = (paths.TRAIN, paths.VAL, paths.TEST)
COUNTED = paths.SPLIT_REPORT / "counts.json"
SOURCES = (*FOLDERS, paths.CLASSES, COUNTED)  # what the profile of a workspace is made from
TRAIN, VAL, TEST = range(3)  # the codes of `Profile.splits`
SAMPLE = 2000  # training images that are looked at
KEY_BYTES = 16  # of a pixel hash: two different images share them by chance once in 10^38 pairs
KEY = f"S{KEY_BYTES}"
COUNTS = ("unreadable", "conflicting_labels", "copies_of_held_out_images")  # files that `split` left out
FIELDS = ("hashes", "labels", "splits", "statistics", "features")

Keys = NDArray[np.bytes_]


@dataclass(frozen=True)
class Part:
    """One split: the pixel hashes (hex) and label numbers of its images, and its pixels where they may be looked at."""

    hashes: Sequence[str]
    labels: NDArray[np.int32]
    pixels: Pixels | None


@dataclass(frozen=True)
class Profile:
    """The images of a run, train, val and test one after another; copies of an image that were kept stand each."""

    hashes: Keys  # (count,): the first 16 bytes of the pixel hash
    labels: NDArray[np.uint16]  # (count,): numbers in `classes`
    splits: NDArray[np.uint8]  # (count,): TRAIN, VAL or TEST
    statistics: NDArray[np.float32]  # (sample, len(STATISTICS))
    features: NDArray[np.float16]  # (sample, features)
    classes: tuple[str, ...]
    shape: tuple[int, ...]  # of an image: height, width, channels
    counts: Mapping[str, int]  # files left out, by the names of `COUNTS`

    @classmethod
    def of_workspace(cls, beyond: "Profile | None" = None) -> "Profile":
        """The profile of the data that lies in the workspace.

        Args:
            beyond: where given, the sample is drawn from the images that this one does not have.

        Raises:
            UserError: the data was not split yet.
        """
        train = packed.load(paths.TRAIN)
        try:
            hashes = [list(packed.load_manifest(folder)["pixel_hash"]) for folder in FOLDERS]
            labels = [np.load(folder / "labels.npy", allow_pickle=False) for folder in FOLDERS]
            classes = packed.load_classes(paths.CLASSES)
            counts = json.loads(COUNTED.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise UserError("data/split or reports/split is missing or broken: run `dvc repro`") from error
        pixels = (train.images, None, None)
        return build([Part(*part) for part in zip(hashes, labels, pixels, strict=True)], classes, counts, beyond)

    @classmethod
    def load(cls, file: Path) -> "Profile":
        """Reads what `save` wrote.

        Raises:
            UserError: it is missing or broken.
        """
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
                about = json.loads(held["about"].tobytes())
                arrays = {name: held[name] for name in FIELDS}
            hashes = arrays.pop("hashes").reshape(-1, KEY_BYTES).view(KEY).ravel()
            return cls(
                hashes, **arrays, classes=tuple(about["classes"]), shape=tuple(about["shape"]), counts=about["counts"]
            )
        except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
            remedy = "run `dvc repro --force evaluate` for that run"
            raise UserError(f"{file.name} is missing or broken: {remedy}") from error

    def save(self, file: Path) -> None:
        """Writes it; equal profiles are equal bytes."""
        about = {"classes": self.classes, "shape": self.shape, "counts": dict(self.counts)}
        arrays = {name: getattr(self, name) for name in FIELDS}
        arrays["hashes"] = self.hashes.view(np.uint8).reshape(-1, KEY_BYTES)
        text = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
        with replacing(file) as beside, beside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, about=text, **arrays)

    def __len__(self) -> int:
        return len(self.hashes)

    def in_training(self, hashes: Sequence[str]) -> NDArray[np.bool_]:
        """Which of these pixel hashes (hex) are of images in its train or val split."""
        return np.isin(keys_of(hashes), self.hashes[self.splits != TEST])

    def knows(self, keys: Keys) -> NDArray[np.bool_]:
        """Which of these keys are of images in any of its splits."""
        return np.isin(keys, self.hashes)


def keys_of(hashes: Sequence[str]) -> Keys:
    """Pixel hashes as a profile keeps them. (NumPy pads and compares them with zeros, so none is cut short.)"""
    return np.array([bytes.fromhex(item[: 2 * KEY_BYTES]) for item in hashes], KEY)


def build(
    parts: Sequence[Part], classes: Sequence[str], counts: Mapping[str, int], beyond: Profile | None = None
) -> Profile:
    """The profile of three splits: train, val, test. Only `parts[0].pixels` are looked at, and of them a sample."""
    keys = [keys_of(part.hashes) for part in parts]
    train = parts[TRAIN].pixels
    assert train is not None, "training images are there to be looked at"
    statistics, features = describe(train, _sample(keys[TRAIN], beyond))
    return Profile(
        hashes=np.concatenate(keys),
        labels=np.concatenate([part.labels for part in parts]).astype(np.uint16),
        splits=np.repeat(np.arange(3, dtype=np.uint8), [len(part) for part in keys]),
        statistics=statistics,
        features=features,
        classes=tuple(classes),
        shape=tuple(int(side) for side in train.shape[1:]),
        counts={name: int(counts.get(name, 0)) for name in COUNTS},
    )


def _sample(keys: Keys, beyond: Profile | None) -> NDArray[np.int64]:
    """Rows of at most `SAMPLE` different images, evenly spaced: in the order of hashes that is a random choice."""
    first = np.unique(keys, return_index=True)[1]
    rows = first if beyond is None else first[~beyond.knows(keys[first])]
    return evenly(rows, SAMPLE)


def evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of `rows`, evenly spaced, in rising order."""
    count = min(most, len(rows))
    return np.sort(rows[np.arange(count) * len(rows) // max(1, count)])
