"""What a run is called: by what its params change against the nearest preset, as in `dropout 0.3, epochs 5 (digits)`.

Pure: params and presets in, words out. The name column of the MLflow UI is narrow, so what tells runs
apart comes first and what they share, the preset, last.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import params_file
from pipeline.errors import UserError
from pipeline.wording import MARK, WORDS, called, compact, short_digest, word_of

Flat = Mapping[str, Any]  # dotted name -> value

BASE = "base"
ROOM = 28  # characters of changes that the name column shows beside the preset
OTHER_DATA = 4  # changed keys that another data set counts as
# They say where the images lie or how the judging is done: the run key does not know them.
LEFT_OUT = {
    *("dataset.path", "dataset.sha256", "dataset.mirror", "dataset.watch"),
    *("evaluate.bootstrap", "evaluate.seed"),
    *("backbone.sha256", "backbone.mirror"),
}
BACKBONE_SHAPES = ("backbone.name", "backbone.width", "backbone.until", "backbone.pooling", "backbone.normalize")


@dataclass(frozen=True)
class Change:
    """One key whose value is not the preset's; `before` is None where the preset has no such key."""

    key: str
    before: Any
    now: Any

    def words(self) -> str:
        """As in `dropout 0.3`."""
        told = called(str(self.now)) if self.key == "backbone.weights" else compact(self.key, self.now)
        return f"{word_of(self.key)} {told}".strip()

    def full(self) -> str:
        """As in `model.dropout 0 -> 0.3`."""
        return f"{self.key} {compact(self.key, self.before)} -> {compact(self.key, self.now)}"


@dataclass(frozen=True)
class Recipe:
    """The nearest preset, and what is changed against it, the most telling change first."""

    preset: str
    changes: tuple[Change, ...]

    def name(self) -> str:
        """The name of a run, as in `dropout 0.3, epochs 5 (digits)`; other params have another name.

        Other data alone is no part of it: that is what experiments are named by.
        """
        told = [change for change in self.changes if change.key != "dataset.name"]
        if not told:
            return self.preset
        shown = [told[0].words()]
        for change in told[1:]:
            if len(", ".join([*shown, change.words()])) > ROOM:
                break
            shown.append(change.words())
        rest = len(told) - len(shown)
        more = f" +{rest} {self._mark()}" if rest else ""
        return f"{', '.join(shown)}{more} ({self.preset})"

    def described(self) -> str:
        """Every change in full, as in `model.dropout 0 -> 0.3; train.epochs 40 -> 5`."""
        return "; ".join(change.full() for change in self.changes) or "none"

    def _mark(self) -> str:
        return short_digest({change.key: _plain(change.now) for change in self.changes}, MARK)


def recipe(params: Flat, presets: Mapping[str, Flat]) -> Recipe:
    """The preset with the fewest keys changed, other data counting as several; then the first by name."""
    changed = {name: _changes(params, preset) for name, preset in presets.items()}
    if not changed:
        return Recipe(str(params.get("dataset.name", "run")), ())
    best = min(changed, key=lambda name: (_distance(changed[name]), name))
    return Recipe(best, changed[best])


def read_presets(folder: Path) -> dict[str, Flat]:
    """Every preset laid over the base, with dotted names; one that cannot be read is passed over."""
    base = _read(folder / f"{BASE}.yaml") if (folder / f"{BASE}.yaml").exists() else None
    if base is None:
        return {}
    overlays = {file.stem: _read(file) for file in sorted(folder.glob("*.yaml")) if file.stem != BASE}
    return {name: base | overlay for name, overlay in overlays.items() if overlay is not None}


def network(params: Flat) -> str:
    """The network in few words, as in `conv 32-64 dense 128 a1f2`: digest of all that gives it its shape."""
    backbone = params.get("backbone.name", "none")
    body = ("conv", "model.filters") if backbone == "none" else ("", "backbone.name")
    parts = [
        f"{word} {compact(key, params[key])}".strip() for word, key in (body, ("dense", "model.dense")) if params[key]
    ]
    shaping = ("model.", "image.") if backbone == "none" else (*("model.", "image."), *BACKBONE_SHAPES)
    shape = {key: value for key, value in params.items() if key.startswith(shaping)}
    return f"{' '.join(parts) or 'linear'} {short_digest({key: _plain(value) for key, value in shape.items()}, MARK)}"


def _changes(params: Flat, preset: Flat) -> tuple[Change, ...]:
    order = {key: place for place, key in enumerate(WORDS)}
    keys = sorted(params.keys() - LEFT_OUT, key=lambda key: (order.get(key, len(order)), key))
    return tuple(
        Change(key, preset.get(key), params[key])
        for key in keys
        if key not in preset or _plain(params[key]) != _plain(preset[key])
    )


def _distance(changes: tuple[Change, ...]) -> int:
    """Changed keys; a recipe of the same data is nearer, unless another one fits but for its data."""
    return len(changes) + (OTHER_DATA if any(change.key == "dataset.name" for change in changes) else 0)


def _plain(value: Any) -> str:
    """Equal for 1 and 1.0, for a list and a tuple; not for 1 and true."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return json.dumps([_plain(item) for item in value] if isinstance(value, list | tuple) else whole)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return params_file.flatten(params_file.read_yaml(file))
    except UserError:  # a preset someone is just writing must not stop a training
        return None
