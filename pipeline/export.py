"""A network written in another format; it is there once it was loaded back and answered as its source does."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import files
from pipeline.classifier import Classifier
from pipeline.errors import UserError, os_errors
from pipeline.export_formats import FORMATS, WEIGHTS, Answer, Source, labels_text
from pipeline.progress import Advance


@dataclass(frozen=True)
class Compared:
    """What two networks said of the same pictures: the largest difference of a likelihood, and equal first classes."""

    num_images: int
    difference: float
    num_same: int


@dataclass(frozen=True)
class Exported:
    """A file or folder that was compared; `labels` lies beside, unless they are inside."""

    format_name: str
    place: Path
    labels: Path | None
    digest: str  # SHA-256; of a folder see `files.tree_digest`
    num_bytes: int
    compared: Compared
    within: float


class TooFar(UserError):
    """An export that answered otherwise than its source; it is gone."""

    def __init__(self, message: str, compared: Compared) -> None:
        super().__init__(message)
        self.compared = compared


def check_place(place: Path, format_name: str) -> None:
    """Raises a `UserError` unless an export can stand at `place`; nothing that is there is written over."""
    form = FORMATS[format_name]
    if form.ending:
        _check_ending(place, form.ending)
    if not place.parent.is_dir():
        raise UserError(f"--out {place}: there is no folder {place.parent}: make it first, or give another")
    if place.is_dir() and not form.ending:
        if any(place.iterdir()):
            raise UserError(f"--out {place} is a folder that is not empty: give a new or an empty one")
    elif place.exists() or place.is_symlink():
        kind = "is a folder: give the name of a file" if place.is_dir() else "exists already: give another name"
        raise UserError(f"--out {place} {kind}")


def _check_ending(place: Path, ending: str) -> None:
    other = ending != WEIGHTS and place.name.endswith(WEIGHTS)
    if other or not place.name.endswith(ending) or place.name == ending:
        but = f", and not in {WEIGHTS}, by which Keras knows weights alone" if other else ""
        raise UserError(f"--out {place} must end in {ending}{but}")


def export(
    source: Source,
    format_name: str,
    place: Path,
    images: NDArray[np.uint8],
    within: float | None = None,
    advance: Advance = lambda steps: None,
) -> Exported:
    """Writes beside `place`, compares on `images`, (count, height, width, channels), and renames.

    Args:
        within: the largest difference of a likelihood; by default that of the format.

    Raises:
        UserError: the place is taken or cannot be written, or the format cannot hold the network.
        TooFar: the export differs from its source.
    """
    check_place(place, format_name)
    form, most = FORMATS[format_name], FORMATS[format_name].within if within is None else within
    labels = None if form.labels_inside else _labels_beside(source, place, form.ending)
    with os_errors("cannot write the export", place), files.scratch_folder(place) as scratch:
        beside = scratch / place.name
        form.write(source, beside)
        compared = compare(source.asked, form.read(beside, source.asked.model), images, advance)
        if not compared.difference <= most:  # nor if it is no number
            raise TooFar(_too_far(format_name, place, compared, most), compared)
        digest, size = files.tree_digest(beside), _num_bytes(beside)
        _put(beside, place, format_name, labels, labels_text(source))
    return Exported(format_name, place, labels, digest, size, compared, most)


def _labels_beside(source: Source, place: Path, ending: str) -> Path:
    """`model.labels.json` of `model.tflite`; exports of one network in several formats share it."""
    target = place.with_name(f"{place.name.removesuffix(ending)}.labels.json")
    with os_errors("cannot read the labels", target):
        if target.exists() and target.read_bytes() != labels_text(source).encode():
            raise UserError(f"{target} holds other labels than those of {source.asked.called}: give another --out")
    return target


def compare(
    asked: Classifier, answer: Answer, images: NDArray[np.uint8], advance: Advance = lambda steps: None
) -> Compared:
    """What a classifier and another network say of at least one picture, in batches of the same size."""
    differences, num_same = [], 0
    for start in range(0, len(images), asked.batch):
        pixels = np.ascontiguousarray(images[start : start + asked.batch])
        expected, found = asked.likelihoods(pixels), _filled(answer, pixels, asked.batch)
        assert expected.shape == found.shape
        differences.append(np.abs(expected - found).max())
        num_same += int((expected.argmax(axis=1) == found.argmax(axis=1)).sum())
        advance(len(pixels))
    return Compared(len(images), float(np.max(differences)), num_same)


def _filled(answer: Answer, pixels: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    """As `Classifier.likelihoods`: a network is always asked about the same number of pictures."""
    blank = np.zeros((batch - len(pixels), *pixels.shape[1:]), np.uint8)
    return answer(np.concatenate([pixels, blank]))[: len(pixels)]


def _too_far(format_name: str, place: Path, compared: Compared, most: float) -> str:
    share = f"{compared.num_same:,} of {compared.num_images:,} images"
    return (
        f"{format_name} differs from its source by up to {compared.difference:.1e}, more than {most:g}, and has the "
        f"same class for {share}, so {place} was not written: give another --format, or allow more with --within"
    )


def _num_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def _put(beside: Path, place: Path, format_name: str, labels: Path | None, text: str) -> None:
    check_place(place, format_name)  # again: comparing takes its time
    if labels:
        files.write_text(labels, text)
    if place.is_dir():
        place.rmdir()
    beside.replace(place)
