"""The one-file format of Keras 2, which knows layers alone: operations between them are written as layers."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError

if TYPE_CHECKING:
    import keras


def write(network: "keras.Model", target: Path) -> None:
    """Saves a network; `keras.saving.load_model` opens it, also that of Keras 2.

    Raises:
        UserError: it holds an operation that no layer stands for.
    """
    log = logging.getLogger("absl")
    before = log.level
    log.setLevel(logging.ERROR)  # Keras warns that the format is old, which is why it was asked for
    try:
        _of_layers(network).save(target)
    finally:
        log.setLevel(before)


def _of_layers(network: "keras.Model") -> "keras.Model":
    import keras

    if all(isinstance(operation, keras.Layer) for operation in network.operations):
        return network
    copy = keras.models.clone_model(network, clone_function=_layer_for)
    copy.set_weights(network.get_weights())
    return copy


def _layer_for(operation: Any) -> "keras.Layer":
    """A copy of a layer; of an operation, a layer without weights that computes the same."""
    import keras

    if isinstance(operation, keras.Layer):
        return operation.__class__.from_config(operation.get_config())
    if type(operation).__name__ == "Flip":  # Keras gives the function, not the class
        shape = operation.output.shape[1:]
        if operation.axis in (-1, 3):
            return _channels_reversed(shape, operation.name)
        if operation.axis == 2:
            return _mirrored(shape, operation.output.dtype, operation.name)
    raise UserError(
        f"this network cannot be written as h5, which has no layer for its operation {operation.name!r}: "
        "give another --format"
    )


def _mirrored(shape: tuple[int, int, int], dtype: str, name: str) -> "keras.Model":
    import keras

    layers, width = keras.layers, shape[1]
    pixels = keras.Input(shape, dtype=dtype)
    columns = [
        layers.Cropping2D(((0, 0), (place, width - 1 - place)), dtype=dtype)(pixels) for place in reversed(range(width))
    ]
    return keras.Model(pixels, layers.Concatenate(axis=2, dtype=dtype)(columns), name=name)


def _channels_reversed(shape: tuple[int, int, int], name: str) -> "keras.Model":
    import keras

    layers, channels = keras.layers, shape[2]
    pixels = keras.Input(shape)
    volume = layers.Reshape((*shape, 1))(pixels)
    cuts = [((0, 0), (0, 0), (place, channels - 1 - place)) for place in reversed(range(channels))]
    turned = layers.Concatenate(axis=3)([layers.Cropping3D(cut)(volume) for cut in cuts])
    return keras.Model(pixels, layers.Reshape(shape)(turned), name=name)
