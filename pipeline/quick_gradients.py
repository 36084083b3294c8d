"""Gradients of convolutions, computed as convolutions: on a CPU oneDNN's own take up to several times as long.

What they are of stays a plain Keras layer: only how its gradients come about in this process changes. Figures:
`python -m benchmarks.gradients`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

LARGEST = 64 * 64  # pixels of a map; above, oneDNN's own gradient of a kernel is as quick, and needs less memory


def quicken(model: "keras.Model") -> None:
    """Gives the plain convolutions of a network quick gradients, in place, unless there is a GPU."""
    import keras
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return
    for layer in model.layers:
        if type(layer) is keras.layers.Conv2D and _is_plain(layer):
            layer.convolution_op = _quick_operation(layer.padding)


def _is_plain(layer: "keras.layers.Conv2D") -> bool:
    return {*layer.strides, *layer.dilation_rate, layer.groups} == {1} and layer.data_format == "channels_last"


def _quick_operation(padding: str) -> Any:
    import tensorflow as tf

    def convolve(images: "tf.Tensor", kernel: "tf.Tensor") -> Any:
        def gradients(upstream: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
            return of_images(upstream, kernel, padding), of_kernel(images, upstream, kernel.shape, padding)

        return tf.nn.conv2d(images, kernel, 1, padding.upper()), gradients

    operation = tf.custom_gradient(convolve)
    return lambda inputs, kernel: operation(tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel))


def of_images(upstream: "tf.Tensor", kernel: "tf.Tensor", padding: str) -> "tf.Tensor":
    """What a loss changes by with the images: `upstream` convolved with the kernel turned by half.

    Args:
        upstream: what it changes by with the outputs, float (count, height, width, filters).
        kernel: float (height, width, channels, filters).
        padding: of the convolution, same or valid.

    Returns:
        float (count, height, width, channels).
    """
    import tensorflow as tf

    turned = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
    pads = [
        (side - 1 - before, side - 1 - after)
        for side, (before, after) in zip(kernel.shape[:2], _pads(kernel.shape, padding), strict=True)
    ]
    return _convolved(upstream, turned, pads)


def of_kernel(images: "tf.Tensor", upstream: "tf.Tensor", shape: "tf.TensorShape", padding: str) -> "tf.Tensor":
    """What a loss changes by with the kernel: the images convolved with `upstream`, channels in the place of count.

    Args:
        images: float (count, height, width, channels).
        upstream: what it changes by with the outputs, float (count, height, width, filters).
        shape: of the kernel (height, width, channels, filters), which that of the result is, too.
        padding: of the convolution, same or valid.
    """
    import tensorflow as tf

    if int(images.shape[1]) * int(images.shape[2]) > LARGEST:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=images, filter_sizes=shape, out_backprop=upstream, strides=[1, 1, 1, 1], padding=padding.upper()
        )
    by_channel, by_place = tf.transpose(images, [3, 1, 2, 0]), tf.transpose(upstream, [1, 2, 0, 3])
    return tf.transpose(_convolved(by_channel, by_place, _pads(shape, padding)), [1, 2, 0, 3])


def _pads(shape: "tf.TensorShape", padding: str) -> list[tuple[int, int]]:
    """What TensorFlow pads in front and behind, in height and width."""
    return [((side - 1) // 2, side // 2) if padding == "same" else (0, 0) for side in shape[:2]]


def _convolved(images: "tf.Tensor", kernel: "tf.Tensor", pads: list[tuple[int, int]]) -> "tf.Tensor":
    import tensorflow as tf

    return tf.nn.conv2d(images, kernel, 1, [(0, 0), *pads, (0, 0)])
