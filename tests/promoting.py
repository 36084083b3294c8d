"""A checkout with split data and a tracking store, and runs whose models are made by hand: no training.

The pictures have three classes. The brightness of the first pixel tells the class; that of the last one tells it for
most pictures. So a network that looks at the first pixel is perfect, and one that looks at the last is not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import canonical, keras_setup, params_file, paths, profile, tracked_model, tracking_server
from pipeline.params import Params
from pipeline.profile import Profile
from pipeline.stages import download, split
from tests.conftest import edit_yaml
from tests.tracked_runs import checkout, make_run, write_lock

CLASSES = ["dark", "grey", "light"]
LEVELS = np.array([20.0, 120.0, 220.0])
MODEL = "pictures"
PERFECT, FAIR = (0, 0), (7, 7)  # the pixel that a network looks at; FAIR is right for about 80%


def write_pictures(folder: Path, count: int, seed: int = 0) -> None:
    """So many pictures per class, 8x8; a growing number or another seed leaves earlier ones as they are."""
    for number, label in enumerate(CLASSES):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for which in range(count):
            random = np.random.default_rng([seed, number, which])
            pixels = random.integers(0, 256, (8, 8), dtype=np.uint8)
            shown = number if random.random() < 0.7 else random.integers(3)
            pixels[0, 0], pixels[7, 7] = LEVELS[number], LEVELS[shown]
            Image.fromarray(pixels).save(folder / label / f"{seed}-{which:03}.png")


@contextmanager
def open_checkout(folder: Path) -> Iterator[Params]:
    """Makes the current folder one with pictures, splits and a tracking store; yields the params."""
    with checkout(folder, f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"):
        write_pictures(folder / MODEL, 170)
        given: dict[str, Any] = {"dataset__name": "folder", "dataset__path": MODEL, "dataset__watch": MODEL}
        edit_yaml(paths.PARAMS, **given, split__train=0.35, split__val=0.15, split__test=0.5)
        split_again()
        keras_setup.deterministic(0, 2)
        yield params_file.load(paths.PARAMS)


def split_again(digit: str = "a") -> None:
    """Runs download and split; the data's hashes in `dvc.lock` are made of one hex digit."""
    download.main()
    split.main()
    write_lock(Path(), digit)


def save_model(file: Path, pixel: tuple[int, int], side: int = 8, labels: list[str] = CLASSES) -> Path:
    """A network that takes grey pictures of side x side and tells the class whose level one pixel is next to."""
    import keras

    inputs = keras.Input((side, side, 1), name="images")
    flat = keras.layers.Flatten(name="flat")(keras.layers.Rescaling(1.0, name="as_they_are")(inputs))
    outputs = keras.layers.Dense(len(labels), activation="softmax", name="classes")(flat)
    model = keras.Model(inputs, outputs, name="by_hand")
    levels = LEVELS[: len(labels)]
    kernel = np.zeros((side * side, len(labels)))
    kernel[pixel[0] * side + pixel[1]] = 2 * levels / 1000  # -(x - level)^2, without what is the same for all
    model.get_layer("classes").set_weights([kernel, -levels * levels / 1000])
    canonical.save(model, file, {"labels": labels})
    return file


def add_run(params: Params, key: str, model: Path) -> str:
    """A complete run of the data that is split now, with this model; returns its id."""
    run_id = make_run(params, key, accuracy=0.9, num_epochs=1)
    client = tracking_server.connect()
    tracked_model.log_model(client, run_id, model)
    kept = Path(profile.NAME)
    Profile.of_workspace().save(kept)
    client.log_artifact(run_id, str(kept), str(kept.parent))
    kept.unlink()
    return run_id


def aliases(client: Any) -> dict[str, int]:
    """Which version each alias names."""
    return {alias: int(number) for alias, number in client.get_registered_model(MODEL).aliases.items()}
