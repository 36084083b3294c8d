"""Features that the frozen part of a network makes: computed once for the same images and weights, then read from disk.

A file is named by all that it depends on. One that was cut off is gone on with, in the same batches, so that its bytes
do not depend on that.
"""

import hashlib
import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import machine, paths
from pipeline.augment import augment
from pipeline.errors import os_errors
from pipeline.packed import Packed
from pipeline.params import Augment
from pipeline.progress import progress_bar, say

if TYPE_CHECKING:
    import keras

BATCH = 32  # images at once; always as many, filled up, since another number may sum floats in another order
HASHED = 1 << 24  # bytes at once
MOST = 8 << 30  # bytes that all files may have together; the oldest go first


@dataclass(frozen=True)
class Views:
    """Versions of each image, one after another, changed at random as `augment` says; the same each time."""

    images: NDArray[Any]
    count: int
    changes: Augment
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.count * len(self.images), *self.images.shape[1:])

    @property
    def dtype(self) -> Any:
        return self.images.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        wanted = np.arange(rows.start, min(rows.stop, len(self)))
        seed = np.array([self.seed, rows.start], np.int64)
        return np.asarray(augment(self.images[wanted % len(self.images)], seed, self.changes))

    def facts(self) -> dict[str, Any]:
        """All that the versions depend on but the images."""
        return {"views": self.count, "seed": self.seed, "augment": self.changes.model_dump(mode="json")}


def features_of(body: "keras.Model", split: Packed, threads: int, called: str, views: Views | None = None) -> Packed:
    """A split with the features of its images, float32 (count, *shape of features), in the place of their pixels.

    Args:
        body: from pixels, or features, to features.
        threads: that TensorFlow runs with; part of the result.
        called: what a person calls the split.
        views: of the split's images; the features are of these, (views x count, *shape of features).
    """
    from filelock import FileLock

    key = _key(body, split.images, threads, views)
    target = paths.private() / "features" / f"{key}.npy"
    with os_errors("cannot keep features", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if target.exists():
                say(f"train: the features of {len(split):,} {called} images are at hand")
                os.utime(target)
            else:
                _compute(body, views or split.images, target, called)
        _make_room(target)
    return Packed(np.load(target, mmap_mode="r", allow_pickle=False), split.labels)


def _compute(body: "keras.Model", images: NDArray[Any] | Views, target: Path, called: str) -> None:
    shape, count = tuple(body.output_shape[1:]), len(images)
    width = math.prod(shape)
    partial = target.with_suffix(".part")
    done = _done(partial, width)
    say(f"train: computing {width:,} features of each of {count:,} {called} images" + f", from {done:,}" * bool(done))
    began = time.monotonic()
    with (
        partial.open("r+b" if done else "wb") as stream,
        progress_bar("train: features", count, "images", done) as advance,
    ):
        stream.truncate(done * width * 4)
        stream.seek(0, os.SEEK_END)
        for start in range(done, count, BATCH):
            wanted = images[start : start + BATCH]
            blank = np.zeros((BATCH - len(wanted), *images.shape[1:]), images.dtype)
            answers = np.asarray(body.predict_on_batch(np.concatenate([wanted, blank])), dtype=np.float32)
            stream.write(answers[: len(wanted)].tobytes())
            advance(len(wanted))
    _as_array(partial, (count, *shape), target)
    say(f"train: features took {time.monotonic() - began:.1f} s")


def _done(partial: Path, width: int) -> int:
    """How many images a cut-off computation has the features of: whole batches only."""
    if not partial.exists():
        return 0
    return partial.stat().st_size // (BATCH * width * 4) * BATCH


def _as_array(partial: Path, shape: tuple[int, ...], target: Path) -> None:
    """Puts the header of a `.npy` file before the numbers; whole or not at all."""
    beside = target.with_suffix(".new")
    numbers = np.memmap(partial, np.float32, "r", shape=shape)
    whole = np.lib.format.open_memmap(beside, "w+", np.float32, shape)
    for start in range(0, shape[0], BATCH):
        whole[start : start + BATCH] = numbers[start : start + BATCH]
    whole.flush()
    beside.replace(target)
    partial.unlink()


def _key(body: "keras.Model", images: NDArray[Any], threads: int, views: Views | None) -> str:
    versions = {name: version for name, version in machine.versions().items() if name.startswith(("tensor", "keras"))}
    known = [_plain(json.loads(body.to_json())), versions, machine.cpu(), threads, BATCH, list(images.shape)]
    known += [views.facts()] if views else []
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    for weights in body.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    flat = images.reshape(-1)
    for start in range(0, len(flat), HASHED):
        digest.update(np.ascontiguousarray(flat[start : start + HASHED]).tobytes())
    return digest.hexdigest()[:32]


def _plain(config: Any) -> Any:
    """What the layers are, whether they train or not."""
    if isinstance(config, list):
        return [_plain(item) for item in config]
    if isinstance(config, dict):
        return {key: _plain(item) for key, item in config.items() if key != "trainable"}
    return config


def _make_room(kept: Path) -> None:
    """Deletes files of long ago, of which others are in use."""
    files = sorted(kept.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime)
    total = sum(file.stat().st_size for file in files)
    for file in files:
        if total <= MOST or file == kept:
            break
        total -= file.stat().st_size
        file.unlink(missing_ok=True)
