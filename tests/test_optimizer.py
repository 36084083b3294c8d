"""Optimizers, schedules and losses are Keras's own, at the settings that the params say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.model import build_model
from pipeline.optimizer import build_optimizer, compile_model
from pipeline.params import Params

Make = Callable[..., Params]
STEPS, EPOCHS = 10, 10
TOTAL = STEPS * EPOCHS


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def optimizer(make: Make, *overrides: str) -> Any:
    return build_optimizer(make(f"train.epochs={EPOCHS}", "train.learning_rate=0.1", *overrides).train, STEPS)


def rate_at(built: Any, step: int) -> float:
    return float(built._learning_rate(step))


def test_every_optimizer_has_its_own_settings(make_params: Make) -> None:
    constant = "train.schedule=constant"
    sgd = optimizer(make_params, constant, "train.optimizer=sgd", "train.momentum=0.8")
    adamw = optimizer(make_params, constant, "train.optimizer=adamw", "train.weight_decay=0.02")
    adam = optimizer(make_params, constant, "train.optimizer=adam")
    assert (type(sgd).__name__, sgd.momentum, sgd.nesterov) == ("SGD", 0.8, True)
    assert (type(adamw).__name__, adamw.weight_decay) == ("AdamW", 0.02)
    assert (type(adam).__name__, adam.weight_decay, adam.beta_1, adam.beta_2) == ("Adam", None, 0.9, 0.999)
    assert float(sgd.learning_rate) == float(adam.learning_rate) == pytest.approx(0.1)


def test_plain_sgd_takes_plain_steps(make_params: Make) -> None:
    import keras

    weight = keras.Variable([1.0])
    overrides = ("train.schedule=constant", "train.optimizer=sgd", "train.momentum=0")
    optimizer(make_params, *overrides).apply([keras.ops.convert_to_tensor([2.0])], [weight])
    assert float(weight.value[0]) == pytest.approx(1 - 0.1 * 2)


@pytest.mark.parametrize("name", ["sgdw", "adamw"])
def test_weight_decay_shrinks_kernels_and_leaves_biases_alone(make_params: Make, name: str) -> None:
    params = make_params(
        "train.schedule=constant", f"train.optimizer={name}", "train.weight_decay=0.5", "model.filters=[4]"
    )
    model = build_model(params.model, (8, 8, 1), 3, seed=0)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    built = build_optimizer(params.train, STEPS)
    built.apply(
        [np.zeros(variable.shape, np.float32) for variable in model.trainable_variables], model.trainable_variables
    )
    shrunk = {variable.path: float(np.max(variable)) < 1 for variable in model.trainable_variables}
    assert shrunk == {path: path.endswith("kernel") for path in shrunk} and any(shrunk.values())


def test_cosine_goes_from_the_rate_to_nothing(make_params: Make) -> None:
    built = optimizer(make_params, "train.schedule=cosine")
    assert rate_at(built, 0) == pytest.approx(0.1)
    assert rate_at(built, TOTAL // 2) == pytest.approx(0.05)
    assert rate_at(built, TOTAL - 1) == pytest.approx(0, abs=1e-4)
    assert rate_at(built, TOTAL) == pytest.approx(0, abs=1e-8)


def test_one_cycle_warms_up_and_comes_down(make_params: Make) -> None:
    built = optimizer(make_params, "train.schedule=one-cycle")
    rates = [rate_at(built, step) for step in range(TOTAL)]
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates.index(max(rates)) == 30 and max(rates) == pytest.approx(0.1)
    assert rates[:31] == sorted(rates[:31]) and rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-4)


def test_a_triangle_goes_straight_up_and_straight_down(make_params: Make) -> None:
    built = optimizer(make_params, "train.schedule=triangular")
    rates = [rate_at(built, step) for step in range(TOTAL + 1)]
    assert (rates[0], rates[23], rates[TOTAL]) == pytest.approx((0.02, 0.1, 0.007))
    assert np.diff(rates[:24]) == pytest.approx(0.08 / 23, rel=1e-3)
    assert np.diff(rates[23:]) == pytest.approx(-0.093 / 77, rel=1e-3)


def test_small_numbers_are_scaled_up_where_they_have_sixteen_bits(make_params: Make) -> None:
    kinds = {
        precision: type(optimizer(make_params, f"train.precision={precision}")).__name__
        for precision in ("float32", "mixed_bfloat16", "mixed_float16")
    }
    assert kinds == {"float32": "AdamW", "mixed_bfloat16": "AdamW", "mixed_float16": "LossScaleOptimizer"}


def test_one_cycle_holds_for_a_single_step(make_params: Make) -> None:
    built = build_optimizer(make_params("train.schedule=one-cycle", "train.epochs=1").train, 1)
    assert 0 < rate_at(built, 0) < 1


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_keras_on_one_hot_labels(make_params: Make, smoothing: float) -> None:
    import keras

    params = make_params(f"train.label_smoothing={smoothing}")
    model = build_model(params.model, (8, 8, 1), 4, seed=0)
    compile_model(model, params.train, STEPS, 4)
    labels = np.array([0, 3, 1, 1, 2], np.int32)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 5).astype(np.float32)
    expected = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)(np.eye(4)[labels], probabilities)
    assert float(model.compute_loss(y=labels, y_pred=probabilities)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accuracy_is_counted_right_with_and_without_smoothing(make_params: Make, smoothing: float) -> None:
    params = make_params(f"train.label_smoothing={smoothing}")
    model = build_model(params.model, (8, 8, 1), 4, seed=0)
    compile_model(model, params.train, STEPS, 4)
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    guesses = model.predict(images, verbose=0).argmax(axis=1)
    labels = np.where(np.arange(20) < 15, guesses, (guesses + 1) % 4).astype(np.int32)
    assert model.evaluate(images, labels, verbose=0, return_dict=True)["accuracy"] == pytest.approx(0.75)
