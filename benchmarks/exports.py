"""How far each export is from its source, on real images: `python -m benchmarks.exports FOLDER [--images 1000]`.

FOLDER holds `cifar10-jpeg.tar.xz`, CIFAR-10 as JPEG files in `train/<class>/`, and perhaps `weights` with the published
weights of VGG16 and MobileNetV2 0.35. A small network of our own is trained on 5,000 of the images, and linear layers
on the normalised features of the published ones; all formats are compared on images that none of them was trained on.
No test image is read.
"""

import argparse
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import keep
from pipeline import keras_setup
from pipeline.backbones import BACKBONES
from pipeline.packed import Packed
from pipeline.training import Data

if TYPE_CHECKING:
    import keras

SIDE, TRAINED_ON = 32, 5_000
WEIGHTS = {
    "vgg16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "mobilenet_v2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
}
UNCHANGED = [f"augment.{name}=0" for name in ("rotation", "shift_height", "shift_width", "zoom")]
COMMON = (f"image.size=[{SIDE},{SIDE}]", "image.channels=3", "train.epochs=8", "train.patience=0", *UNCHANGED)
OWN = ("model.filters=[32,64]", "model.dense=[128]", "model.batch_norm=true", "model.dropout=0.2")
FROZEN = ("backbone.trainable=none", "backbone.normalize=true", "model.dense=[]", "train.learning_rate=0.0003")


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


def trainings(weights: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names and params of the networks that there are weights for."""
    yield "own", OWN
    for name, file in WEIGHTS.items():
        if (weights / file).exists():
            width = () if len(BACKBONES[name].widths) == 1 else ("backbone.width=0.35",)
            pretrained = f"backbone.weights={(weights / file).resolve()}"
            yield name, (*FROZEN, f"backbone.name={name}", pretrained, *width)


def trained(changes: tuple[str, ...], data: "Data", classes: list[str]) -> "keras.Model":
    """A network, trained as the stage `train` does."""
    from pipeline import start_weights, transfer
    from pipeline.training import fit
    from tests.tracked_runs import params_of

    params = params_of(*COMMON, *changes)
    whole = transfer.build(params, data, len(classes))
    job = transfer.job_of(whole, params, data, start_weights.find(params.backbone), classes)
    fit(job.model, job.data, params.train, job.changes, None, lambda row, seconds: None)
    return whole


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
    sides = (images[:TRAINED_ON], labels[:TRAINED_ON]), (unseen, labels[TRAINED_ON:])
    data = Data(*(Packed(pictures, numbers.astype(np.int32)) for pictures, numbers in sides))
    results: dict[str, Any] = {}
    for name, changes in trainings(given.data / "weights"):
        with TemporaryDirectory(prefix="reprolens-exports-") as folder:
            os.environ["DVC_ROOT"] = folder  # where features are kept
            network = trained(changes, data, classes)
        right = network.predict(unseen, verbose=0).argmax(axis=1) == labels[TRAINED_ON:]
        print(f"{name}, right on {right.mean():.1%} of {len(unseen):,} images it was not trained on:", flush=True)
        results[name] = {"accuracy": float(right.mean()), "formats": measure(network, classes, unseen)}
    keep("exports", {"images": len(unseen), "networks": results})


if __name__ == "__main__":
    main()
