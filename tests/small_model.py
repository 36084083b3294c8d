"""A real model, small and untrained, as `train` would save it."""

from collections.abc import Sequence
from pathlib import Path

from pipeline import canonical, keras_setup
from pipeline.model import build_model
from tests.tracked_runs import params_of

LABELS = ["ant", "bee", "cat", "dog"]


def save_model(file: Path, labels: Sequence[str] = LABELS, channels: int = 3, num_outputs: int | None = None) -> Path:
    """Saves a network of 8x8 pictures; its weights are random, so that it prefers some class."""
    keras_setup.deterministic(0, 2)  # as every test that computes: threads cannot change later
    params = params_of("model.filters=[8]", "model.dense=[16]")
    model = build_model(params.model, (8, 8, channels), num_outputs or len(labels), seed=3)
    canonical.save(model, file, {"labels": list(labels)})
    return file
