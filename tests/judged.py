"""Judged test splits made without a model, for pages and tables."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.about import About
from pipeline.packed import Packed
from pipeline.stages.evaluate import Judged

ODD_NAMES = [
    "<script>alert(1)</script>",
    "say \"hi\" & 'bye'",
    "new\nline",
    "n" * 255,
    "猫科动物",
    "قطة",
    "👩‍🔬",
    "bad\\xff",
]
ABOUT = About(
    "pictures",
    "0123456789abcdef0123",
    {"model.filters": [32, 64], "train.learning_rate": 0.005},
    {"Model": "0" * 32},
    {"unreadable": 1, "copies_kept": 4, "per_class": {"train": {"a": 70}, "val": {"a": 15}, "test": {"a": 15}}},
    [("broken.png", "cat", "not a picture")],
)


def judged(
    num_classes: int, count: int = 60, classes: list[str] | None = None, side: int = 8, channels: int = 1
) -> Judged:
    """A split of random pictures, and likelihoods that know most of the labels; neighbours are confused."""
    random = np.random.default_rng(0)
    labels = random.integers(0, num_classes, count).astype(np.int32)
    scores = random.normal(size=(count, num_classes)) + 4 * np.eye(num_classes)[labels]
    scores += 2.5 * np.eye(num_classes)[labels ^ 1 if num_classes % 2 == 0 else labels]
    probabilities = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
    images = random.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    return Judged(Packed(images, labels), probabilities, classes or [f"class {n}" for n in range(num_classes)])


def manifest_of(answers: Judged) -> pd.DataFrame:
    """The manifest of such a split."""
    labels = [answers.classes[label] for label in answers.split.labels]
    count = len(labels)
    hashes, files = [f"{number:064x}" for number in range(count)], [f"{number}.png" for number in range(count)]
    return pd.DataFrame({"file": files, "label": labels, "split": "test", "pixel_hash": hashes})


def history(num_epochs: int = 2) -> pd.DataFrame:
    """Curves that fall and rise."""
    epochs = np.arange(1, num_epochs + 1)
    columns: dict[str, Any] = {"epoch": epochs, "loss": 1 / epochs, "accuracy": 1 - 0.5 / epochs}
    return pd.DataFrame(columns | {"val_loss": 1.1 / epochs, "val_accuracy": 1 - 0.6 / epochs})
