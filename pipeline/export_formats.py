"""The formats a trained network leaves in: how each is written, and opened again as its user would open it."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline import canonical, export_h5, export_lite
from pipeline.classifier import Classifier

if TYPE_CHECKING:
    import keras

Answer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pictures, (count, height, width, channels), to class likelihoods, (count, classes)."""

PLAIN, QUANTISED = 1e-5, 1e-3  # largest differences of a likelihood that are taken for the same network
LABELS = "labels.json"
WEIGHTS = ".weights.h5"


@dataclass(frozen=True)
class Source:
    """What is exported; `file` is the canonical file, where there is one."""

    asked: Classifier
    file: Path | None = None


@dataclass(frozen=True)
class Format:
    """How to write a network to a path, and how to open what lies there.

    `read` is given the source network for what the format leaves out. ending: of the file's name; empty: a folder.
    within: the largest difference allowed. labels_inside: no file of labels is needed beside.
    """

    ending: str
    write: Callable[[Source, Path], None]
    read: Callable[[Path, "keras.Model"], Answer]
    within: float = PLAIN
    labels_inside: bool = False


def labels_text(source: Source) -> str:
    """The names of the classes in the order of the likelihoods, as JSON."""
    return json.dumps(source.asked.labels, indent=1) + "\n"


def _write_keras(source: Source, target: Path) -> None:
    if source.file:
        shutil.copyfile(source.file, target)  # with its params, and with the bytes that MLflow knows
    else:
        canonical.save(source.asked.model, target, {"labels": source.asked.labels})


def _read_keras(place: Path, _: "keras.Model") -> Answer:
    import keras

    return _answer_of(keras.saving.load_model(place, compile=False))


def _write_saved_model(source: Source, target: Path) -> None:
    source.asked.model.export(target, verbose=False)
    (target / LABELS).write_text(labels_text(source), encoding="utf-8", newline="\n")


def _read_saved_model(place: Path, _: "keras.Model") -> Answer:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(place))
    serve = loaded.signatures["serving_default"]  # what TensorFlow Serving answers with
    (name,) = serve.structured_input_signature[1]

    def answer(pixels: NDArray[np.uint8], _keep: object = loaded) -> NDArray[np.float32]:
        (told,) = serve(**{name: tf.constant(pixels)}).values()
        return np.asarray(told.numpy(), np.float32)

    return answer


def _write_weights(source: Source, target: Path) -> None:
    source.asked.model.save_weights(target)


def _read_weights(place: Path, model: "keras.Model") -> Answer:
    """Into a network that is built anew, with random weights."""
    return _answer_of(_built(model.to_json(), place))


def _write_h5(source: Source, target: Path) -> None:
    export_h5.write(source.asked.model, target)


def _write_structure(source: Source, target: Path) -> None:
    target.write_text(source.asked.model.to_json(indent=1) + "\n", encoding="utf-8", newline="\n")


def _read_structure(place: Path, model: "keras.Model") -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / f"source{WEIGHTS}"
        model.save_weights(weights)
        return _answer_of(_built(place.read_text(encoding="utf-8"), weights))


def _built(structure: str, weights: Path) -> "keras.Model":
    import keras

    network: keras.Model = keras.models.model_from_json(structure)
    network.load_weights(weights)
    return network


def _answer_of(network: "keras.Model") -> Answer:
    def answer(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(network.predict_on_batch(pixels), np.float32)

    return answer


def _write_lite(weights: export_lite.Weights, source: Source, target: Path) -> None:
    export_lite.write(source.asked.model, target, weights)


def _read_lite(place: Path, _: "keras.Model") -> Answer:
    return export_lite.Opened(place)


FORMATS = {
    "keras": Format(".keras", _write_keras, _read_keras, labels_inside=True),
    "savedmodel": Format("", _write_saved_model, _read_saved_model, labels_inside=True),
    "weights": Format(WEIGHTS, _write_weights, _read_weights),
    "h5": Format(".h5", _write_h5, _read_keras),
    "structure": Format(".json", _write_structure, _read_structure),
    "tflite": Format(".tflite", partial(_write_lite, "float32"), _read_lite),
    "tflite_int8": Format(".tflite", partial(_write_lite, "int8"), _read_lite, QUANTISED),
    "tflite_float16": Format(".tflite", partial(_write_lite, "float16"), _read_lite, QUANTISED),
    "tflite_int16": Format(".tflite", partial(_write_lite, "int16"), _read_lite, QUANTISED),
    "tflite_int16_most": Format(".tflite", partial(_write_lite, "int16_most"), _read_lite, QUANTISED),
}
# What quantising tries: a quarter of the bytes; half of them in the form that most devices know; half, but nearer, of
# all large matrices or of the largest alone.
SMALLEST_FIRST = ("tflite_int8", "tflite_float16", "tflite_int16", "tflite_int16_most")
