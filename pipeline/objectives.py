"""What a study seeks: metrics of validation, each with its direction, and what a network costs."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import images, metrics
from pipeline.metrics import Metric
from pipeline.packed import Packed

if TYPE_CHECKING:
    import keras

OBJECTIVES = {
    metric.name: metric
    for metric in (
        *metrics.VALIDATION.values(),
        Metric("val_macro_f1", True),
        Metric("val_expected_calibration_error", False),
        Metric("val_top5_accuracy", True),
        Metric("parameters", False),
        Metric("latency_ms", False),
    )
}
LATENCY_ROUNDS = 30


def objectives_of(names: tuple[str, ...]) -> list[Metric]:
    """The metrics of these names, in their order."""
    return [OBJECTIVES[name] for name in names]


def measured(names: tuple[str, ...]) -> list[str]:
    """Those that Keras does not log by itself: they need the guesses of each epoch."""
    return [name for name in names if name.startswith("val_") and name not in metrics.VALIDATION]


def of_guesses(names: list[str], model: "keras.Model", val: Packed, batch_size: int) -> dict[str, float]:
    """Metrics of the model's guesses on the validation split."""
    if not names:
        return {}
    guesses = np.concatenate(
        [np.asarray(model(batch[0], training=False)) for batch in images.plain_batches(val, batch_size)]
    )
    return {name: metrics.MEASURES[name.removeprefix("val_")](val.labels, guesses) for name in names}


def costs(names: tuple[str, ...], model: "keras.Model") -> dict[str, float]:
    """Weights of the network, always; the median time of a guess for one picture, in ms, where it is asked for."""
    found: dict[str, float] = {"parameters": float(model.count_params())}
    return found | ({"latency_ms": _latency(model)} if "latency_ms" in names else {})


def _latency(model: "keras.Model") -> float:
    import tensorflow as tf

    guess: Any = tf.function(lambda picture: model(picture, training=False))
    picture = tf.zeros((1, *model.input_shape[1:]), tf.uint8)
    took = []
    for _ in range(LATENCY_ROUNDS + 5):
        began = time.perf_counter()
        guess(picture).numpy()
        took.append(time.perf_counter() - began)
    return float(np.median(took[5:]) * 1000)  # the first ones trace the graph
