"""Where a network is cut: nothing before it trains, everything passes through it, and both parts make the whole."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.cut import frozen_until
from pipeline.model import between, build_model
from tests.tracked_runs import params_of

if TYPE_CHECKING:
    import keras

SHAPE = (32, 32, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
MOBILE = ("backbone.name=mobilenet_v2", "backbone.width=0.35")


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def network(*changes: str) -> "keras.Model":
    params = params_of("image.size=[32,32]", "image.channels=3", *changes)
    return build_model(params.model, SHAPE, 4, 0, params.backbone)


def freeze(model: "keras.Model", until: str) -> "keras.Model":
    for layer in model.layers:
        layer.trainable = False
        if layer.name == until:
            break
    return model


@pytest.mark.parametrize(
    ("changes", "frozen", "found"),
    [
        (("model.filters=[4,8,8]", "model.batch_norm=false"), "block_2_pool", "block_2_pool"),
        (("model.filters=[4,8,8]", "model.batch_norm=false"), "block_2_conv_1", "block_2_pool"),
        (("model.filters=[4,8]", "model.batch_norm=true"), "block_2_conv_1", "block_2_conv_1"),
        (("model.filters=[4,8]",), "flatten", "flatten"),
        (("model.filters=[4,8]",), "rescale", None),
        ((*MOBILE,), "block_13_project", "block_13_project"),
        ((*MOBILE,), "block_12_depthwise", "block_11_add"),  # behind it there are two paths
        ((*MOBILE, "backbone.until=[block_3_expand_relu,out_relu]"), "block_12_add", "block_3_expand_relu"),
    ],
)
def test_the_cut(changes: tuple[str, ...], frozen: str, found: str | None) -> None:
    assert frozen_until(freeze(network(*changes), frozen)) == found


@pytest.mark.parametrize("changes", [("model.filters=[4,8]",), MOBILE, ("backbone.name=vgg16",)])
def test_both_parts_make_the_whole(changes: tuple[str, ...]) -> None:
    model = network(*changes)
    wanted = model.predict(IMAGES, verbose=0)
    weighted = [layer.name for layer in model.layers if layer.weights]
    first = frozen_until(freeze(model, weighted[len(weighted) // 2]))
    assert first
    features = between(model, None, first, "body").predict(IMAGES, verbose=0)
    rest = between(model, first, None, "rest")
    assert np.allclose(rest.predict(features, verbose=0), wanted, atol=1e-6)
    assert rest.count_params() < model.count_params()


def test_a_network_that_trains_whole_is_not_cut() -> None:
    assert frozen_until(network("model.filters=[4]")) is None
