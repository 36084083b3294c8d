"""Which classes a candidate lets down: the floor below each class's recall; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift import corrected
from pipeline.paired_bootstrap import ROUNDING, Pairs, one_sided_p


@dataclass(frozen=True)
class Loss:
    """A class by number whose recall fell by more than the floor: by how much, and the p-value after Holm."""

    number: int
    lost: float
    p: float
    is_real: bool


@dataclass(frozen=True)
class Losses:
    """The classes that fell by more than the floor, the deepest first, and of how many classes it could be told."""

    found: Sequence[Loss]
    num_tested: int

    @property
    def real(self) -> list[Loss]:
        return [loss for loss in self.found if loss.is_real]

    @property
    def noise(self) -> list[Loss]:
        return [loss for loss in self.found if not loss.is_real]


def losses(pairs: Pairs, floor: float, level: float) -> Losses:
    """The classes whose recall fell by more than `floor`, and which of them truly fell.

    A class is let down if it lost more than the floor on these images, and McNemar's exact test, one-sided and with
    Holm's correction, says at `level` that it lost anything at all. So the floor says which loss matters, and the test
    keeps the luck of small classes from deciding: a class that lost more, within noise, is named but does no harm.

    Only classes are tested in which enough images tell the two models apart for the test to speak at all; their number
    says nothing of who is better, so leaving out the others costs no error (Tarone, "A Modified Bonferroni Method for
    Discrete Data", Biometrics 46, 1990).
    """
    p, tested = adjusted(pairs, level)
    fell = np.flatnonzero(pairs.lost > floor + ROUNDING)
    deepest = fell[np.argsort(-pairs.lost[fell], kind="stable")]
    found = [Loss(int(n), float(pairs.lost[n]), float(p[n]), bool(tested[n] and p[n] <= level)) for n in deepest]
    return Losses(found, int(tested.sum()))


def adjusted(pairs: Pairs, level: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each class's p-value after Holm, 1 where it is not tested, and which classes are."""
    told_apart = pairs.only_candidate + pairs.only_champion
    tested: NDArray[np.bool_] = 0.5**told_apart <= level
    p = np.ones(len(told_apart))
    p[tested] = corrected(one_sided_p(pairs.only_champion[tested], pairs.only_candidate[tested]).tolist())
    return p, tested
