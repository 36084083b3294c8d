"""Small networks to export, of every kind of layer that the pipeline's networks hold, and pictures to compare on."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline import keras_setup
from pipeline.backbones import BACKBONES, prepared
from pipeline.classifier import Classifier, load
from pipeline.export_formats import FORMATS, Source
from pipeline.model import both_ways, build_model
from tests.small_model import LABELS, save_model
from tests.tracked_runs import params_of

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)


def own(seed: int = 0) -> Source:
    """A network of our own blocks."""
    keras_setup.deterministic(0, 2)
    return source_of(build_model(params_of("model.filters=[4]", "model.dense=[8]").model, (8, 8, 3), len(LABELS), seed))


def fast() -> Source:
    """A network as the fast presets have it: whitened, pooled early, smooth, answering both ways."""
    keras_setup.deterministic(0, 2)
    recipe = "model.filters=[[4, 8]]", "model.dense=[]", "model.whiten=2", "model.activation=silu"
    params = params_of(*recipe, "model.pool_after=first", "model.pooling=max").model
    return source_of(both_ways(build_model(params, (8, 8, 3), len(LABELS), 0)))


def of_all_layers(scale: float = 0.01) -> Source:
    """The layers of our own blocks, VGG16 and MobileNetV2, with the pixels prepared as for VGG16.

    Networks of another `scale` have equal weights.
    """
    keras_setup.deterministic(0, 2)
    import keras

    layers = keras.layers
    pixels = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    start = layers.Conv2D(6, 3, padding="same", activation="relu")(prepared(BACKBONES["vgg16"], pixels))
    padded = layers.ZeroPadding2D(((0, 1), (0, 1)))(layers.MaxPooling2D()(start))
    deep = layers.DepthwiseConv2D(3, strides=2, use_bias=False)(padded)
    deep = layers.ReLU(6.0)(layers.BatchNormalization(epsilon=1e-3, momentum=0.999)(deep))
    deep = layers.Add()([deep, layers.Conv2D(6, 1, use_bias=False)(deep)])
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(deep), layers.GlobalMaxPooling2D()(start)])
    scaled = layers.Dropout(0.2)(layers.Rescaling(scale)(layers.Flatten()(both)))
    hidden = layers.Dense(256, activation="relu")(scaled)
    return source_of(keras.Model(pixels, layers.Dense(len(LABELS), activation="softmax")(hidden)))


def source_of(model: Any) -> Source:
    return Source(Classifier(model, LABELS, "a network"))


def saved(folder: Path) -> Source:
    """A network that was loaded from its canonical file."""
    file = save_model(folder / "source.keras")
    return Source(load(file, "a file"), file)


def place_of(folder: Path, name: str) -> Path:
    """Where to export to."""
    return folder / f"{name}{FORMATS[name].ending}"
