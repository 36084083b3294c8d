"""A first layer that makes patches of the images uncorrelated: measured on the training images, never trained."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.body import WHITEN
from pipeline.packed import Packed

if TYPE_CHECKING:
    import keras

IMAGES = 5_000  # whose patches are looked at, evenly spread
LEAST_VARIANCE = 5e-4  # added along each axis: what hardly varies is noise, and is not blown up to the size of the rest


def measure(model: "keras.Model", train: Packed) -> None:
    """Sets the weights of the layer `whiten`, where the network has one: principal axes, scaled, and their opposites.

    As in K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024), section 3.3.
    """
    names = [layer.name for layer in model.layers]
    if WHITEN not in names:
        return
    layer = model.get_layer(WHITEN)
    side, _, channels, _ = layer.kernel.shape
    factor = float(model.get_layer("rescale").scale)
    rows = np.unique(np.linspace(0, len(train) - 1, min(IMAGES, len(train))).astype(int))
    axes = principal(np.asarray(train.images[rows]), int(side), factor)
    both = np.concatenate([axes, -axes])
    layer.set_weights([both.reshape(-1, side, side, channels).transpose(1, 2, 3, 0).astype(np.float32)])


def principal(images: NDArray[np.uint8], side: int, factor: float) -> NDArray[np.float64]:
    """The principal axes of all patches, divided by the deviation along them, the widest first.

    Args:
        images: uint8 (count, height, width, channels).
        factor: that pixels are multiplied by.

    Returns:
        (side x side x channels, side x side x channels), an axis per row; its largest part is positive.
    """
    patches = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
    flat = np.ascontiguousarray(patches.transpose(0, 1, 2, 4, 5, 3)).reshape(-1, side * side * images.shape[-1])
    total, products = np.zeros(flat.shape[1]), np.zeros((flat.shape[1], flat.shape[1]))
    for start in range(0, len(flat), 1 << 20):
        part = flat[start : start + (1 << 20)].astype(np.float64) * factor
        total += part.sum(axis=0)
        products += part.T @ part
    mean = total / len(flat)
    variances, axes = np.linalg.eigh(products / len(flat) - np.outer(mean, mean))
    found = axes.T[::-1] / np.sqrt(variances[::-1, None].clip(min=0) + LEAST_VARIANCE)
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1)
    return np.asarray(found * np.sign(largest))
