"""What a candidate gains over the champion on the same images, with its interval and its chance; pure.

Only how often one of the two alone is right matters, so an image is one of three kinds: only the candidate is right,
only the champion, or neither tells them apart. Drawing images anew is drawing such counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import Labels

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]
ROUNDING = 1e-12  # sums of shares that are equal on paper differ by less
ROOM = 2_000_000  # numbers that are drawn at once: 16 MB


@dataclass(frozen=True)
class Pairs:
    """Images per class, and how many of them only the candidate, or only the champion, has right; all (classes,)."""

    images: Counts
    only_candidate: Counts
    only_champion: Counts

    @property
    def lost(self) -> Numbers:
        """What each class's recall lost; 0 where the class has no image."""
        return (self.only_champion - self.only_candidate) / np.maximum(self.images, 1)


@dataclass(frozen=True)
class Strata:
    """Images that count alike: how many there are, the pairs among them, and what one image weighs in the metric.

    All arrays are (strata,); the weights of all images add up to 1.
    """

    images: Counts
    only_candidate: Counts
    only_champion: Counts
    weight: Numbers

    @property
    def gain(self) -> float:
        return float(self.weight @ (self.only_candidate - self.only_champion))


def pairs_of(labels: Labels, candidate: Labels, champion: Labels, num_classes: int) -> Pairs:
    """Counts by class, from labels and both models' guesses, all (n,)."""
    right, champion_right = candidate == labels, champion == labels
    kinds = (np.ones(len(labels), bool), right & ~champion_right, champion_right & ~right)
    return Pairs(*(np.bincount(labels[kind], minlength=num_classes) for kind in kinds))


def strata_of(pairs: Pairs, metric: str) -> Strata:
    """Accuracy: every image weighs the same. Balanced accuracy: every class that has images does."""
    if metric == "accuracy":
        images, *only = (np.array([part.sum()]) for part in (pairs.images, pairs.only_candidate, pairs.only_champion))
        return Strata(images, only[0], only[1], 1 / images)
    some = pairs.images > 0
    images = pairs.images[some]
    return Strata(images, pairs.only_candidate[some], pairs.only_champion[some], 1 / (images * len(images)))


def interval(strata: Strata, level: float, resamples: int, seed: int) -> tuple[float, float]:
    """Percentile bootstrap interval of the gain; the truth lies below, and above, with a chance of `level` each.

    Images are drawn with replacement, both models' answers to an image together (Efron & Tibshirani, "An Introduction
    to the Bootstrap", ch. 13), and class by class where classes weigh differently.
    """
    rest = strata.images - strata.only_candidate - strata.only_champion
    shares = np.stack([strata.only_candidate, strata.only_champion, rest], axis=1) / strata.images[:, None]
    random = _random(seed, strata)
    gains = np.empty(resamples)
    for part in _parts(resamples, 3 * len(shares)):
        drawn = random.multinomial(strata.images, shares, size=(part.stop - part.start, len(shares)))
        gains[part] = (drawn[..., 0] - drawn[..., 1]) @ strata.weight
    low, high = np.quantile(gains, [level, 1 - level])
    return float(low), float(high)


def one_sided_p(more: Counts, fewer: Counts) -> Numbers:
    """McNemar's exact test, one-sided: the chance of so many coins of `more + fewer`, were each of them fair."""
    from scipy.stats import binom

    found: Numbers = np.asarray(binom.sf(np.asarray(more) - 1, np.asarray(more) + np.asarray(fewer), 0.5))
    return found


def sign_p(strata: Strata, least_gain: float, draws: int, seed: int) -> float:
    """The chance of such a gain, did the candidate gain no more than `least_gain`: McNemar's test for weighted images.

    Each image's gain over `least_gain` gets a random sign (Fisher, "The Design of Experiments", 1935, section 21); the
    share of draws that gain as much, what was seen among them, is the p-value. Unlike the bootstrap it does not take
    the one image of a small class for certain.
    """
    rest = strata.images - strata.only_candidate - strata.only_champion
    kinds = ((strata.only_candidate, 1 - least_gain), (strata.only_champion, 1 + least_gain), (rest, least_gain))
    random = _random(seed, strata)
    seen = strata.gain - least_gain - ROUNDING
    as_much = 0
    for part in _parts(draws, 3 * len(rest)):
        size = (part.stop - part.start, len(rest))
        signed = sum((2 * random.binomial(count, 0.5, size) - count) * gain for count, gain in kinds if gain)
        as_much += int(np.count_nonzero(signed @ strata.weight >= seen))
    return (1 + as_much) / (1 + draws)


def _random(seed: int, strata: Strata) -> np.random.Generator:
    """The same for the same images; but were it the same for all, one unlucky seed would bend every decision alike."""
    counts = (strata.images, strata.only_candidate, strata.only_champion)
    return np.random.default_rng([seed, *(int(number) for part in counts for number in part)])


def _parts(count: int, width: int) -> Iterator[slice]:
    """Rows that are drawn together, so that memory stays bounded."""
    step = max(1, ROOM // width)
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))
