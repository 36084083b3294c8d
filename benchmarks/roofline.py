"""Operations per second in training against a matrix product's: `python -m benchmarks.roofline PRESET [KEY=VALUE...]`.

The peak is that of a product of two float32 matrices with the same threads. Operations of a training step, forward and
backward, are counted by TensorFlow's profiler in the step's graph; seconds are those of whole epochs of `training.fit`
on random images, validation with one batch. Where the first epochs of a preset see smaller images, these are measured,
too, and the whole is weighed as the preset has it. Peak and epochs alternate; medians with their spread.
"""

import argparse
import statistics
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import keep, spread

if TYPE_CHECKING:
    import keras

SIDE = 2_048  # of the matrices
PRODUCTS = 10  # in a row
ROUNDS = 5


@cache
def product() -> Any:
    """A chain of matrix products, as a graph."""
    import tensorflow as tf

    left, right = (tf.random.stateless_normal((SIDE, SIDE), (0, number)) for number in range(2))

    def chain() -> tf.Tensor:
        made = left
        for _ in range(PRODUCTS):
            made = tf.linalg.matmul(made, right) / SIDE
        return made

    made = tf.function(chain)
    made().numpy()
    return made


def peak() -> float:
    """Operations per second of a matrix product."""
    chain = product()
    began = time.monotonic()
    chain().numpy()
    return PRODUCTS * 2 * SIDE**3 / (time.monotonic() - began)


def operations(model: "keras.Model", batch: int) -> float:
    """Of a training step, forward and backward, per image."""
    import keras
    import tensorflow as tf
    from tensorflow.python.profiler import model_analyzer, option_builder

    shape = (batch, *model.inputs[0].shape[1:])

    def step(pixels: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, model(pixels, training=True)))
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    given = tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((batch,), tf.int32)
    graph = tf.function(step).get_concrete_function(*given).graph
    options = option_builder.ProfileOptionBuilder(option_builder.ProfileOptionBuilder.float_operation())
    options = options.with_empty_output().build()
    return float(model_analyzer.profile(graph, options=options).total_float_ops) / batch


def epoch_seconds(params: Any, size: tuple[int, int], images: int, num_classes: int) -> tuple[float, "keras.Model"]:
    """Seconds of an epoch on images of a size, once its graph is built, and the network."""
    from pipeline import transfer
    from pipeline.packed import Packed
    from pipeline.training import Data, fit

    random = np.random.default_rng(0)
    shape = (*size, params.image.channels)

    def split(count: int) -> Packed:
        pixels = random.integers(0, 256, (count, *shape), dtype=np.uint8)
        return Packed(pixels, random.integers(0, num_classes, count).astype(np.int32))

    data = Data(split(images), split(params.train.batch_size))
    train = params.train.model_copy(update={"epochs": 3, "patience": 0, "small_epochs": 0})
    whole = transfer.build(params, data, num_classes)
    job = transfer.job_of(whole, params.model_copy(update={"train": train}), data, None, [])
    seconds: list[float] = []
    fit(job.model, job.data, train, job.changes, None, lambda row, took: seconds.append(took))
    return min(seconds[1:]), whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--classes", type=int, default=10)
    given = parser.parse_args()
    from pipeline import keras_setup
    from pipeline.blocks import scaled
    from tests.tracked_runs import params_of

    params = params_of(*given.overrides, preset=given.preset)
    keras_setup.deterministic(params.train.seed, params.train.threads)
    height, width = params.image.size
    sizes = {(height, width): params.train.epochs - params.train.small_epochs}
    if params.train.small_epochs:
        sizes[scaled((height, width), params.train.small_scale)] = params.train.small_epochs
    peaks: list[float] = []
    rows: dict[tuple[int, int], Any] = {size: {"epochs": epochs, "rates": []} for size, epochs in sizes.items()}
    for number in range(ROUNDS):
        for size, row in rows.items():
            peaks.append(peak() / 1e9)
            seconds, whole = epoch_seconds(params, size, given.images, given.classes)
            if "operations" not in row:
                row["operations"] = operations(whole, params.train.batch_size)
            row["rates"].append(row["operations"] * given.images / seconds / 1e9)
            print(f"round {number + 1}, {size}: product {peaks[-1]:.0f}, training {row['rates'][-1]:.0f}", flush=True)
    print(f"billions of operations a second: product {spread(peaks, 0)}")
    for size, row in rows.items():
        print(f"training on {size}, {row['operations'] / 1e6:.0f} million an image: {spread(row['rates'], 0)}")
    work = {size: row["epochs"] * row["operations"] for size, row in rows.items()}
    took = sum(work[size] / statistics.median(row["rates"]) for size, row in rows.items())
    share = sum(work.values()) / took / statistics.median(peaks)
    print(f"training as a whole reaches {share:.0%} of the product, ratio of medians")
    found = {"preset": given.preset, "overrides": given.overrides, "peak": peaks, "share": share}
    keep(f"roofline-{given.preset}", {**found, "sizes": {"x".join(map(str, size)): row for size, row in rows.items()}})


if __name__ == "__main__":
    main()
