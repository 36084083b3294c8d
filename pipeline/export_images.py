"""The real pictures an export is compared on: those of a person, else of the validation split. Never the test split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import packed, paths, picture_files
from pipeline.classifier import Classifier
from pipeline.errors import UserError
from pipeline.picture_stream import Form, pictures

MOST = 1000  # pictures


def images_for(asked: Classifier, given: str | None, most: int = MOST) -> tuple[NDArray[np.uint8], str]:
    """Up to `most` pictures as the network takes them, (count, height, width, channels), and what they are called.

    Args:
        given: a folder of pictures, or one picture; None: the validation split of this workspace.

    Raises:
        UserError: there are none, or those of the split are none that the network takes.
    """
    if given is not None:
        return _of_files(asked, picture_files.find([given]), given, most), given
    if not paths.VAL.exists():
        raise UserError(f"{paths.VAL} does not exist, so there is nothing to compare on: give --images FOLDER")
    images, wanted = packed.load(paths.VAL).images, (*asked.size, asked.channels)
    if images.shape[1:] != wanted:
        raise UserError(
            f"{paths.VAL} holds pictures of {_shape(images.shape[1:])}, and {asked.called} takes {_shape(wanted)}: "
            "give --images FOLDER"
        )
    if not len(images):
        raise UserError(f"{paths.VAL} holds no picture to compare on: give --images FOLDER")
    return images[evenly(len(images), most)], str(paths.VAL)


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most so many positions among `count`, evenly."""
    wanted = min(count, most)
    return np.arange(wanted, dtype=np.int64) * count // max(wanted, 1)


def _of_files(asked: Classifier, files: Sequence[str], given: str, most: int) -> NDArray[np.uint8]:
    """Those among the files that can be read."""
    chosen = [files[position] for position in evenly(len(files), most)]
    form = Form(asked.size, asked.channels)
    found = list(pictures(chosen, lambda: form))
    readable = [picture.pixels for picture in found if picture.pixels is not None]
    if not readable:
        raise UserError(
            f"--images {given}: {Path(found[0].file).name} cannot be read ({found[0].reason}), nor any other"
        )
    return np.stack(readable)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
