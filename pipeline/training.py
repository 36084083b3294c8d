"""Training with Keras `fit`: keeps the best weights, stops early, and goes on bit-exactly after a kill."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import checkpoint, images
from pipeline.blocks import scaled
from pipeline.body import PIXELS
from pipeline.checkpoint import Progress, Row
from pipeline.metrics import VALIDATION, improved
from pipeline.model import between
from pipeline.optimizer import compile_model
from pipeline.packed import Packed
from pipeline.params import Augment, Train
from pipeline.progress import batch_bar, say

if TYPE_CHECKING:
    import keras

CHECKPOINT_SHARE = 50  # a checkpoint is due once training took this many times as long as the last one

Watch = Callable[[Row, float], None]
"""Called after each epoch with its numbers and its seconds."""


@dataclass(frozen=True)
class Data:
    """The two splits that training may see."""

    train: Packed
    val: Packed


def fit(
    model: "keras.Model", data: Data, params: Train, augment: Augment, saved: Path | None, watch: Watch
) -> list[Row]:
    """Trains a compiled `model` in place, from the checkpoint `saved` where there is one; None: without any.

    With `params.patience` the model ends with the weights of the best epoch, else with the last ones.

    Returns:
        One row per epoch, also of those that ran before a resume.
    """
    progress = checkpoint.restore(saved, model) if saved else Progress()
    done = len(progress.history)
    if done:
        say(f"train: resuming after epoch {done}")
    keeper = _Keeper(model, params, progress, saved, watch)
    for network, until in ((_small(model, data, params), params.small_epochs), (model, params.epochs)):
        if network and len(progress.history) < until and not _is_over(progress, params):
            _fit_until(until, network, data, params, augment, keeper)
    if progress.best_weights:
        model.set_weights(progress.best_weights)
    return progress.history


def _small(model: "keras.Model", data: Data, params: Train) -> "keras.Model | None":
    """The network for smaller images; it shares layers and optimizer with `model`."""
    import keras

    if not params.small_epochs:
        return None
    height, width, channels = model.input_shape[1:]
    size = scaled((height, width), params.small_scale)
    pixels = keras.Input((*size, channels), dtype="uint8", name=PIXELS)
    uncompiled = between(model, None, None, model.name)
    small = keras.models.clone_model(uncompiled, input_tensors=pixels, clone_function=lambda layer: layer)
    steps = images.num_batches(len(data.train), params.batch_size)
    compile_model(small, params, steps, int(model.output_shape[-1]), model.optimizer)
    return small


def _fit_until(
    until: int, model: "keras.Model", data: Data, params: Train, augment: Augment, keeper: "_Keeper"
) -> None:
    import keras

    done = len(keeper.progress.history)
    keeper.fitted = model
    steps = images.num_batches(len(data.train), params.batch_size)
    epochs = range(done, until)
    size = tuple(model.input_shape[1:3]) if until < params.epochs else None
    with batch_bar(done * steps, params.epochs * steps) as advance:
        callbacks: list[Any] = [
            keras.callbacks.LambdaCallback(on_epoch_begin=keeper.on_epoch_begin, on_epoch_end=keeper.on_epoch_end)
        ]
        if params.average:
            callbacks.append(keras.callbacks.SwapEMAWeights())  # while validation runs
        if advance:
            callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance()))
        model.fit(
            images.training_batches(data.train, params.batch_size, params.seed, epochs, augment, size),
            validation_data=images.plain_batches(data.val, params.batch_size, size),
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=until,
            class_weight=_class_weights(data.train) if params.class_weights == "balanced" else None,
            callbacks=callbacks,
            shuffle=False,  # the data set is in its order already
            verbose=0,
        )
    if until < params.epochs and not model.stop_training:
        keeper.put_back()


class _Keeper:
    """What happens around each epoch: numbers shown, best weights kept, checkpoint written, early stop."""

    def __init__(
        self, model: "keras.Model", params: Train, progress: Progress, saved: Path | None, watch: Watch
    ) -> None:
        self.model, self.params, self.progress, self.saved, self.watch = model, params, progress, saved, watch
        self.fitted, self.own = model, list[Any]()
        self.began = 0.0
        self.last_saved = self.saving_took = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        row = {"epoch": epoch + 1, **{name: float(logs[name]) for name in sorted(logs)}}
        self.progress.history.append(row)
        seconds = time.monotonic() - self.began
        say(epoch_line(row, self.params.epochs, seconds))
        with self._kept_weights():
            if self.params.patience and improved(VALIDATION[self.params.monitor], self.progress.history):
                self.progress.best_weights = self.model.get_weights()
            self.watch(row, seconds)
        over = _is_over(self.progress, self.params)
        self.fitted.stop_training = over
        if not over and epoch + 1 < self.params.epochs:
            self._save_if_due()

    @contextmanager
    def _kept_weights(self) -> Iterator[None]:
        """Gives the model the weights that would be kept if training ended here."""
        if not self.params.average:
            yield
            return
        variables = self.model.trainable_variables
        self.own = [np.asarray(variable.value) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)
        yield
        self.put_back()

    def put_back(self) -> None:
        """Gives the model its own weights again where it has averaged ones: `fit`, too, leaves those at its end."""
        if self.own:
            for variable, value in zip(self.model.trainable_variables, self.own, strict=True):
                variable.assign(value)

    def _save_if_due(self) -> None:
        now = time.monotonic()
        if not self.saved or now - self.last_saved < CHECKPOINT_SHARE * self.saving_took:
            return
        checkpoint.save(self.saved, self.model, self.progress)
        self.last_saved = time.monotonic()
        self.saving_took = self.last_saved - now


def _is_over(progress: Progress, params: Train) -> bool:
    """Whether `patience` epochs in a row brought no gain in the monitored metric."""
    if not params.patience or not progress.history:
        return False
    metric = VALIDATION[params.monitor]
    best = 0
    for number in range(1, len(progress.history)):
        if improved(metric, progress.history[: number + 1]):
            best = number
    return len(progress.history) - 1 - best >= params.patience


def epoch_line(row: Row, epochs: int, seconds: float) -> str:
    """One epoch in plain words."""
    numbers = "  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch")
    return f"epoch {int(row['epoch']):>3}/{epochs}  {numbers}  {seconds:.1f} s"


def _class_weights(split: Packed) -> dict[int, float]:
    """Weights that give every class the same say: images / (classes * images of the class)."""
    counts = np.bincount(split.labels)
    return {number: len(split) / (len(counts) * int(count)) for number, count in enumerate(counts) if count}
