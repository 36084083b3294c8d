"""Quick gradients of convolutions are those of TensorFlow, up to rounding, and the network stays a plain one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.quick_gradients import LARGEST, quicken

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@pytest.fixture(autouse=True)
def _threads() -> None:
    keras_setup.deterministic(0, 2)  # as every test that computes: threads cannot change later


def _gradients(model: "keras.Model", images: np.ndarray) -> list[np.ndarray]:
    import tensorflow as tf

    pixels = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        loss = tf.reduce_mean(tf.square(model(pixels, training=True)))
    variables = [variable.value for variable in model.trainable_variables]
    return [np.asarray(each) for each in tape.gradient(loss, [pixels, *variables])]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, (2, 3), (3, 1)])
@pytest.mark.parametrize("size", [(9, 12), (65, 70)])
def test_gradients_are_tensorflows(kernel: Any, padding: str, size: tuple[int, int]) -> None:
    import keras

    given = keras.Input((*size, 3))
    hidden = keras.layers.Conv2D(5, kernel, padding=padding, activation="silu", name="first")(given)
    model = keras.Model(given, keras.layers.Conv2D(4, kernel, padding=padding, name="second")(hidden))
    images = np.random.default_rng(0).normal(size=(6, *size, 3)).astype(np.float32)
    plain, before = _gradients(model, images), model.get_config()
    quicken(model)
    assert "convolution_op" in vars(model.get_layer("second"))
    assert model.get_config() == before
    quick = _gradients(model, images)
    assert any(not np.array_equal(one, other) for one, other in zip(plain, quick, strict=True))
    for one, other in zip(plain, quick, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-6)


def test_both_ways_of_the_kernels_gradient_were_tried() -> None:
    assert 9 * 12 <= LARGEST < 65 * 70


@pytest.mark.parametrize("setting", [{"strides": 2}, {"dilation_rate": 2}, {"groups": 2}])
def test_other_convolutions_are_left_alone(setting: dict[str, int]) -> None:
    import keras

    given = keras.Input((8, 8, 4))
    model = keras.Model(given, keras.layers.Conv2D(4, 3, name="only", **setting)(given))
    quicken(model)
    assert "convolution_op" not in vars(model.get_layer("only"))


def test_a_quick_network_can_be_saved_and_loaded_as_a_plain_one(tmp_path: Path) -> None:
    import keras

    given = keras.Input((8, 8, 3))
    model = keras.Model(given, keras.layers.Conv2D(4, 3, name="only")(given))
    quicken(model)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert "convolution_op" not in vars(loaded.get_layer("only"))
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


def test_an_unknown_number_of_images_in_a_graph() -> None:
    import keras
    import tensorflow as tf

    given = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, padding="same")(given)
    model = keras.Model(given, keras.layers.Conv2D(2, 3)(hidden))
    quicken(model)

    def step(images: "tf.Tensor") -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(images, training=True)))
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    images = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
    graph = tf.function(step, input_signature=[tf.TensorSpec((None, 8, 8, 3))])
    in_graph, at_once = graph(images), _gradients(model, images)[1:]
    for one, other in zip(in_graph, at_once, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
