"""Each row of the table of pretrained networks is what Keras has under that name."""

import importlib
from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.backbones import BACKBONES, prepared
from pipeline.cut import frozen_until
from pipeline.model import build_model
from pipeline.warm_start import begin
from pipeline.weights import address
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


class Asked(Exception):
    """What Keras wants to fetch: the address, and the MD5 of the file where it has one."""


@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("name", BACKBONES)
def test_addresses_and_checksums_are_those_of_keras(name: str, head: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    def get_file(file: str, origin: str, cache_subdir: str, file_hash: str = "") -> None:
        raise Asked(origin, file_hash)

    module, row = module_of(name), BACKBONES[name]
    monkeypatch.setattr(module.file_utils, "get_file", get_file)
    for width in row.widths:
        given = {"alpha": width} if len(row.widths) > 1 else {}
        with pytest.raises(Asked) as asked:
            getattr(keras.applications, row.factory)(include_top=head, input_shape=(224, 224, 3), **given)
        assert asked.value.args == (address(row, head, width), row.md5[head])


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
