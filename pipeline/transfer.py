"""What is trained on what: the whole network on pixels, or only its head on the features of a frozen body."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import augment, features, images, training
from pipeline.model import body_of, build_model, head_of
from pipeline.optimizer import compile_model
from pipeline.params import Params, Train
from pipeline.progress import say
from pipeline.training import Data
from pipeline.warm_start import begin

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Job:
    """`whole` is the network from pixels on; `model`, compiled, is what trains on `data`, and shares its layers."""

    whole: "keras.Model"
    model: "keras.Model"
    data: Data


def build(params: Params, data: Data, num_classes: int) -> "keras.Model":
    """The network of the params, untrained, for the images of `data`."""
    shape = data.train.images.shape[1:]
    return build_model(params.model, shape, num_classes, params.train.seed, params.backbone)


def job_of(whole: "keras.Model", params: Params, data: Data, weights: Path | None, labels: list[str]) -> Job:
    """Makes a network ready to be trained.

    Args:
        weights: of `backbone.weights`; None: the training starts from scratch.

    Raises:
        UserError: the weights do not fit.
    """
    if weights is None:
        return _compiled(Job(whole, whole, data), params.train)
    begin(whole, params.backbone, weights, labels)
    if params.backbone.trainable != "none" or augment.is_on(params.augment):
        return _compiled(Job(whole, whole, data), params.train)
    return _compiled(_head_job(whole, params, data), params.train)


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
    head = _compiled(_head_job(job.whole, params, job.data), train)
    unchanged = params.augment.model_copy(update={name: type(value)() for name, value in params.augment})
    training.fit(head.model, head.data, train, unchanged, None, lambda row, seconds: None)


def _head_job(whole: "keras.Model", params: Params, data: Data) -> Job:
    body, threads = body_of(whole), params.train.threads
    train = features.features_of(body, data.train, threads, "training")
    return Job(whole, head_of(whole), Data(train, features.features_of(body, data.val, threads, "validation")))


def _compiled(job: Job, params: Train) -> Job:
    steps = images.num_batches(len(job.data.train), params.batch_size)
    compile_model(job.model, params, steps, int(job.model.output_shape[-1]))
    return job
