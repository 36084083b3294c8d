"""A logged model as MLflow serves it: pictures in, labels with likelihoods out.

`mlflow models serve` and the images that MLflow builds load this module from the folder `code` of the logged model,
where `carry` puts it with those it needs, as a package of another name. So a model answers where this project is not
installed, as it did when it was logged; and where it is installed, neither hides the other.
"""

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.request_pictures import COLUMN, Limits, Refused, answers, to_pixels

if TYPE_CHECKING:
    import keras

CARRIED = ("clean_jpeg", "decode", "pyfunc_model", "request_pictures")
PACKAGE = "reprolens_model"  # what the carried modules are called together
LOADER = f"{PACKAGE}.pyfunc_model"
REQUIRED = ("pillow", "simplejpeg")  # packages of theirs, beside those of the network
FILE, NOTE = "model.keras", "reprolens.json"  # as `canonical` writes it
BATCH = 32  # pictures per call of the network


def carry(folder: Path) -> None:
    """Writes the carried modules to a folder that is to be on Python's path."""
    package, here = folder / PACKAGE, Path(__file__).parent
    package.mkdir(parents=True)
    for name in CARRIED:
        code = (here / f"{name}.py").read_text(encoding="utf-8").replace("from pipeline.", f"from {PACKAGE}.")
        (package / f"{name}.py").write_text(code, encoding="utf-8")
    (package / "__init__.py").write_text('"""What reads pictures for a model that Reprolens logged."""\n')


class PictureModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, model: "keras.Model", labels: list[str]) -> None:
        self._model, self._labels = model, labels
        self._size, self._channels = model.input_shape[1:3], model.input_shape[3]

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answers a table with a column `picture`: base64 of picture files, their bytes, or arrays of pixels.

        Returns:
            A record per row: `label`, its `likelihood`, and `likelihoods` by label.

        Raises:
            MlflowException: a picture cannot be read; tells which one and why, and becomes status 400 of HTTP.
        """
        pixels = [self._read(number, value) for number, value in enumerate(data[COLUMN])]
        found: list[dict[str, Any]] = []
        for start in range(0, len(pixels), BATCH):
            batch = np.stack(pixels[start : start + BATCH])
            found += answers(self._model.predict_on_batch(batch), self._labels)
        return found

    def _read(self, number: int, value: Any) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return to_pixels(value, Limits(), self._size, self._channels)
        except Refused as error:
            raise MlflowException.invalid_parameter_value(f"picture {number}: {error}") from error


def _load_pyfunc(path: str) -> PictureModel:
    """Called by MLflow with the folder of the model file."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    file = Path(path) / FILE
    with zipfile.ZipFile(file) as archive:
        labels = [str(label) for label in json.loads(archive.read(NOTE))["labels"]]
    return PictureModel(keras.saving.load_model(file, compile=False), labels)
