"""What the tests of `reprolens retrain` share: folders of real pictures that grow, and what MLflow serves."""

import gzip
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from tests.checkout import Checkout

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLAIN = (
    *(f"augment.{name}=0.0" for name in ("rotation", "zoom", "shift_height", "shift_width")),
    "augment.flip_horizontal=false",
)
DIGITS = (
    *("image.size=[8,8]", "image.channels=1", "model.filters=[16]", "model.dense=[64]", "train.epochs=20"),
    *("model.dense_dropout=0.0", "train.batch_size=32", *PLAIN),
)
CHAMPION = """
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from pipeline import canonical, params_file, registry, tracked_model, tracking_server
client, name = tracking_server.connect(), registry.model_name(params_file.load(Path("params.yaml")))
found = {alias: version for version in registry.versions(client, name) for alias in version.aliases}
with TemporaryDirectory() as folder:
    if "champion" in found:
        canonical.load(tracked_model.download(client, found["champion"].address, Path(folder)))
runs = [run for one in client.search_experiments() for run in client.search_runs([one.experiment_id])]
import json
print(json.dumps({"aliases": {alias: version.number for alias, version in found.items()}, "runs": len(runs)}))
"""


def write_pictures(
    folder: Path, images: "NDArray[Any]", labels: "NDArray[Any]", rows: range, prefix: str = ""
) -> list[Path]:
    """Rows of images as PNGs, in a folder per label; returns their paths."""
    files = []
    for row in rows:
        place = folder / str(labels[row])
        place.mkdir(parents=True, exist_ok=True)
        files.append(place / f"{prefix}{row:05}.png")
        Image.fromarray(images[row]).save(files[-1])
    return files


def digits() -> "tuple[NDArray[Any], NDArray[Any]]":
    """scikit-learn's 1,797 digits, 8x8 pixels, and their labels; shuffled, since they come writer by writer."""
    import numpy as np
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return np.round(data.images[order] * (255 / 16)).astype(np.uint8), data.target[order]


def mnist(datasets: Path) -> "tuple[NDArray[Any], NDArray[Any]]":
    """The 60,000 official training images of MNIST, 28x28 pixels, and their labels."""
    import numpy as np

    images, labels = (
        gzip.decompress((datasets / "mnist" / f"train-{name}-ubyte.gz").read_bytes())
        for name in ("images-idx3", "labels-idx1")
    )
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def poisoned(labels: "NDArray[Any]", share: float) -> "NDArray[Any]":
    """The labels, but a share of them chosen by chance is another of the ten."""
    import numpy as np

    random = np.random.default_rng(0)
    other = (labels + random.integers(1, 10, len(labels))) % 10
    return np.where(random.random(len(labels)) < share, other, labels)


def registry(checkout: Checkout, **environment: str) -> dict[str, Any]:
    """Which version each alias names, once the champion was loaded; and how many runs there are."""
    done = checkout.run("python", "-c", CHAMPION, **environment)
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def kept(checkout: Checkout) -> dict[str, Any]:
    """As `registry`, from the local store itself: quick, and without loading the champion."""
    with sqlite3.connect(checkout.folder / "mlruns" / "mlflow.db") as db:
        aliases = dict(db.execute("select alias, version from registered_model_aliases").fetchall())
        (runs,) = db.execute("select count(*) from runs").fetchone()
    return {"aliases": aliases, "runs": runs}


def summary(checkout: Checkout) -> dict[str, Any]:
    """The last summary."""
    found: dict[str, Any] = json.loads((checkout.folder / "reports" / "retrain" / "summary.json").read_text())
    return found


def checks(checkout: Checkout) -> dict[str, str]:
    """What each check of the data answered in the last summary."""
    return {result["name"]: result["answer"] for result in summary(checkout)["checks"]["results"]}
