"""Each row of the table of pretrained networks is what Keras has under that name."""

import importlib
from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.backbones import BACKBONES, HOST, prepared
from pipeline.cut import frozen_until
from pipeline.model import build_model
from pipeline.warm_start import begin
from tests.tracked_runs import params_of

MODULES = {"vgg16": "vgg16", "resnet50": "resnet", "mobilenet_v2": "mobilenet_v2"}
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def module_of(name: str) -> Any:
    """Where Keras keeps the addresses and checksums of the weights."""
    return importlib.import_module(f"keras.src.applications.{MODULES[name]}")


@pytest.mark.parametrize("name", BACKBONES)
def test_pixels_are_prepared_as_by_keras(name: str) -> None:
    import keras

    pixels = keras.Input((32, 32, 3), dtype="uint8")
    ours = keras.Model(pixels, prepared(BACKBONES[name], pixels)).predict(PIXELS, verbose=0)
    theirs = module_of(name).preprocess_input(PIXELS.astype(np.float32))
    assert np.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("name", BACKBONES)
def test_addresses_and_checksums_are_those_of_keras(name: str) -> None:
    source = importlib.util.find_spec(module_of(name).__name__)
    assert source and source.origin
    with open(source.origin) as stream:
        text = stream.read()
    row = BACKBONES[name]
    for file, md5 in zip(row.files, row.md5, strict=True):
        assert file.partition("/")[0] in text and md5 in text
    assert "tensorflow/keras-applications/" in text and HOST.endswith("tensorflow/keras-applications/")


@pytest.mark.parametrize(
    ("name", "trainable", "first"), [("resnet50", 3, "conv5_block2_out"), ("vgg16", 3, "block4_pool")]
)
def test_a_network_begins_with_published_weights_and_trains_its_last_layers(
    name: str, trainable: int, first: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import keras

    file = tmp_path_factory.mktemp("weights") / "notop.weights.h5"
    published = getattr(keras.applications, BACKBONES[name].factory)(include_top=False, weights=None)
    published.save_weights(file)
    params = params_of(
        *("image.size=[32,32]", "image.channels=3", f"backbone.name={name}", f"backbone.weights={file}"),
        f"backbone.trainable={trainable}",
    )
    model = build_model(params.model, (32, 32, 3), 4, 1, params.backbone)
    begin(model, params.backbone, file, ["a", "b", "c", "d"])
    known = {layer.name: layer.get_weights() for layer in published.layers}
    for layer in model.layers:
        for ours, theirs in zip(layer.get_weights(), known.get(layer.name, layer.get_weights()), strict=True):
            assert np.array_equal(ours, theirs), layer.name
    assert frozen_until(model) == first
