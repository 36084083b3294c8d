"""Keys and values of params in few words, as names of runs and tables show them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SHORT = 8  # hex digits of a digest that people compare by eye
MARK = 4  # hex digits that tell apart what was cut off
LONGEST = 28  # characters of the name of a file
# The word of each key, the most telling first. A key that is missing here comes last, under its own name.
WORDS = {
    "dataset.name": "data",
    "backbone.name": "backbone",
    "backbone.weights": "weights",
    "backbone.trainable": "trainable",
    "backbone.pooling": "backbone pooling",
    "model.filters": "filters",
    "model.dense": "dense",
    "model.dropout": "dropout",
    "model.dense_dropout": "dense dropout",
    "model.batch_norm": "batch norm",
    "train.optimizer": "",  # sgd, adam, adamw speak for themselves
    "train.learning_rate": "rate",
    "train.schedule": "schedule",
    "train.epochs": "epochs",
    "train.batch_size": "batch",
    "image.size": "size",
    "image.channels": "channels",
    "train.weight_decay": "decay",
    "train.momentum": "momentum",
    "train.average": "average",
    "train.label_smoothing": "smoothing",
    "train.class_weights": "class weights",
    "model.kernel": "kernel",
    "model.pool": "pool",
    "model.padding": "padding",
    "model.rescale": "rescale",
    "augment.flip_horizontal": "flip",
    "augment.rotation": "rotation",
    "augment.zoom": "zoom",
    "augment.cutout": "cutout",
    "train.patience": "patience",
    "train.monitor": "monitor",
    "train.seed": "seed",
    "split.seed": "split seed",
    "split.train": "train share",
    "split.val": "val share",
    "split.test": "test share",
    "train.threads": "threads",
}


def word_of(key: str) -> str:
    """The short word of a key."""
    return WORDS.get(key, key.rpartition(".")[2].replace("_", " "))


def compact(key: str, value: Any) -> str:
    """A value in few characters: `on`, `0.3`, `32-64`, `32+32-64`, `96x96`."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple):
        inner = ["+".join(map(str, item)) if isinstance(item, list | tuple) else compact(key, item) for item in value]
        return ("x" if key == "image.size" else "-").join(inner) or "none"
    return str(value)


def called(weights: str) -> str:
    """A file by its name, a long one by its beginning and a digest of all of it."""
    if weights.startswith("models:/"):
        return weights
    name = Path(weights).name
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}~{short_digest({'file': name}, MARK)}"


def short_digest(parts: Mapping[str, str], length: int = SHORT) -> str:
    """The first hex digits of a digest over names and their values; the order of the names does not matter."""
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()[:length]
