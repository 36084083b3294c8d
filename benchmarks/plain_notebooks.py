"""The course notebooks' networks in plain Keras, and a script that trains one on a packed split.

`python -m benchmarks.plain_notebooks PRESET SEED SPLIT_FOLDER` trains as the notebook did (pixels divided by hand, the
test images looked on at each epoch) on the images of `train` and `val` together, and prints the test accuracy.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@dataclass(frozen=True)
class System:
    """One notebook's network and how it was trained."""

    shape: tuple[int, int, int]
    num_classes: int
    layers: Callable[[Any, Callable[[float], Any]], list[Any]]
    """(keras.layers, dropout of a rate) -> the layers before the last."""
    optimizer: str = "adam"
    batch_size: int = 32
    epochs: int = 10
    rescale: bool = True
    augment: bool = False
    patience: int = 0  # epochs without gain of the loss on the test images before stopping; 0: never


def _cifar100_cnn(keras_layers: Any, dropout: Any) -> list[Any]:
    conv, pool, dense = keras_layers.Conv2D, keras_layers.MaxPooling2D, keras_layers.Dense
    return [
        *(conv(100, 2, padding="valid", activation="relu"), pool(3)),
        *(conv(80, 2, padding="same", activation="relu"), pool(2)),
        *(conv(50, 2, padding="same", activation="relu"), pool(2)),
        *(keras_layers.Flatten(), dense(1024, activation="relu"), dense(512, activation="relu")),
    ]


def _cifar10_ann(keras_layers: Any, dropout: Any) -> list[Any]:
    dense = keras_layers.Dense
    return [keras_layers.Flatten(), dense(3000, activation="relu"), dense(1000, activation="relu")]


def _cifar10_cnn(keras_layers: Any, dropout: Any) -> list[Any]:
    conv, pool = keras_layers.Conv2D, keras_layers.MaxPooling2D
    return [
        *(conv(32, 3, activation="relu"), pool(2), conv(64, 3, activation="relu"), pool(2)),
        *(keras_layers.Flatten(), keras_layers.Dense(64, activation="relu")),
    ]


def _cifar10_deep(keras_layers: Any, dropout: Any) -> list[Any]:
    conv, pool = keras_layers.Conv2D, keras_layers.MaxPooling2D
    return [
        *(conv(32, 3, padding="same", activation="relu"), conv(32, 3, activation="relu"), pool(2), dropout(0.25)),
        *(conv(64, 3, padding="same", activation="relu"), conv(64, 3, activation="relu"), pool(2), dropout(0.25)),
        *(keras_layers.Flatten(), keras_layers.Dense(512, activation="relu"), dropout(0.5)),
    ]


def _mnist_cnn(keras_layers: Any, dropout: Any) -> list[Any]:
    conv = keras_layers.Conv2D
    return [
        *(conv(32, 3, activation="relu"), conv(64, 3, activation="relu")),
        *(keras_layers.Flatten(), keras_layers.Dense(128, activation="relu")),
    ]


def _flowers(keras_layers: Any, dropout: Any, filters: int = 32, later: str = "valid") -> list[Any]:
    conv, pool = keras_layers.Conv2D, keras_layers.MaxPooling2D
    return [
        *(conv(filters, 3, activation="relu"), pool(2)),
        *(conv(2 * filters, 3, padding=later, activation="relu"), pool(2)),
        *(conv(4 * filters, 3, padding=later, activation="relu"), pool(2)),
        *(keras_layers.Flatten(), keras_layers.Dense(512, activation="relu")),
    ]


def _flowers_dropout(keras_layers: Any, dropout: Any) -> list[Any]:
    first, second, third, rest = (_flowers(keras_layers, dropout)[start : start + 2] for start in (0, 2, 4, 6))
    return [*first, dropout(0.2), *second, dropout(0.2), *third, dropout(0.2), *rest, dropout(0.3)]


CIFAR, FLOWERS = (32, 32, 3), (100, 100, 3)


def _flowers_system(layers: Any, rescale: bool = False, augment: bool = False) -> System:
    return System(FLOWERS, 5, layers, batch_size=64, epochs=8, rescale=rescale, augment=augment)


SYSTEMS: dict[str, System] = {
    "cifar100-cnn": System(CIFAR, 100, _cifar100_cnn, epochs=50, patience=4),
    "cifar10-ann": System(CIFAR, 10, _cifar10_ann, optimizer="sgd", epochs=5),
    "cifar10-cnn": System(CIFAR, 10, _cifar10_cnn),
    "cifar10-deep": System(CIFAR, 10, _cifar10_deep, batch_size=64, epochs=30),
    "mnist-cnn": System((28, 28, 1), 10, _mnist_cnn, batch_size=100),
    "flowers-baseline": _flowers_system(_flowers),
    "flowers-dropout": _flowers_system(_flowers_dropout),
    "flowers-padding": _flowers_system(lambda layers, dropout: _flowers(layers, dropout, later="same")),
    "flowers-filters": _flowers_system(lambda layers, dropout: _flowers(layers, dropout, filters=64)),
    "flowers-augment": _flowers_system(_flowers, rescale=True, augment=True),
}


def build(name: str, seeds: Iterator[int] | None = None) -> Any:
    """The compiled network; takes float pixels, already divided where the notebook did so.

    Args:
        seeds: of the dropout layers, in their order; none: Keras draws them.
    """
    import keras

    system = SYSTEMS[name]

    def dropout(rate: float) -> Any:
        return keras.layers.Dropout(rate, seed=next(seeds) if seeds else None)

    hidden = system.layers(keras.layers, dropout)
    last = keras.layers.Dense(system.num_classes, activation="softmax")
    model = keras.Sequential([keras.Input(system.shape), *hidden, last])
    model.compile(system.optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(name: str, seed: int, folder: Path) -> float:
    """Trains on the images of `train` and `val` of a packed split; returns the accuracy on those of `test`."""
    import keras
    import numpy as np
    import tensorflow as tf

    system = SYSTEMS[name]
    keras.utils.set_random_seed(seed)
    scale = 255 if system.rescale else 1

    def arrays(split: str) -> tuple[Any, Any]:
        images = np.load(folder / split / "images.npy").astype(np.float32)
        images /= scale
        return images, np.load(folder / split / "labels.npy")

    (train_images, train_labels), (val_images, val_labels) = arrays("train"), arrays("val")
    images, labels = np.concatenate([train_images, val_images]), np.concatenate([train_labels, val_labels])
    test = arrays("test")
    model = build(name)
    stopping = [keras.callbacks.EarlyStopping("val_loss", patience=system.patience)] if system.patience else []
    given: dict[str, Any] = {"epochs": system.epochs, "validation_data": test, "callbacks": stopping, "verbose": 2}
    if system.augment:
        changes = tf.keras.preprocessing.image.ImageDataGenerator(
            horizontal_flip=True, rotation_range=0.2, height_shift_range=0.2
        )
        batches = changes.flow(images, labels, batch_size=system.batch_size, seed=seed)
        model.fit(batches, **given)
    else:
        model.fit(images, labels, batch_size=system.batch_size, **given)
    return float(model.evaluate(*test, verbose=0)[1])


def main() -> None:
    name, seed, folder = sys.argv[1:]
    print(f"accuracy {train(name, int(seed), Path(folder)):.6f}")


if __name__ == "__main__":
    main()
