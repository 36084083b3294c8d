"""The parts of the report: the matrix, the pairs, the mistakes and their pictures, the calibration; pure."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import figures, findings, thumbnails
from pipeline.metrics import Floats, Labels, reliability
from pipeline.mistakes import Mistake

if TYPE_CHECKING:
    from markupsafe import Markup

MATRIX = 100  # classes; a larger matrix cannot be read, nor can a page hold it
PAIRS, GALLERY, LISTED = 12, 48, 2000
PAIR_SIDE = 48  # pixels
LONGEST = 60  # letters of a name
GALLERY_BUDGET, CELL_BUDGET, CELL_PICTURES = 800_000, 250_000, 96  # characters of base64; pictures
# Marks that turn the direction of text would let a file name rewrite the line it stands in.
TURNING = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
HIDDEN = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class Numbers:
    """A judged test split."""

    classes: Sequence[str]
    labels: Labels
    probabilities: Floats
    metrics: Mapping[str, Any]
    scores: Sequence[Mapping[Any, Any]]
    """Per class: precision, recall, f1, each also with `_low` and `_high`, and support."""
    history: Sequence[Mapping[Any, Any]]
    mistakes: Sequence[Mistake]
    images: NDArray[np.uint8]


def visible(name: object) -> str:
    """A name as one can see it: control characters and broken bytes are spelt out, emptiness is named."""
    shown = "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in HIDDEN or char in TURNING else char
        for char in str(name)
    )
    return shown if shown.strip() else "(empty)"


def short(name: str) -> str:
    """A name that fits a line; the middle goes, since names often differ at the end."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 3 :]}"


def confusion_parts(numbers: Numbers, counts: NDArray[np.int64]) -> dict[str, Any]:
    shown = findings.most_mistaken(counts, MATRIX)
    part = counts[np.ix_(shown, shown)]
    support = np.maximum(counts.sum(axis=1), 1)
    # The square root lifts rare mistakes, which a linear scale would leave white.
    strength = np.sqrt(part / support[shown, None])
    pairs = findings.confused_pairs(counts, PAIRS)
    example = {(mistake.label, mistake.guess): mistake for mistake in reversed(numbers.mistakes)}
    pictures = []
    for pair in pairs:
        found = example.get((pair.first, pair.second)) or example[(pair.second, pair.first)]
        pictures.append((found, thumbnails.data_uri(numbers.images[found.row], PAIR_SIDE)))
    return {
        "matrix": list(zip(shown, part.tolist(), strength.round(3).tolist())),
        "orders": {"likeness": findings.by_likeness(part), "errors": findings.by_mistakes(part)},
        "pairs": list(zip(pairs, pictures)),
        "support": counts.sum(axis=1).tolist(),
    }


def mistake_parts(numbers: Numbers, names: list[str]) -> dict[str, Any]:
    listed = numbers.mistakes[:LISTED]
    worst = listed[:GALLERY]
    pictures = dict(enumerate(thumbnails.fitting([numbers.images[item.row] for item in worst], GALLERY_BUDGET)))
    # One more picture for each kind of mistake that the gallery does not show, so that cells have something to show.
    seen = {(item.label, item.guess) for item in worst}
    more: dict[tuple[int, int], int] = {}
    for place, item in enumerate(listed):
        if (item.label, item.guess) not in seen:
            more.setdefault((item.label, item.guess), place)
    places = list(more.values())[:CELL_PICTURES]
    extra = thumbnails.fitting([numbers.images[listed[place].row] for place in places], CELL_BUDGET)
    data = {
        "names": names,
        "mistakes": [_packed(item) for item in listed],
        "pictures": dict(zip(places, extra)),
    }
    return {
        "gallery": list(zip(worst, pictures.values())),
        "num_mistakes": len(numbers.mistakes),
        "data": as_json(data),
    }


def _packed(item: Mistake) -> list[Any]:
    likeliest = [[number, round(float(share), 4)] for number, share in item.likeliest if np.isfinite(share)]
    return [item.label, item.guess, visible(item.file), item.pixel_hash[:16], likeliest]


def calibration_parts(numbers: Numbers) -> dict[str, Any]:
    bins = reliability(numbers.labels, numbers.probabilities)
    error = numbers.metrics["expected_calibration_error"]
    return {
        "reliability": figures.reliability_diagram(bins),
        "calibration": findings.calibration_words(bins, error, len(numbers.labels)),
        "bins": [row for row in zip(bins.confidence, bins.accuracy, bins.count) if row[2]],
    }


def as_json(data: object) -> "Markup":
    """JSON that cannot end the script element it stands in."""
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
