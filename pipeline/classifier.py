"""A classifier ready to answer: found by its file, an MLflow run, a `models:/` address, or as `imagenet:vgg16`."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline import canonical, imagenet, keras_setup, paths, runs, tracked_model, tracking_server
from pipeline.backbones import BACKBONES, Backbone
from pipeline.errors import UserError
from pipeline.imagenet import ClassIndex

if TYPE_CHECKING:
    import keras
    from mlflow import MlflowClient
    from mlflow.entities import Run

ADDRESS = "models:/"
WHOLE_ADDRESS = re.compile(r"models:/[^/@]+([/@][^/@]+)?")
# Pictures per call: what Keras's `predict`, and so MLflow's loader, takes. It is always the same number, filled up with
# blank ones, since another number may sum floats in another order: then a likelihood would depend on its company.
BATCH, LEAST = 32, 8
BATCH_PIXELS = BATCH * 64 * 64  # larger pictures go in smaller batches, to bound memory
TOLD, TOLD_OF_THOUSAND = 3, 10  # of the likeliest classes, unless a person wants others


@dataclass(frozen=True)
class Classifier:
    """A network with the names of its classes; `called` is what a person calls it.

    told: how many of the likeliest classes a person is told.
    """

    model: "keras.Model"
    labels: list[str]
    called: str
    told: int = TOLD

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture."""
        height, width = self.model.input_shape[1:3]
        return height, width

    @property
    def channels(self) -> int:
        return int(self.model.input_shape[3])

    @property
    def batch(self) -> int:
        """How many pictures are answered at once."""
        return min(BATCH, max(LEAST, BATCH_PIXELS // (self.size[0] * self.size[1])))

    def likelihoods(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class likelihoods, (count, classes), of at most `batch` pictures, (count, height, width, channels)."""
        count = len(pixels)
        blank = np.zeros((self.batch - count, *pixels.shape[1:]), np.uint8)
        answers: NDArray[np.float32] = self.model.predict_on_batch(np.concatenate([pixels, blank]))
        return answers[:count]


def find(wanted: str | None) -> Classifier:
    """The classifier that a person means; without `wanted`, the one of this workspace.

    Args:
        wanted: a file, a `models:/` address, `imagenet:` and a name of `backbones`, or an MLflow run as
            `runs.one_run` understands it.

    Raises:
        UserError: there is none, it is no model of this project, or MLflow is away.
    """
    if wanted is None:
        if not paths.MODEL.exists():
            raise UserError(f"{paths.MODEL} does not exist, nothing was trained yet: run `make repro`, or give --model")
        return load(paths.MODEL, str(paths.MODEL))
    if imagenet.is_meant(wanted):
        return published(wanted)
    if not wanted.startswith(ADDRESS) and Path(wanted).exists():
        return load(Path(wanted), wanted)
    if wanted.endswith(paths.MODEL.suffix):
        raise UserError(f"--model {wanted} does not exist: give a file, an MLflow run, or models:/NAME/VERSION")
    with tempfile.TemporaryDirectory() as folder:
        return load(_fetched(wanted, Path(folder)), f"model {wanted}")


def load(file: Path, called: str) -> Classifier:
    """Opens a canonical `.keras` file.

    Raises:
        UserError: it is no model of this project, or not one that takes pictures.
    """
    keras_setup.prepare()
    try:
        model, note = canonical.load(file)
        labels = [str(label) for label in note["labels"]]
        shape, num_outputs = tuple(model.input_shape), model.output_shape[-1]
    except canonical.BROKEN as error:
        raise UserError(f"{called} is broken or no model of this project: give a model.keras that it made") from error
    if len(shape) != 4 or not all(isinstance(side, int) for side in shape[1:]) or shape[3] not in (1, 3):
        raise UserError(f"{called} takes {shape}, no pictures of one size: give a model.keras of this project")
    if len(labels) != num_outputs:
        raise UserError(
            f"{called} names {len(labels)} classes but tells {num_outputs} apart: its labels are those of another "
            "model, train it again"
        )
    return Classifier(model, labels, called)


def published(
    wanted: str, backbones: Mapping[str, Backbone] = BACKBONES, names: ClassIndex = imagenet.CLASS_INDEX
) -> Classifier:
    """The network that `imagenet:NAME` means; see `imagenet.find`."""
    return Classifier(*imagenet.find(wanted, backbones, names), wanted, TOLD_OF_THOUSAND)


def _fetched(wanted: str, folder: Path) -> Path:
    if wanted.startswith(ADDRESS) and not WHOLE_ADDRESS.fullmatch(wanted):
        raise UserError(
            f"--model {wanted} is no address: give models:/NAME/VERSION, models:/NAME@ALIAS or models:/m-ID"
        )
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            address = wanted
            if not wanted.startswith(ADDRESS):
                address = tracked_model.address_of(client, _run(client, wanted))
            return tracked_model.download(client, address, folder)
    except tracking_server.Away as error:
        away = f"MLflow at {tracking_server.tracking_uri()} is away ({error})"
        raise UserError(f"--model {wanted}: no such file, and {away}: give a file, or try again later") from error


def _run(client: "MlflowClient", wanted: str) -> "Run":
    try:
        return runs.one_run(client, wanted)
    except UserError as error:
        raise UserError(f"--model {wanted}: no such file, and {error}") from error
