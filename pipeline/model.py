"""From `model` and `backbone` params to a Keras network; knows no tuner, tracker or path.

It has two parts: the body makes features of pixels, the head makes probabilities of features.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.backbone_params import Backbone
from pipeline.blocks import per_block
from pipeline.body import PIXELS, dropout, features_of_pixels
from pipeline.model_params import Model

if TYPE_CHECKING:
    import keras

ONE_WAY = "classifier"  # a network that sees a picture as it is
NORMALIZE = "normalize"  # the layer that brings features to one scale
EPSILON = 1e-5


def build_model(
    params: Model,
    shape: tuple[int, int, int],
    num_classes: int,
    seed: int,
    backbone: Backbone | None = None,
    precision: str = "float32",
) -> "keras.Model":
    """The network of `params`, from uint8 pixels to class probabilities; rescaling is part of it.

    Args:
        shape: (height, width, channels) of one image.
        seed: of the initial weights and of dropout.
        backbone: its network takes the place of the convolutional blocks; its weights are not loaded here.
        precision: Keras's dtype policy of all layers but the last; weights are float32 in any case.

    Returns:
        An uncompiled model: uint8 (count, *shape) -> float32 (count, num_classes), rows add up to 1.
        Layers are named by what they are and where they stand, so that equal networks are equal bytes.
    """
    import keras
    import tensorflow as tf

    if not tf.distribute.has_strategy():  # whose scope would be forgotten, too
        keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape, dtype="uint8", name=PIXELS)
    with _policy(precision):
        hidden = features_of_pixels(inputs, params, seed, backbone)
        if backbone and backbone.normalize:
            hidden = _normalized(hidden)
        outputs = _head(hidden, params, num_classes, seed)
    return keras.Model(inputs, outputs, name=ONE_WAY)


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def both_ways(model: "keras.Model") -> "keras.Model":
    """A network that answers with the mean of what `model` says of a picture and of its mirror image."""
    import keras

    pixels = keras.Input(model.input_shape[1:], dtype="uint8", name=PIXELS)
    answers = [model(pixels), model(keras.ops.flip(pixels, axis=2))]
    return keras.Model(pixels, keras.layers.Average(name="both_ways")(answers), name="flipped")


def one_way(model: "keras.Model") -> "keras.Model":
    """The network inside of `both_ways`; any other as it is."""
    inside: dict[str, keras.Model] = {layer.name: layer for layer in model.layers}
    return inside.get(ONE_WAY, model)


def between(model: "keras.Model", first: str | None, last: str | None, called: str) -> "keras.Model":
    """The part of a network from the output of a layer to that of another; the layers are shared.

    Args:
        first: None: from the pixels on.
        last: None: up to the probabilities.
    """
    import keras

    begins = model.get_layer(first).output if first else model.inputs[0]
    ends = model.get_layer(last).output if last else model.outputs[0]
    return keras.Model(begins, ends, name=called)


def _normalized(hidden: "keras.KerasTensor") -> "keras.KerasTensor":
    """Less the mean, by the deviation; both are weights that `transfer` measures and that no training moves."""
    import keras

    layer = keras.layers.BatchNormalization(center=False, scale=False, epsilon=EPSILON, name=NORMALIZE)
    layer.trainable = False
    return layer(hidden)


def _head(hidden: "keras.KerasTensor", params: Model, num_classes: int, seed: int) -> "keras.KerasTensor":
    import keras

    rates = per_block(params.dense_dropout, len(params.dense))
    for number, (units, rate) in enumerate(zip(params.dense, rates, strict=True), start=1):
        hidden = keras.layers.Dense(units, activation=params.activation, name=f"dense_{number}")(hidden)
        hidden = dropout(hidden, rate, f"dense_{number}_dropout", seed + 1000 + number)
    return keras.layers.Dense(num_classes, activation="softmax", name="probabilities", dtype="float32")(hidden)


def summary(model: "keras.Model") -> str:
    """The table of layers, output shapes and parameter counts, 78 characters wide."""
    text = io.StringIO()
    model.summary(line_length=78, print_fn=lambda line, **_: text.write(f"{line}\n"))
    return text.getvalue()
