"""Random changes of training images, as one function of a batch and a seed: no state, so a resume is exact.

Runs in the input pipeline, outside the saved model.
"""

import math
from typing import TYPE_CHECKING

from pipeline.params import Augment

if TYPE_CHECKING:
    import tensorflow as tf

# One column of uniform numbers per change, so that switching one on leaves the draws of the others alone.
COLUMNS = (
    "flip_horizontal",
    "flip_vertical",
    "rotation",
    "shift_height",
    "shift_width",
    "zoom",
    "contrast",
    "brightness",
    "cutout_row",
    "cutout_column",
)


def augment(
    images: "tf.Tensor", seed: "tf.Tensor", params: Augment, mirrored: "tf.Tensor | None" = None
) -> "tf.Tensor":
    """Changes each image of a batch on its own.

    Args:
        images: uint8 (count, height, width, channels).
        seed: int64 (2,); the same seed gives the same changes.
        mirrored: bool (count,); the images to flip horizontally if they are to be flipped. None: half of them, at
            random.

    Returns:
        uint8 of the same shape.
    """
    import tensorflow as tf

    draws = tf.random.stateless_uniform((tf.shape(images)[0], len(COLUMNS)), seed)
    draw = dict(zip(COLUMNS, tf.unstack(draws, axis=1), strict=True))
    if mirrored is not None:
        draw["flip_horizontal"] = tf.where(mirrored, 0.0, 1.0)
    pixels = tf.cast(images, tf.float32)
    pixels = _flip(pixels, draw, params)
    if params.rotation or params.shift_height or params.shift_width or params.zoom:
        pixels = _move(pixels, draw, params)
    if params.contrast:
        mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
        pixels = mean + (pixels - mean) * (1 + _per_image(_either_way(draw["contrast"], params.contrast)))
    if params.brightness:
        pixels += 255 * _per_image(_either_way(draw["brightness"], params.brightness))
    if params.cutout:
        pixels = _cut_out(pixels, draw, params.cutout)
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)


def _either_way(draw: "tf.Tensor", most: float) -> "tf.Tensor":
    return (2 * draw - 1) * most


def _per_image(values: "tf.Tensor") -> "tf.Tensor":
    return values[:, None, None, None]


def _flip(pixels: "tf.Tensor", draw: dict[str, "tf.Tensor"], params: Augment) -> "tf.Tensor":
    import tensorflow as tf

    if params.flip_horizontal:
        pixels = tf.where(_per_image(draw["flip_horizontal"] < 0.5), pixels[:, :, ::-1], pixels)
    if params.flip_vertical:
        pixels = tf.where(_per_image(draw["flip_vertical"] < 0.5), pixels[:, ::-1], pixels)
    return pixels


def _move(pixels: "tf.Tensor", draw: dict[str, "tf.Tensor"], params: Augment) -> "tf.Tensor":
    """Rotation, zoom and shifts in one bilinear sampling; what comes in from outside is mirrored."""
    import tensorflow as tf

    height, width = pixels.shape[1], pixels.shape[2]
    angle = _either_way(draw["rotation"], params.rotation * math.pi / 180)
    scale = 1 + _either_way(draw["zoom"], params.zoom)
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    down = _either_way(draw["shift_height"], params.shift_height * height)
    right = _either_way(draw["shift_width"], params.shift_width * width)
    if params.whole_shifts:
        down, right = tf.round(down), tf.round(right)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    offset_x = middle_x - cosine * middle_x + sine * middle_y + right
    offset_y = middle_y - sine * middle_x - cosine * middle_y + down
    zeros = tf.zeros_like(angle)
    # Output (x, y) is read at input (a0 x + a1 y + a2, b0 x + b1 y + b2); the last two would be perspective.
    matrix = tf.stack([cosine, -sine, offset_x, sine, cosine, offset_y, zeros, zeros], axis=1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=matrix,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    return tf.ensure_shape(moved, pixels.shape)


def _cut_out(pixels: "tf.Tensor", draw: dict[str, "tf.Tensor"], share: float) -> "tf.Tensor":
    """Covers a rectangle of `share` of each side, anywhere inside, with the image's mean colour."""
    import tensorflow as tf

    def covered(draw_start: tf.Tensor, side: int) -> tf.Tensor:
        length = max(1, round(share * side))
        start = tf.floor(draw_start * (side - length + 1))[:, None]
        position = tf.range(side, dtype=tf.float32)[None]
        return (position >= start) & (position < start + length)

    rows, columns = covered(draw["cutout_row"], pixels.shape[1]), covered(draw["cutout_column"], pixels.shape[2])
    mask = (rows[:, :, None] & columns[:, None, :])[..., None]
    return tf.where(mask, tf.reduce_mean(pixels, axis=(1, 2), keepdims=True), pixels)
