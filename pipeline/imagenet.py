"""`imagenet:vgg16` and its like: a published network of the thousand ImageNet classes, ready to be asked."""

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import keras_setup, weights
from pipeline.backbones import BACKBONES, Backbone, prepared
from pipeline.checksums import wrong_md5
from pipeline.errors import UserError

if TYPE_CHECKING:
    import keras

PREFIX = "imagenet:"
MIRROR = "REPROLENS_WEIGHTS_MIRROR"  # in the environment: a folder or an address


@dataclass(frozen=True)
class ClassIndex:
    """The file with the names: number of the class -> [WordNet id, name]."""

    address: str
    md5: str
    most: int = 1 << 20  # bytes


CLASS_INDEX = ClassIndex(
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",  # as Keras's `decode_predictions` has it
)


def is_meant(wanted: str) -> bool:
    """Whether this names a published network, rather than a file, run or model of our own."""
    return wanted.startswith(PREFIX)


def find(
    wanted: str, backbones: Mapping[str, Backbone] = BACKBONES, names: ClassIndex = CLASS_INDEX
) -> tuple["keras.Model", list[str]]:
    """The network that takes uint8 RGB pictures of its usual size, and the names of its classes in their order.

    Raises:
        UserError: no such network; its files cannot be had, or are broken.
    """
    backbone = backbones.get(wanted.removeprefix(PREFIX))
    if not backbone:
        known = ", ".join(f"{PREFIX}{name}" for name in sorted(backbones))
        raise UserError(f"--model {wanted}: no such network; there are {known}")
    file, index = _files(backbone, names)
    return _network(backbone, file, f"--model {wanted}"), _labels(index)


def _files(backbone: Backbone, names: ClassIndex) -> tuple[Path, Path]:
    """The weights and the names; what is said while they come goes past the table on standard output."""
    mirror = os.environ.get(MIRROR, "")
    check = partial(wrong_md5, md5=names.md5)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            file = weights.fetched(backbone, True, mirror, setting=MIRROR)
        except UserError as error:  # both at once, so that nobody has to go and look twice
            raise UserError(f"{error}. {names.address} is needed there, too") from error
        return file, weights.fetched_file(names.address, mirror, check, MIRROR, most=names.most)


def _network(backbone: Backbone, file: Path, called: str) -> "keras.Model":
    """The whole network; what Keras wants done to pixels before is part of it."""
    keras_setup.prepare()
    import keras

    network = getattr(keras.applications, backbone.factory)(weights=None)
    weights.load(network, file, called)
    pixels = keras.Input(network.input_shape[1:], dtype="uint8", name="pixels")
    return keras.Model(pixels, network(prepared(backbone, pixels)), name=f"imagenet_{network.name}")


def _labels(index: Path) -> list[str]:
    """Readable and told apart: two names stand for two classes each (crane, maillot) and get their WordNet ids."""
    classes: dict[str, tuple[str, str]] = json.loads(index.read_text(encoding="utf-8"))
    ordered = [classes[str(number)] for number in range(len(classes))]
    times = Counter(name for _, name in ordered)
    return [name.replace("_", " ") + (f" ({wordnet})" if times[name] > 1 else "") for wordnet, name in ordered]
