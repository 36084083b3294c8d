"""How far each export is from its source, on real images: `python -m benchmarks.exports FOLDER [--images 1000]`.

FOLDER holds `cifar10-jpeg.tar.xz`, CIFAR-10 as JPEG files in `train/<class>/`, and perhaps `weights` with the published
weights of VGG16 and MobileNetV2 0.35. A small network of our own is trained on 5,000 of the images, and heads on the
frozen published ones; all formats are compared on images that none of them was trained on. No test image is read.
"""

import argparse
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import keep
from pipeline import keras_setup
from pipeline.backbones import BACKBONES, prepared

if TYPE_CHECKING:
    import keras

SIDE, TRAINED_ON, BATCH = 32, 5_000, 64
WEIGHTS = {
    "vgg16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "mobilenet_v2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
}
EPOCHS = 8
FEATURES = "features"  # the layer before a head


def read(archive: Path, count: int) -> tuple[NDArray[np.uint8], list[str]]:
    """The first `count` training images, (count, 32, 32, 3), one of each class in turn, and their classes."""
    from pipeline.decode import decode

    found: dict[str, list[NDArray[np.uint8]]] = {}
    with tarfile.open(archive) as members:
        for member in members:
            parts = Path(member.name).parts
            if member.isfile() and "train" in parts and len(found.setdefault(parts[-2], [])) < -(-count // 10):
                stream = members.extractfile(member)
                assert stream, member.name
                found[parts[-2]].append(decode(stream.read()))
    rows = zip(*(found[name] for name in sorted(found)), strict=True)
    dealt = [pair for row in rows for pair in zip(row, sorted(found), strict=True)][:count]
    return np.stack([image for image, _ in dealt]), [name for _, name in dealt]


def own(num_classes: int) -> "keras.Model":
    """Our own blocks, with normalisation and dropout."""
    from pipeline.model import build_model
    from tests.tracked_runs import params_of

    changes = ("model.filters=[32,64]", "model.dense=[128]", "model.batch_norm=true", "model.dropout=0.2")
    return build_model(params_of(*changes).model, (SIDE, SIDE, 3), num_classes, seed=0)


def transfer(name: str, weights: Path, num_classes: int) -> "keras.Model":
    """A published network, frozen, under a new head."""
    import keras

    row = BACKBONES[name]
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="pixels")
    width = {"alpha": 0.35} if len(row.widths) > 1 else {}
    build = getattr(keras.applications, row.factory)
    network = build(include_top=False, weights=None, input_tensor=prepared(row, pixels), **width)
    network.load_weights(weights)
    for layer in network.layers:
        layer.trainable = False
    flat = keras.layers.Flatten(name=FEATURES)(network.output)
    return keras.Model(pixels, keras.layers.Dense(num_classes, activation="softmax")(flat))


def networks(weights: Path, num_classes: int) -> Iterator[tuple[str, "keras.Model"]]:
    yield "own", own(num_classes)
    for name, file in WEIGHTS.items():
        if (weights / file).exists():
            yield name, transfer(name, weights / file, num_classes)


def train(network: "keras.Model", images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """All of our own network; of a frozen one the head, on features that are computed once."""
    import keras

    given, trained, rate = images[:TRAINED_ON], network, 1e-3
    if not network.layers[1].trainable:
        features = network.get_layer(FEATURES).output
        given = keras.Model(network.inputs[0], features).predict(given, batch_size=BATCH, verbose=0)
        trained, rate = keras.Model(features, network.outputs[0]), 1e-4
    trained.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    trained.fit(given, labels[:TRAINED_ON], batch_size=BATCH, epochs=EPOCHS, verbose=0)


def measure(network: "keras.Model", classes: list[str], images: NDArray[np.uint8]) -> dict[str, dict[str, Any]]:
    """Difference, equal classes and bytes of each format."""
    from pipeline.classifier import Classifier
    from pipeline.export import export
    from pipeline.export_formats import FORMATS, Source

    source, found = Source(Classifier(network, classes, "the network")), {}
    with TemporaryDirectory(prefix="reprolens-exports-") as folder:
        for name, form in FORMATS.items():
            done = export(source, name, Path(folder) / f"{name}{form.ending}", images, within=1)
            compared = done.compared
            found[name] = {"difference": compared.difference, "same": compared.num_same, "bytes": done.num_bytes}
            allowed = "" if compared.difference <= form.within else f", more than {form.within:g}"
            print(f"  {name:15} {compared.difference:.1e}{allowed}; same class {compared.num_same:,}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=1_000)
    given = parser.parse_args()
    images, names = read(given.data / "cifar10-jpeg.tar.xz", TRAINED_ON + given.images)
    classes = sorted(set(names))
    labels, unseen = np.array([classes.index(name) for name in names]), images[TRAINED_ON:]
    keras_setup.deterministic(0, 2)
    results: dict[str, Any] = {}
    for name, network in networks(given.data / "weights", len(classes)):
        train(network, images, labels)
        right = network.predict(unseen, verbose=0).argmax(axis=1) == labels[TRAINED_ON:]
        print(f"{name}, right on {right.mean():.1%} of {len(unseen):,} images it was not trained on:", flush=True)
        results[name] = {"accuracy": float(right.mean()), "formats": measure(network, classes, unseen)}
    keep("exports", {"images": len(unseen), "networks": results})


if __name__ == "__main__":
    main()
