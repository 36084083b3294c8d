"""Are two sets of images drawn alike? Sizes of differences and their p-values; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]
Counts = NDArray[np.int64]

SHUFFLES = 9999  # of the labels, for class balance: the smallest p-value is 0.0001
FOLDS = 2
TREES = 50


@dataclass(frozen=True)
class Difference:
    """How large a difference is, from 0 (none) to 1, and how likely one so large is by chance."""

    size: float
    p: float


def distribution(known: Values, new: Values) -> Difference:
    """The two-sample Kolmogorov-Smirnov test: the largest distance of the two cumulative distributions.

    Hodges, "The Significance Probability of the Smirnov Two-Sample Test", Arkiv för Matematik 3, 1958; where values
    are tied, the p-value is too large, never too small.
    """
    from scipy.stats import ks_2samp

    found = ks_2samp(known, new, method="asymp")
    return Difference(float(found.statistic), float(found.pvalue))


def balance(known: Counts, new: Counts) -> Difference:
    """Total variation distance of two class distributions, with Pearson's chi-square test of homogeneity.

    The p-value is that of the permutation test, drawn by Monte Carlo, so that it holds for small counts, too
    (Phipson & Smyth, "Permutation P-values Should Never Be Zero", SAGMB 9, 2010): the class counts of as many
    images as there are new ones, taken at random from all.

    Args:
        known, new: images per class, in the same order of classes; each has at least one image.
    """
    size = float(np.abs(known / known.sum() - new / new.sum()).sum() / 2)
    together, count = known + new, int(new.sum())
    drawn = np.random.default_rng(0).multivariate_hypergeometric(together, count, SHUFFLES, method="marginals")
    expected = np.maximum(together * (count / together.sum()), np.finfo(float).tiny)
    # Of the chi-square only this part varies with the new counts, both margins being fixed.
    found = (((new - expected) ** 2) / expected).sum()
    chance = (((drawn - expected) ** 2) / expected).sum(axis=1)
    return Difference(size, float((1 + np.count_nonzero(chance >= found * (1 - 1e-9))) / (SHUFFLES + 1)))


def told_apart(known: Values, new: Values, num_trees: int = TREES) -> Difference:
    """The classifier two-sample test: how well a classifier tells new from known images that it was not trained on.

    Lopez-Paz & Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017. Trained on one half and asked about the
    other, both ways. The size is 2 AUC - 1, the mean of both halves: 0 is chance. Each half gives a one-sided
    Mann-Whitney p-value of its scores, which is valid, for the classifier has not seen it; twice the smaller of the
    two is, whatever the two have to do with each other (Bonferroni).

    Args:
        known, new: features (count, features), at least two rows each.
    """
    from scipy.stats import mannwhitneyu
    from sklearn.model_selection import StratifiedKFold

    rows = np.concatenate([known, new]).astype(np.float64)
    labels = np.repeat([0, 1], [len(known), len(new)])
    sizes, values = [], []
    for learn, ask in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, labels):
        scores, truth = _scores(rows[learn], labels[learn], rows[ask], num_trees), labels[ask]
        found = mannwhitneyu(scores[truth == 1], scores[truth == 0], alternative="greater", method="asymptotic")
        area = found.statistic / (np.count_nonzero(truth == 1) * np.count_nonzero(truth == 0))
        sizes.append(2 * area - 1)
        values.append(float(found.pvalue))
    return Difference(max(0.0, float(np.mean(sizes))), min(1.0, FOLDS * min(values)))


def _scores(rows: Values, labels: NDArray[np.int64], asked: Values, num_trees: int) -> Values:
    """How much the asked rows look like label 1."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(num_trees, min_samples_leaf=5, class_weight="balanced", random_state=0)
    scores: Values = forest.fit(rows, labels).predict_proba(asked)[:, 1]
    return scores


def more_often(wrong: int, count: int, wrong_before: int, count_before: int) -> Difference:
    """How much larger a share is than it was, and the one-sided p-value of Fisher's exact test.

    It is the binomial test for a share that is not known but was counted, too (Fisher, "Statistical Methods for
    Research Workers", 5th ed., 1934, section 21.02).
    """
    from scipy.stats import fisher_exact

    table = [[wrong, count - wrong], [wrong_before, count_before - wrong_before]]
    size = max(0.0, wrong / count - wrong_before / count_before)
    return Difference(size, float(fisher_exact(table, alternative="greater").pvalue))


def corrected(values: Sequence[float]) -> list[float]:
    """p-values corrected for being several: compare each with the level that is to hold for all of them.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    result, largest = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        largest = max(largest, min(1.0, (len(values) - place) * values[index]))
        result[index] = largest
    return result
