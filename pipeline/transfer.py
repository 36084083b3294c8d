"""What is trained on what: the whole network on pixels, or what follows its frozen part on the features of that."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import features, images, training, whitening
from pipeline.body import FEATURES
from pipeline.cut import frozen_until
from pipeline.features import Views, features_of
from pipeline.model import NORMALIZE, between, both_ways, build_model
from pipeline.optimizer import compile_model
from pipeline.packed import Packed
from pipeline.params import Augment, Params, Train
from pipeline.progress import say
from pipeline.quick_gradients import quicken
from pipeline.training import Data
from pipeline.warm_start import begin

if TYPE_CHECKING:
    import keras

ROWS = 256  # of features at once
LEAST_VARIANCE = 0.04  # of a feature, or the mean of all if less: what hardly varies is not blown up
BYTES = 4  # of a feature


@dataclass(frozen=True)
class Job:
    """`whole` is the network from pixels on; `model`, compiled, is what trains on `data`, and shares its layers.

    first: the layer whose outputs `data` are; None: they are pixels.
    changes: of the images in `data`, made anew in each epoch.
    """

    whole: "keras.Model"
    model: "keras.Model"
    data: Data
    changes: Augment
    first: str | None = None


def build(params: Params, data: Data, num_classes: int) -> "keras.Model":
    """The network of the params, untrained, for the images of `data`."""
    shape = data.train.images.shape[1:]
    return build_model(params.model, shape, num_classes, params.train.seed, params.backbone, params.train.precision)


def finished(params: Params, data: Data, trained: "keras.Model", num_classes: int) -> "keras.Model":
    """The network to keep, with the weights of a trained one: no optimizer, no used-up seeds, nothing frozen."""
    shape = data.train.images.shape[1:]
    weights = trained.get_weights()
    plain = build_model(params.model, shape, num_classes, params.train.seed, params.backbone)
    plain.set_weights(weights)
    return both_ways(plain) if params.model.test_time_flip else plain


def job_of(whole: "keras.Model", params: Params, data: Data, weights: Path | None, labels: list[str]) -> Job:
    """Makes a network ready to be trained.

    Args:
        weights: of `backbone.weights`; None: the training starts from scratch.

    Raises:
        UserError: the weights do not fit.
    """
    if weights is None:
        whitening.measure(whole, data.train)
        return _compiled(Job(whole, whole, data, params.augment), params.train)
    has_scale = begin(whole, params.backbone, weights, labels)
    job = _job_on_features(whole, params, data) or Job(whole, whole, data, params.augment)
    if params.backbone.normalize and not has_scale:
        _measure_scale(job, params.train.threads)
    return _compiled(job, params.train)


def warm_up(job: Job, params: Params) -> None:
    """Trains the head of a network whose body is going to train, too, on features, if the params want that."""
    if not params.backbone.head_epochs:
        return
    say(f"train: {params.backbone.head_epochs} epochs of the head alone")
    changes = {  # of these epochs alone
        "epochs": params.backbone.head_epochs,
        "learning_rate": params.backbone.head_learning_rate,
        "schedule": "constant",
        "patience": 0,
    }
    train = params.train.model_copy(update=changes)
    data = Data(*(_features_of_body(job, split, train.threads, name) for split, name in _named(job.data)))
    head = _compiled(Job(job.whole, between(job.whole, FEATURES, None, "head"), data, _none(params.augment)), train)
    training.fit(head.model, data, train, head.changes, None, lambda row, seconds: None)


def _job_on_features(whole: "keras.Model", params: Params, data: Data) -> Job | None:
    """What follows the frozen part, on features; None where the whole network must run in each epoch."""
    changes, views = params.augment.is_on, params.backbone.views
    first = frozen_until(whole)
    if first is None or (changes and not views):
        return None
    body, threads = between(whole, None, first, "body"), params.train.threads
    size = BYTES * math.prod(body.output_shape[1:]) * (max(views, 1) * len(data.train) + len(data.val))
    if size > features.MOST:
        say(f"train: features would be {size / 1e9:.1f} GB, so the frozen layers run in each epoch")
        return None
    several = Views(data.train.images, views, params.augment, params.train.seed) if changes else None
    made = Data(
        features_of(body, data.train, threads, "training", several), features_of(body, data.val, threads, "validation")
    )
    return Job(whole, between(whole, first, None, "rest"), made, _none(params.augment), first)


def _measure_scale(job: Job, threads: int) -> None:
    """Gives the layer that normalises features their mean and variance over the training images."""
    made = _features_of_body(job, job.data.train, threads, "training").images
    mean = np.mean(made, axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(made), ROWS):
        squares += ((made[start : start + ROWS] - mean) ** 2).sum(axis=0)
    variance = squares / len(made)
    variance = np.maximum(variance, min(LEAST_VARIANCE, float(variance.mean())))
    job.whole.get_layer(NORMALIZE).set_weights([mean.astype(np.float32), variance.astype(np.float32)])


def _features_of_body(job: Job, split: Packed, threads: int, called: str) -> Packed:
    if job.first == FEATURES:
        return split
    return features_of(between(job.whole, job.first, FEATURES, "body"), split, threads, called)


def _named(data: Data) -> tuple[tuple[Packed, str], ...]:
    return (data.train, "training"), (data.val, "validation")


def _none(changes: Augment) -> Augment:
    return changes.model_copy(update={name: 0.0 if isinstance(value, float) else False for name, value in changes})


def _compiled(job: Job, params: Train) -> Job:
    steps = images.num_batches(len(job.data.train), params.batch_size)
    quicken(job.model)
    compile_model(job.model, params, steps, int(job.model.output_shape[-1]))
    return job
