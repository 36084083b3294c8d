"""From labels and probabilities to numbers; a metric and its direction are one object."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]

CALIBRATION_BINS = 15  # as in Guo et al., "On Calibration of Modern Neural Networks" (2017)
TOP5_FROM = 10  # classes; below that, five guesses say little


@dataclass(frozen=True)
class Metric:
    """A number about a model, and whether more of it is better."""

    name: str
    higher_is_better: bool

    def is_better(self, value: float, than: float) -> bool:
        return value > than if self.higher_is_better else value < than


VALIDATION = {"val_loss": Metric("val_loss", False), "val_accuracy": Metric("val_accuracy", True)}


def improved(metric: Metric, history: Sequence[Mapping[str, float]]) -> bool:
    """Whether the last row beats every earlier one; the first always does."""
    *earlier, last = (row[metric.name] for row in history)
    return all(metric.is_better(last, than) for than in earlier)


def accuracy(labels: Labels, probabilities: Floats) -> float:
    """Share of images whose likeliest class is their label."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def top5_accuracy(labels: Labels, probabilities: Floats) -> float:
    """Share of images whose label is among the five likeliest classes; ties count for the lower class."""
    return float(in_top5(labels, probabilities).mean())


def in_top5(labels: Labels, probabilities: Floats) -> NDArray[np.bool_]:
    """Per image, whether its label is among the five likeliest classes."""
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    found: NDArray[np.bool_] = (likeliest == labels[:, None]).any(axis=1)
    return found


def same_superclass(labels: Labels, guesses: Labels, superclasses: Sequence[str]) -> NDArray[np.bool_]:
    """Per image, whether the guess lies in the superclass of the label.

    Args:
        superclasses: of each class its superclass, by the class's number.
    """
    numbers = np.unique(np.array(superclasses), return_inverse=True)[1]
    same: NDArray[np.bool_] = numbers[labels] == numbers[guesses]
    return same


def loss(labels: Labels, probabilities: Floats) -> float:
    """Mean cross-entropy in nats; probabilities are clipped at 1e-7, as Keras does."""
    return float(surprise(labels, probabilities).mean())


def surprise(labels: Labels, probabilities: Floats) -> NDArray[np.float64]:
    """Cross-entropy of each image in nats."""
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(likelihood, 1e-7, 1))


def macro_f1(labels: Labels, probabilities: Floats) -> float:
    """Unweighted mean of the classes' F1, over the classes that occur in labels or guesses."""
    return mean_f1(confusion(labels, probabilities.argmax(axis=1), probabilities.shape[1]))


def mean_f1(counts: NDArray[np.int64]) -> float:
    """Macro F1 of a confusion matrix."""
    occurs = counts.sum(axis=0) + counts.sum(axis=1) > 0
    return float(class_scores(counts)["f1"][occurs].mean())


def expected_calibration_error(labels: Labels, probabilities: Floats) -> float:
    """Mean distance between confidence and accuracy over equally wide bins, weighted by their images."""
    bins = reliability(labels, probabilities)
    return float(np.abs(bins.accuracy - bins.confidence) @ bins.count / max(1, bins.count.sum()))


Measure = Callable[[Labels, Floats], float]
MEASURES: dict[str, Measure] = {
    "accuracy": accuracy,
    "loss": loss,
    "macro_f1": macro_f1,
    "expected_calibration_error": expected_calibration_error,
    "top5_accuracy": top5_accuracy,
}


@dataclass(frozen=True)
class Reliability:
    """Equally wide bins of confidence: images in each, their mean confidence, their accuracy (0 if empty)."""

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def reliability(labels: Labels, probabilities: Floats, num_bins: int = CALIBRATION_BINS) -> Reliability:
    """Groups guesses by their likelihood."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    which = np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)
    count = np.bincount(which, minlength=num_bins)
    some = np.maximum(count, 1)
    return Reliability(
        count,
        np.bincount(which, confidence, num_bins) / some,
        np.bincount(which, right, num_bins) / some,
    )


def confusion(labels: Labels, guesses: Labels, num_classes: int) -> NDArray[np.int64]:
    """Counts (label, guess): rows are labels, columns guesses."""
    flat = np.bincount(labels.astype(np.int64) * num_classes + guesses, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes)


def per_class(labels: Labels, probabilities: Floats) -> dict[str, NDArray[Any]]:
    """Precision, recall, F1 and support of every class; 0 where undefined."""
    return class_scores(confusion(labels, probabilities.argmax(axis=1), probabilities.shape[1]))


def class_scores(counts: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """`per_class` of a confusion matrix."""
    hits, support, guessed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return {
        "precision": hits / np.maximum(guessed, 1),
        "recall": hits / np.maximum(support, 1),
        "f1": 2 * hits / np.maximum(support + guessed, 1),
        "support": support,
    }


def measures_for(num_classes: int) -> dict[str, Measure]:
    """The measures that make sense for so many classes."""
    return {name: measure for name, measure in MEASURES.items() if name != "top5_accuracy" or num_classes >= TOP5_FROM}
