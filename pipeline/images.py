"""From packed arrays to batches: the order is a function of seed and epoch, so a resume is exact.

Only the rows of a batch are copied; the array itself stays on disk, so memory does not grow with it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.augment import augment
from pipeline.packed import Packed
from pipeline.params import Augment

if TYPE_CHECKING:
    import tensorflow as tf

GATHERED = 8  # batches copied by one call into Python, which costs as much as copying a batch
ALTERNATE, FLIPS = "alternate", -1  # the second is no number of a batch: a seed that no batch has
READY_BATCHES = 4  # prepared ahead of the network


def num_batches(count: int, batch_size: int) -> int:
    """Batches per epoch; the last may be smaller."""
    return -(-count // batch_size)


def training_batches(
    split: Packed, batch_size: int, seed: int, epochs: range, params: Augment, size: tuple[int, int] | None = None
) -> "tf.data.Dataset":
    """The batches of all `epochs`, one after another, each epoch in its own order.

    Args:
        size: height and width that images are brought to; None: as they are.

    Returns:
        A data set of (uint8 (count, height, width, channels), int32 (count,)).
    """
    import tensorflow as tf

    count, steps, changes = len(split), num_batches(len(split), batch_size), params.is_on
    views = len(split.images) // count

    @_as_it_stands
    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), (seed, epoch))
        if views > 1:
            order += count * (epoch % views)
        rows = tf.data.Dataset.from_tensor_slices(order).batch(GATHERED * batch_size)
        batches = rows.map(_as_it_stands(lambda wanted: _gather(split, wanted, size))).rebatch(batch_size)
        if not changes:
            return batches
        every = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return tf.data.Dataset.zip(batches, every).enumerate(start=epoch * steps)

    @_as_it_stands
    def changed(number: tf.Tensor, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        (pixels, labels), rows = batch
        mirrored = None
        if params.flip_horizontal == ALTERNATE:
            mirrored = tf.math.logical_xor(tf.gather(first, rows), (number // steps) % 2 == 1)
        return augment(pixels, (np.int64(seed), number), params, mirrored), labels

    first = tf.random.stateless_uniform((count,), (seed, FLIPS)) < 0.5  # the images that the first epoch flips
    batches = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
    if changes:
        batches = batches.map(changed, num_parallel_calls=READY_BATCHES, deterministic=True)
    return batches.prefetch(READY_BATCHES).with_options(_untuned())


def plain_batches(split: Packed, batch_size: int, size: tuple[int, int] | None = None) -> "tf.data.Dataset":
    """Every image once, in order, unchanged."""
    import tensorflow as tf

    rows = tf.data.Dataset.range(len(split)).batch(GATHERED * batch_size)
    batches = rows.map(_as_it_stands(lambda wanted: _gather(split, wanted, size))).rebatch(batch_size)
    # `rebatch` forgets the number of batches, and Keras then warns at the end of the data.
    known = batches.apply(tf.data.experimental.assert_cardinality(num_batches(len(split), batch_size)))
    return known.prefetch(READY_BATCHES).with_options(_untuned())


def _untuned() -> "tf.data.Options":
    """Nothing is left to tune, and the end of `fit` would wait for the tuner, which sleeps for many seconds."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _as_it_stands(function: Callable[..., Any]) -> Callable[..., Any]:
    """Spares TensorFlow the search for `if` and `for` over tensors, of which there are none: it takes half a second."""
    import tensorflow as tf

    converted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return converted


def _gather(split: Packed, rows: "tf.Tensor", size: tuple[int, int] | None) -> tuple["tf.Tensor", "tf.Tensor"]:
    import tensorflow as tf

    def copy(wanted: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return split.images[wanted], split.labels[wanted % len(split)]

    kind = tf.as_dtype(split.images.dtype)  # pixels, or features
    images, labels = tf.numpy_function(copy, [rows], (kind, tf.int32), stateful=False)
    images, labels = tf.ensure_shape(images, (None, *split.images.shape[1:])), tf.ensure_shape(labels, (None,))
    return (images if size is None else _resized(images, size)), labels


def _resized(images: "tf.Tensor", size: tuple[int, int]) -> "tf.Tensor":
    """Each pixel the mean of the area that it stands for."""
    import tensorflow as tf

    return tf.cast(tf.round(tf.image.resize(images, size, tf.image.ResizeMethod.AREA)), tf.uint8)
