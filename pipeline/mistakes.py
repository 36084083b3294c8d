"""The wrong guesses of a test split, surest first, with what a person wants to know of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metrics import Floats, Labels

LIKELIEST = 5


@dataclass(frozen=True)
class Mistake:
    """One wrong guess; `row` is its place in the test split, classes are numbers."""

    row: int
    file: str
    pixel_hash: str
    label: int
    guess: int
    likelihood: float
    likeliest: tuple[tuple[int, float], ...]
    """The likeliest classes with their likelihoods, at most five."""


def mistakes_of(labels: Labels, probabilities: Floats, files: Sequence[str], hashes: Sequence[str]) -> list[Mistake]:
    """Every wrong guess, the surest first; equally sure ones in the order of the split."""
    guesses = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    worst = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    return [
        Mistake(
            int(row),
            files[row],
            hashes[row],
            int(labels[row]),
            int(guesses[row]),
            float(probabilities[row, guesses[row]]),
            _likeliest(probabilities[row]),
        )
        for row in worst
    ]


def _likeliest(probabilities: Floats) -> tuple[tuple[int, float], ...]:
    order = np.argsort(-probabilities, kind="stable")[:LIKELIEST]
    return tuple((int(number), float(probabilities[number])) for number in order)
