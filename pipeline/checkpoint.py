"""Checkpoints from which training goes on bit-exactly: one file, whole or absent.

It holds every variable of the model (weights, batch statistics, the state of every random layer), of the
optimizer (moments, step counter), the best weights so far and the history; all else in training is a
function of params and epoch.
"""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.files import replacing

if TYPE_CHECKING:
    import keras

Row = dict[str, float]
"""What one epoch gave: epoch (from 1), loss, accuracy, val_loss, val_accuracy."""


@dataclass
class Progress:
    """What training has reached."""

    history: list[Row] = field(default_factory=list)
    best_weights: list[NDArray[Any]] = field(default_factory=list)


def save(path: Path, model: "keras.Model", progress: Progress) -> None:
    """Writes everything that the next epoch depends on."""
    arrays = {f"variable_{i:04d}": np.asarray(variable.value) for i, variable in enumerate(_variables(model))}
    arrays |= {f"best_{i:04d}": weights for i, weights in enumerate(progress.best_weights)}
    history = np.frombuffer(json.dumps(progress.history).encode(), dtype=np.uint8)
    with replacing(path) as beside, beside.open("wb") as stream:
        np.savez(stream, allow_pickle=False, history=history, **arrays)


def restore(path: Path, model: "keras.Model") -> Progress:
    """Puts a compiled model back to where `path` was saved; a missing or broken file means a new start."""
    arrays = _read(path)
    if "history" not in arrays:
        return Progress()
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    values = [arrays[name] for name in sorted(arrays) if name.startswith("variable_")]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        return Progress()
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    best = [arrays[name] for name in sorted(arrays) if name.startswith("best_")]
    return Progress(json.loads(arrays["history"].tobytes()), best)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays in a checkpoint; none where it is missing or broken."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except (FileNotFoundError, ValueError, EOFError, TypeError, zipfile.BadZipFile):  # TypeError: a lone array
        return {}


def _variables(model: "keras.Model") -> list[Any]:
    return [*model.weights, *_random_states(model), *model.optimizer.variables]


def _random_states(model: "keras.Model") -> list[Any]:
    weights = {id(variable) for variable in model.weights}
    return [variable for layer in model.layers for variable in layer.variables if id(variable) not in weights]
