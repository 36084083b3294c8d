"""The network is the one that its params say, to the last parameter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.blocks import block_sizes
from pipeline.model import both_ways, build_model, one_way, summary
from pipeline.params import Params

Make = Callable[..., Params]
PLAIN = (
    "model.filters=[32,64]",
    "model.kernel=3",
    "model.padding=same",
    "model.pool=2",
    "model.dropout=0",
    "model.batch_norm=false",
    "model.dense=[128]",
    "model.dense_dropout=0",
    "model.rescale=true",
)
SHAPES = [
    ("model.padding=[same,valid]", "model.pool=[2,1]", "image.size=[9,8]"),
    ("model.filters=[[4,4],8]", "model.padding=[[valid,same],same]", "image.size=[13,21]"),
    ("model.filters=[4,4,4]", "model.kernel=[2,5,4]", "model.pool=[3,2,1]", "image.size=[20,17]"),
    ("model.filters=[[],4]", "model.padding=[same,valid]", "image.size=[10,11]"),
    ("model.filters=[[4,4],[4,4]]", "model.pool_after=first", "model.padding=valid", "image.size=[31,32]"),
    ("model.filters=[[4,4],8]", "model.whiten=3", "model.pool=[2,3]", "image.size=[13,21]"),
]


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def build(params: Params, num_classes: int = 10, seed: int = 0) -> Any:
    shape = (*params.image.size, params.image.channels)
    return build_model(params.model, shape, num_classes, seed)


def some_images(count: int = 4) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


@pytest.mark.parametrize("overrides", SHAPES)
def test_block_sizes_are_those_of_the_built_network(make_params: Make, overrides: tuple[str, ...]) -> None:
    params = make_params(*PLAIN, *overrides)
    model = build(params)
    before_flatten = model.get_layer("flatten").input.shape[1:3]
    assert block_sizes(params.model, params.image.size)[-1] == before_flatten


def test_pixels_go_in_as_they_are_and_probabilities_come_out(make_params: Make) -> None:
    model = build(make_params(*PLAIN), num_classes=7)
    probabilities = model.predict(some_images(), verbose=0)
    assert model.inputs[0].dtype == "uint8"
    assert probabilities.shape == (4, 7) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("rescale", "factor"), [("true", 1 / 255), ("false", 1.0)])
def test_rescaling_is_inside_the_network(make_params: Make, rescale: str, factor: float) -> None:
    import keras

    model = build(make_params(*PLAIN, f"model.rescale={rescale}"))
    rescaled = keras.Model(model.input, model.get_layer("rescale").output)(some_images())
    np.testing.assert_allclose(rescaled, some_images() * np.float32(factor), rtol=1e-6)


def test_batch_norm_stands_between_convolution_and_relu_without_a_second_bias(make_params: Make) -> None:
    model = build(make_params(*PLAIN, "model.batch_norm=true", "model.filters=[4]"))
    names = [layer.name for layer in model.layers]
    assert names[2:5] == ["block_1_conv_1", "block_1_conv_1_norm", "block_1_conv_1_relu"]
    assert not model.get_layer("block_1_conv_1").use_bias


def test_dropout_stands_after_its_block_and_dense_layer_with_its_rate(make_params: Make) -> None:
    model = build(make_params(*PLAIN, "model.dropout=[0,0.2]", "model.dense=[8,4]", "model.dense_dropout=[0.3,0]"))
    rates = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("dropout")}
    assert rates == {"block_2_dropout": 0.2, "dense_1_dropout": 0.3}


def test_the_seed_alone_decides_the_first_weights(make_params: Make) -> None:
    import keras

    params = make_params(*PLAIN)
    first = build(params, seed=3).get_weights()
    keras.random.normal((5,))  # uses up global randomness
    same, other = build(params, seed=3).get_weights(), build(params, seed=4).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_the_summary_names_every_layer_and_fits_a_terminal(make_params: Make) -> None:
    model = build(make_params(*PLAIN))
    text = summary(model)
    assert all(layer.name in text for layer in model.layers)
    assert max(len(line) for line in text.splitlines()) <= 78


def test_pooling_after_the_first_convolution_spares_the_second(make_params: Make) -> None:
    build_it = ("model.filters=[[4,6]]", "model.batch_norm=true", "model.dropout=0.5")
    names = {
        place: [layer.name for layer in build(make_params(*PLAIN, *build_it, f"model.pool_after={place}")).layers]
        for place in ("first", "last")
    }
    assert names["last"].index("block_1_pool") > names["last"].index("block_1_conv_2_relu")
    first = names["first"]
    assert first.index("block_1_conv_1") < first.index("block_1_pool") < first.index("block_1_conv_1_norm")
    assert sorted(first) == sorted(names["last"])


@pytest.mark.parametrize(("pooling", "features"), [("flatten", 4 * 4 * 6), ("average", 6), ("max", 6)])
def test_what_the_last_block_leaves_is_pooled(make_params: Make, pooling: str, features: int) -> None:
    model = build(make_params(*PLAIN, "model.filters=[6]", "model.dense=[]", f"model.pooling={pooling}"))
    assert model.get_layer("flatten").output.shape == (None, features)
    assert model.get_layer("probabilities").kernel.shape == (features, 10)


@pytest.mark.parametrize("batch_norm", ["true", "false"])
def test_another_activation_is_that_of_every_layer(make_params: Make, batch_norm: str) -> None:
    changes = (*PLAIN, "model.filters=[4]", "model.activation=gelu", "model.whiten=2", f"model.batch_norm={batch_norm}")
    model = build(make_params(*changes))
    activations = {
        layer.name: layer.activation.__name__ for layer in model.layers if getattr(layer, "activation", None)
    }
    assert {name for name, kind in activations.items() if kind == "gelu"} >= {"dense_1", "whiten_gelu"}
    assert "relu" not in activations.values() and not any("relu" in layer.name for layer in model.layers)


def test_a_flipped_network_answers_the_same_to_a_picture_and_its_mirror_image(make_params: Make) -> None:
    model = build(make_params(*PLAIN))
    flipped, images = both_ways(model), some_images()
    answers = flipped.predict(images, verbose=0)
    plain, mirrored = (model.predict(given, verbose=0) for given in (images, images[:, :, ::-1]))
    assert np.allclose(answers, (plain + mirrored) / 2, atol=1e-6) and not np.allclose(plain, mirrored, atol=1e-3)
    assert np.allclose(answers, flipped.predict(images[:, :, ::-1], verbose=0), atol=1e-6)
    assert one_way(flipped) is model and one_way(model) is model


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_lower_precision_has_the_same_weights_and_nearly_the_same_answers(make_params: Make, precision: str) -> None:
    import keras

    params = make_params(*PLAIN)
    low = build_model(params.model, (8, 8, 1), 10, 0, precision=precision)
    full = build(params)
    assert keras.config.dtype_policy().name == "float32"
    assert {weight.dtype for weight in low.weights} == {"float32"}
    assert low.get_layer("dense_1").compute_dtype == precision.removeprefix("mixed_")
    assert all(np.array_equal(*pair) for pair in zip(low.get_weights(), full.get_weights(), strict=True))
    ours, theirs = (each.predict(some_images(), verbose=0) for each in (low, full))
    assert ours.dtype == np.float32 and np.allclose(ours, theirs, atol=2e-2)
