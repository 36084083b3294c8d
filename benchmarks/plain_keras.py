"""The plain script that `benchmarks.fixed_costs` compares with: what `train` does, without the pipeline.

Loads the arrays, builds and trains the same network for the same epochs, saves it, writes the history.
"""

import csv
import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    import keras
    import numpy as np
    import tensorflow as tf

    epochs, data, target = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    arrays = {
        (name, kind): np.load(data / name / f"{kind}.npy") for name in ("train", "val") for kind in ("images", "labels")
    }
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(arrays["train", "images"].shape[1:], dtype="uint8"),
            layers.Rescaling(1 / 255),
            *(layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)),
            *(layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)),
            *(layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    held = (arrays["val", "images"], arrays["val", "labels"])
    history = model.fit(
        arrays["train", "images"],
        arrays["train", "labels"],
        batch_size=64,
        epochs=epochs,
        validation_data=held,
        verbose=2,
    )
    model.save(target / "model.keras")
    with (target / "history.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([history.history.keys(), *zip(*history.history.values(), strict=True)])


if __name__ == "__main__":
    main()
