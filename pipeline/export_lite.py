"""TensorFlow Lite (LiteRT) files: floats, or weights of fewer bits; and the interpreter that phones run them with."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline import export_int16
from pipeline.errors import UserError, one_line

if TYPE_CHECKING:
    import keras

Weights = Literal["float32", "float16", "int16", "int16_most", "int8"]
MOST = 0.75  # of the numbers of large matrices
LONGEST_REASON = 160  # characters of what the converter says


def write(network: "keras.Model", target: Path, weights: Weights) -> None:
    """Converts a network by way of a SavedModel.

    Args:
        weights: int8 is "dynamic range": large matrices and what they are applied to in 8 bits; int16: `export_int16`,
            of all large matrices or of the largest.

    Raises:
        UserError: the network computes something that this format cannot.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    with tempfile.TemporaryDirectory() as folder, _quiet():
        network.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if weights in ("float16", "int8"):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        try:
            content = converter.convert()
        except ConverterError as error:
            reason = one_line(error)[:LONGEST_REASON]
            raise UserError(
                f"this network cannot be written as tflite, which lacks something that it computes ({reason}): "
                "give another --format"
            ) from error
    if weights in ("int16", "int16_most"):
        content = export_int16.quantised(content, 1.0 if weights == "int16" else MOST)
    target.write_bytes(content)


class Opened:
    """A file in the interpreter; answers to batches of one fixed size."""

    def __init__(self, file: Path) -> None:
        import tensorflow as tf

        cores = os.cpu_count() or 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it moves to a package of its own, `ai-edge-litert`
            self._interpreter: Any = tf.lite.Interpreter(model_path=str(file), num_threads=cores)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        (given,) = self._interpreter.get_input_details()
        if tuple(given["shape"]) != pixels.shape:
            with _quiet():
                self._interpreter.resize_tensor_input(given["index"], pixels.shape)
                self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(given["index"], pixels)
        self._interpreter.invoke()
        (told,) = self._interpreter.get_output_details()
        answers: NDArray[np.float32] = self._interpreter.get_tensor(told["index"])
        return answers


@contextmanager
def _quiet() -> Iterator[None]:
    """Converter and interpreter talk on the standard error of the process, past Python."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
