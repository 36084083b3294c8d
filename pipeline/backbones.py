"""The pretrained networks one can start from, one line each, and how their pixels are prepared."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

HOST = "https://storage.googleapis.com/tensorflow/keras-applications/"
Preparation = Literal["mean", "signed", "inside"]
"""mean: blue, green, red, each less its mean over ImageNet; signed: from -1 to 1; inside: the network does it."""

MEANS = (103.939, 116.779, 123.68)  # of ImageNet's blue, green, red; as Keras's `preprocess_input` has them


@dataclass(frozen=True)
class Backbone:
    """A network of `keras.applications`.

    factory: its name there. files: the weights file at `HOST` without and with head, `{width}` filled in.
    md5: of these files, where it is published. least: pixels a side. widths: what `backbone.width` may be.
    """

    factory: str
    preparation: Preparation
    files: tuple[str, str]
    md5: tuple[str, str] = ("", "")
    least: int = 32
    widths: tuple[float, ...] = (1.0,)


BACKBONES = {
    "vgg16": Backbone(
        "VGG16",
        "mean",
        (
            "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        ),
        ("6d6bbae143d832006294945121d1f1fc", "64373286793e3c8b2b4e3219cbf3544b"),
    ),
    "resnet50": Backbone(
        "ResNet50",
        "mean",
        (
            "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
        ),
        ("4d473c1dd8becc155b73f8504c6f6626", "2cb95161c43110f7111970584f804107"),
    ),
    "mobilenet_v2": Backbone(
        "MobileNetV2",
        "signed",
        (
            "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224_no_top.h5",
            "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224.h5",
        ),
        widths=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    ),
}


def prepared(backbone: Backbone, pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    """The pixels, RGB from 0 to 255, as the network was trained on them; by layers of Keras alone.

    Equal to `preprocess_input` of the network's module in `keras.applications`.
    """
    import keras

    if backbone.preparation == "signed":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="prepare")(pixels)
    if backbone.preparation == "inside":
        return keras.layers.Rescaling(1.0, name="prepare")(pixels)  # to floats
    blue_first = keras.ops.flip(keras.layers.Rescaling(1.0, name="to_floats")(pixels), axis=-1)
    return keras.layers.Rescaling(1.0, offset=[-mean for mean in MEANS], name="prepare")(blue_first)
