"""The body of a network: from pixels to features, by convolutional blocks or by a network of `keras.applications`."""

from typing import TYPE_CHECKING

from pipeline.backbone_params import NONE, Backbone
from pipeline.backbones import BACKBONES, prepared
from pipeline.blocks import convolutions, per_block
from pipeline.errors import UserError
from pipeline.model_params import Model

if TYPE_CHECKING:
    import keras

# Of the running averages. Keras's 0.99 needs hundreds of steps, more than an epoch of a few thousand images has.
NORM_MOMENTUM = 0.9
PIXELS = "pixels"  # the layer at which the body begins
FEATURES = "flatten"  # the layer at which the body ends
WHITEN = "whiten"  # the layer that makes patches uncorrelated


def features_of_pixels(
    pixels: "keras.KerasTensor", params: Model, seed: int, backbone: Backbone | None
) -> "keras.KerasTensor":
    """uint8 pixels (count, height, width, channels) -> float features (count, number)."""
    import keras

    if backbone and backbone.name != NONE:
        return _backbone(pixels, backbone)
    hidden = keras.layers.Rescaling(1 / 255 if params.rescale else 1.0, name="rescale")(pixels)
    if params.whiten:
        hidden = _whitened(hidden, params)
    hidden = _convolution_blocks(hidden, params, seed)
    return keras.layers.Flatten(name=FEATURES)(_pooled(hidden, params.pooling, "last"))


def _backbone(pixels: "keras.KerasTensor", params: Backbone) -> "keras.KerasTensor":
    """The features of a network of `keras.applications`: the outputs of some of its layers, pooled, side by side."""
    import keras

    network = application(params, prepared(BACKBONES[params.name], pixels))
    names = params.until or (network.layers[-1].name,)
    known = {layer.name: layer for layer in network.layers}
    for name in names:
        if name not in known:
            raise UserError(
                f"backbone.until names {name!r}, which {params.name} does not have: its last layers are "
                f"{', '.join(list(known)[-6:])}"
            )
    pooled = [_pooled(known[name].output, params.pooling, name) for name in names]
    if len(pooled) > 1:
        pooled = [keras.layers.Flatten(name=f"{name}_flat")(each) for name, each in zip(names, pooled, strict=True)]
        pooled = [keras.layers.Concatenate(name="side_by_side")(pooled)]
    return keras.layers.Flatten(name=FEATURES)(pooled[0])


def application(params: Backbone, prepared_pixels: "keras.KerasTensor") -> "keras.Model":
    """The network of `keras.applications`, without head and with random weights."""
    import keras

    row = BACKBONES[params.name]
    given = {"alpha": params.width} if len(row.widths) > 1 else {}
    factory = getattr(keras.applications, row.factory)
    network: keras.Model = factory(include_top=False, weights=None, input_tensor=prepared_pixels, **given)
    return network


def _pooled(hidden: "keras.KerasTensor", pooling: str, name: str) -> "keras.KerasTensor":
    import keras

    if pooling == "average":
        return keras.layers.GlobalAveragePooling2D(name=f"{name}_average")(hidden)
    if pooling == "max":
        return keras.layers.GlobalMaxPooling2D(name=f"{name}_max")(hidden)
    return hidden


def _convolution_blocks(hidden: "keras.KerasTensor", params: Model, seed: int) -> "keras.KerasTensor":
    count = len(params.filters)
    kernels, pools, rates = (per_block(value, count) for value in (params.kernel, params.pool, params.dropout))
    for block, layers in enumerate(convolutions(params)):
        for number, (filters, padding) in enumerate(layers, start=1):
            name = f"block_{block + 1}_conv_{number}"
            pool = int(pools[block]), block
            early = pool if params.pool_after == "first" and number == 1 else None
            hidden = _convolution(hidden, filters, int(kernels[block]), padding, params, name, early)
            if params.pool_after == "last" and number == len(layers):
                hidden = _pool(hidden, *pool)
        if not layers:
            hidden = _pool(hidden, int(pools[block]), block)
        hidden = dropout(hidden, rates[block], f"block_{block + 1}_dropout", seed + 1 + block)
    return hidden


def _pool(hidden: "keras.KerasTensor", pool: int, block: int) -> "keras.KerasTensor":
    import keras

    return keras.layers.MaxPooling2D(pool, name=f"block_{block + 1}_pool")(hidden) if pool > 1 else hidden


def _convolution(
    hidden: "keras.KerasTensor",
    filters: int,
    kernel: int,
    padding: str,
    params: Model,
    name: str,
    early: tuple[int, int] | None,
) -> "keras.KerasTensor":
    """A convolution, normalised where wanted, and its activation; `early` is the pool that comes before these two."""
    import keras

    if not params.batch_norm:
        convolution = keras.layers.Conv2D(filters, kernel, padding=padding, activation=params.activation, name=name)
        return _pool(convolution(hidden), *early) if early else convolution(hidden)
    hidden = keras.layers.Conv2D(filters, kernel, padding=padding, use_bias=False, name=name)(hidden)
    hidden = _pool(hidden, *early) if early else hidden
    hidden = keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"{name}_norm")(hidden)
    return _activated(hidden, params, name)


def _activated(hidden: "keras.KerasTensor", params: Model, name: str) -> "keras.KerasTensor":
    import keras

    if params.activation == "relu":
        return keras.layers.ReLU(name=f"{name}_relu")(hidden)
    return keras.layers.Activation(params.activation, name=f"{name}_{params.activation}")(hidden)


def _whitened(hidden: "keras.KerasTensor", params: Model) -> "keras.KerasTensor":
    """Patches seen along their principal axes, both ways; the weights are those that `whitening` measures."""
    import keras

    side = params.whiten
    filters = 2 * side * side * int(hidden.shape[-1])
    layer = keras.layers.Conv2D(filters, side, use_bias=False, name=WHITEN)
    layer.trainable = False
    return _activated(layer(hidden), params, WHITEN)


def dropout(hidden: "keras.KerasTensor", rate: float, name: str, seed: int) -> "keras.KerasTensor":
    import keras

    return keras.layers.Dropout(rate, seed=seed, name=name)(hidden) if rate else hidden
