"""Gradients of convolutions, ours against TensorFlow's own: `python -m benchmarks.gradients PRESET [KEY=VALUE...]`.

For every convolution of the preset's network with a batch of its size: what a second does, in billions of operations,
of the convolution itself, of its gradient of the images and of that of the kernel, each of these as TensorFlow computes
them and as `pipeline.quick_gradients` does. The two alternate; medians over the rounds.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.common import keep

ROUNDS = 5
AT_LEAST = 0.2  # seconds of a measurement


def seconds(operation: Callable[[], Any]) -> float:
    """Of one call, a mean over as many as take long enough."""
    calls, began = 0, time.monotonic()
    while (took := time.monotonic() - began) < AT_LEAST:
        operation()
        calls += 1
    return took / calls


def ways(layer: Any, batch: int) -> dict[str, Callable[[], Any]]:
    """The convolution and its gradients on random numbers, each as a graph that is traced and has run."""
    import tensorflow as tf

    from pipeline import quick_gradients

    shape, kernel_shape = (batch, *layer.input.shape[1:]), tuple(layer.kernel.shape)
    images, kernel, upstream = (
        tf.random.stateless_normal(each, (0, number))
        for number, each in enumerate((shape, kernel_shape, (batch, *layer.output.shape[1:])))
    )
    padding = layer.padding
    own: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": padding.upper(), "out_backprop": upstream}
    graphs = {
        "convolution": lambda: tf.nn.conv2d(images, kernel, 1, padding.upper()),
        "of images, TensorFlow": lambda: tf.raw_ops.Conv2DBackpropInput(input_sizes=shape, filter=kernel, **own),
        "of images, ours": lambda: quick_gradients.of_images(upstream, kernel, padding),
        "of kernel, TensorFlow": lambda: tf.raw_ops.Conv2DBackpropFilter(
            input=images, filter_sizes=kernel_shape, **own
        ),
        "of kernel, ours": lambda: quick_gradients.of_kernel(images, upstream, kernel.shape, padding),
    }
    made = {name: tf.function(graph) for name, graph in graphs.items()}
    for operation in made.values():
        operation()
    return made


def measure(layer: Any, batch: int) -> dict[str, float]:
    """Billions of operations per second."""
    _, rows, columns, _ = layer.output.shape
    work = 2 * batch * rows * columns * math.prod(layer.kernel.shape) / 1e9
    operations = ways(layer, batch)
    took: dict[str, list[float]] = {name: [] for name in operations}
    for _ in range(ROUNDS):
        for name, operation in operations.items():
            took[name].append(seconds(operation))
    return {name: work / statistics.median(each) for name, each in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    import keras

    from pipeline import keras_setup
    from pipeline.model import build_model
    from tests.tracked_runs import params_of

    params = params_of(*given.overrides, preset=given.preset)
    keras_setup.deterministic(params.train.seed, params.train.threads)
    model = build_model(params.model, (*params.image.size, params.image.channels), 10, 0)
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            found[layer.name] = measure(layer, params.train.batch_size)
            rates = ", ".join(f"{name} {rate:.0f}" for name, rate in found[layer.name].items())
            print(f"{layer.name} {tuple(layer.input.shape[1:])} -> {layer.filters}: {rates}", flush=True)
    keep(f"gradients-{given.preset}", {"preset": given.preset, "overrides": given.overrides, "layers": found})


if __name__ == "__main__":
    main()
