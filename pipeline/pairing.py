"""The answers of two runs to the same test images, brought side by side."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import packed
from pipeline.errors import UserError
from pipeline.mcnemar import Table

COLUMNS = ["pixel_hash", "label", "guess", "likelihood"]
NAMED = 5  # classes that a message lists
# What can change which images are tested, or what they are.
DECIDING = ("split.seed", "split.train", "split.val", "split.test", "split.near_duplicates", "dataset.name")
Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Answers:
    """One run's answers, in the order of the pixel hashes; all arrays are (count,)."""

    called: str
    hashes: Texts
    labels: Texts
    guesses: Texts
    likelihood: NDArray[np.float64]
    classes: frozenset[str]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.guesses == self.labels, dtype=np.bool_)


def read_answers(file: Path, called: str) -> Answers:
    """Reads a `predictions.csv` of `evaluate`.

    Raises:
        UserError: it is broken.
    """
    import pandas as pd

    try:
        table = packed.read_table(file)
        likelihood = pd.to_numeric(table["likelihood"], errors="coerce").to_numpy(np.float64)
        hashes, labels, guesses = (table[name].to_numpy(dtype=object) for name in COLUMNS[:3])
    except (ValueError, KeyError) as error:
        raise UserError(f"predictions.csv of {called} is broken: run `dvc repro --force evaluate` for it") from error
    # Copies of one image have one hash; a stable order sets the k-th of one run beside the k-th of the other.
    order = np.argsort(hashes, kind="stable")
    classes = frozenset(name[2:-1] for name in table.columns if name.startswith("p(") and name.endswith(")"))
    return Answers(called, hashes[order], labels[order], guesses[order], likelihood[order], classes)


def require_same_images(a: Answers, b: Answers, differ: str = "") -> None:
    """Holds two runs to one test set.

    Args:
        differ: see `settings`.

    Raises:
        UserError: other classes, other images, or other labels; says how many images they share.
    """
    if a.classes != b.classes:
        raise UserError(
            f"{a.called} and {b.called} have different classes: {'; '.join(_only(a, b) + _only(b, a))}. "
            "Only runs on the same data can be compared image by image"
        )
    shared = (Counter(a.hashes.tolist()) & Counter(b.hashes.tolist())).total()
    if not shared == len(a.hashes) == len(b.hashes):
        raise UserError(
            f"{a.called} and {b.called} were judged on different test images: {shared:,} are shared, "
            f"of {len(a.hashes):,} and {len(b.hashes):,}{differ}. Give two runs with the same data and the same split"
        )
    if relabelled := int(np.sum(a.labels != b.labels)):
        raise UserError(
            f"{a.called} and {b.called} have other labels for {relabelled:,} of {shared:,} test images: "
            "the data was labelled anew between them. Evaluate both on the same data"
        )


def settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """What makes the test images of two runs differ, in words, from their params and the digests of their data."""
    names = [name for name in DECIDING if name in a and name in b and a[name] != b[name]]
    words = [f"{name} ({a[name]} and {b[name]})" for name in names]
    if a.get("data") != b.get("data"):
        words.append("data")
    return f"; they differ in {', '.join(words)}" if words else ""


def table_of(a: Answers, b: Answers) -> Table:
    """How many images both, one, or neither has right."""
    counts = np.bincount(2 * a.right + b.right, minlength=4).tolist()
    return Table(both=counts[3], only_a=counts[2], only_b=counts[1], neither=counts[0])


def only_first(first: Answers, second: Answers) -> list[int]:
    """The images that only the first run has right, the surest wrong guess of the second first."""
    places = np.flatnonzero(first.right & ~second.right)
    order: list[int] = places[np.argsort(-second.likelihood[places], kind="stable")].tolist()
    return order


def _only(a: Answers, b: Answers) -> list[str]:
    """The classes that only the first has, in words; empty if there are none."""
    names = sorted(a.classes - b.classes)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"only {a.called} has {', '.join(names[:NAMED])}{more}"] if names else []
