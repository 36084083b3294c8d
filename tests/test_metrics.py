"""The numbers are those of scikit-learn, or of a sum done by hand."""

from typing import Any

import numpy as np
import pytest

from pipeline import metrics
from pipeline.metrics import Metric, same_superclass

Case = tuple[Any, Any]


def case(num_classes: int, count: int = 300, seed: int = 0) -> Case:
    """Labels and float32 probabilities that know something about them."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, num_classes, count)
    scores = random.normal(size=(count, num_classes)) + 1.5 * np.eye(num_classes)[labels]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return labels.astype(np.int32), probabilities.astype(np.float32)


@pytest.mark.parametrize("num_classes", [2, 5, 100])
def test_accuracy_f1_and_loss_are_those_of_scikit_learn(num_classes: int) -> None:
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    labels, probabilities = case(num_classes)
    guesses = probabilities.argmax(axis=1)
    normal = probabilities.astype(np.float64) / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    expected_loss = log_loss(labels, normal, labels=range(num_classes))
    assert metrics.accuracy(labels, probabilities) == pytest.approx(accuracy_score(labels, guesses))
    assert metrics.macro_f1(labels, probabilities) == pytest.approx(f1_score(labels, guesses, average="macro"))
    assert metrics.loss(labels, probabilities) == pytest.approx(expected_loss, rel=1e-5)


@pytest.mark.parametrize("num_classes", [2, 5, 100])
def test_scores_per_class_are_those_of_scikit_learn(num_classes: int) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    labels, probabilities = case(num_classes)
    names = ("precision", "recall", "f1", "support")
    expected = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(num_classes), zero_division=0
    )
    for name, values in zip(names, expected, strict=True):
        np.testing.assert_allclose(metrics.per_class(labels, probabilities)[name], values)


def test_top5_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import top_k_accuracy_score

    labels, probabilities = case(20)
    expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(20))
    assert metrics.top5_accuracy(labels, probabilities) == pytest.approx(expected)


def test_confusion_has_labels_in_rows_and_guesses_in_columns() -> None:
    counts = metrics.confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 2]), 4)
    assert counts.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_calibration_error_by_hand() -> None:
    # Two sure guesses (0.9), one of them right; two unsure ones (0.6), both right; bins (0.86, 0.93] and (0.53, 0.6].
    likeliest = np.array([0.9, 0.9, 0.6, 0.6])
    probabilities = np.stack([likeliest, 1 - likeliest], axis=1)
    error = metrics.expected_calibration_error(np.array([0, 1, 0, 0]), probabilities)
    assert error == pytest.approx((2 * abs(0.5 - 0.9) + 2 * abs(1 - 0.6)) / 4)


def test_reliability_counts_every_guess_once_also_at_the_edges() -> None:
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    bins = metrics.reliability(np.array([0, 0, 0]), probabilities, num_bins=4)
    assert bins.count.tolist() == [0, 1, 0, 2]
    assert bins.confidence.tolist() == [0, 0.5, 0, 1.0] and bins.accuracy.tolist() == [0, 1.0, 0, 0.5]


def test_a_perfect_model_is_perfect() -> None:
    labels = np.arange(12) % 3
    values = {name: measure(labels, np.eye(3)[labels]) for name, measure in metrics.measures_for(3).items()}
    assert values == {"accuracy": 1, "loss": 0, "macro_f1": 1, "expected_calibration_error": 0}


def test_a_sure_mistake_costs_what_keras_says_and_not_infinity() -> None:
    assert metrics.loss(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(1e-7))


def test_a_class_that_occurs_nowhere_does_not_pull_f1_down() -> None:
    labels = np.array([0, 1, 0, 1])
    probabilities = np.eye(3)[labels]
    assert metrics.macro_f1(labels, probabilities) == 1
    assert metrics.per_class(labels, probabilities)["f1"].tolist() == [1, 1, 0]


@pytest.mark.parametrize(("num_classes", "given"), [(2, False), (9, False), (10, True), (100, True)])
def test_top5_is_given_where_it_makes_sense(num_classes: int, given: bool) -> None:
    assert ("top5_accuracy" in metrics.measures_for(num_classes)) is given


@pytest.mark.parametrize(("higher", "values", "expected"), [(True, [1, 2], True), (True, [2, 2], False)])
def test_improved_means_strictly_better_than_all_before(higher: bool, values: list[float], expected: bool) -> None:
    metric = Metric("x", higher)
    assert metrics.improved(metric, [{"x": value} for value in values]) is expected
    assert metrics.improved(metric, [{"x": value} for value in (5, 3, 4)]) is False
    assert metrics.improved(Metric("x", False), [{"x": value} for value in (5, 3, 2)]) is True


def test_the_first_epoch_always_improves_and_a_lost_loss_never_does() -> None:
    loss = metrics.VALIDATION["val_loss"]
    assert metrics.improved(loss, [{"val_loss": 9.0}])
    assert not metrics.improved(loss, [{"val_loss": 9.0}, {"val_loss": float("nan")}])


def test_a_guess_in_the_labels_superclass_counts() -> None:
    labels, guesses = np.array([0, 1, 2, 3, 0]), np.array([1, 1, 3, 0, 3])
    same = same_superclass(labels, guesses, ["fish", "fish", "trees", "trees"])
    assert same.tolist() == [True, True, True, False, False]
