"""Training with Keras `fit`: keeps the best weights, stops early, and goes on bit-exactly after a kill."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import checkpoint, images
from pipeline.checkpoint import Progress, Row
from pipeline.metrics import VALIDATION, improved
from pipeline.packed import Packed
from pipeline.params import Augment, Train
from pipeline.progress import say

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
    if done < params.epochs and not _is_over(progress, params):
        _fit_from(done, model, data, params, augment, _Keeper(model, params, progress, saved, watch))
    if progress.best_weights:
        model.set_weights(progress.best_weights)
    return progress.history


def _fit_from(done: int, model: "keras.Model", data: Data, params: Train, augment: Augment, keeper: "_Keeper") -> None:
    import keras

    steps = images.num_batches(len(data.train), params.batch_size)
    epochs = range(done, params.epochs)
    with _live_bar(done * steps, params.epochs * steps) as advance:
        callbacks: list[Any] = [
            keras.callbacks.LambdaCallback(on_epoch_begin=keeper.on_epoch_begin, on_epoch_end=keeper.on_epoch_end)
        ]
        if params.average:
            callbacks.append(keras.callbacks.SwapEMAWeights())  # while validation runs
        if advance:
            callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance()))
        model.fit(
            images.training_batches(data.train, params.batch_size, params.seed, epochs, augment),
            validation_data=images.plain_batches(data.val, params.batch_size),
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=params.epochs,
            class_weight=_class_weights(data.train) if params.class_weights == "balanced" else None,
            callbacks=callbacks,
            shuffle=False,  # the data set is in its order already
            verbose=0,
        )


class _Keeper:
    """What happens around each epoch: numbers shown, best weights kept, checkpoint written, early stop."""

    def __init__(
        self, model: "keras.Model", params: Train, progress: Progress, saved: Path | None, watch: Watch
    ) -> None:
        self.model, self.params, self.progress, self.saved, self.watch = model, params, progress, saved, watch
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
        self.model.stop_training = over
        if not over and epoch + 1 < self.params.epochs:
            self._save_if_due()

    @contextmanager
    def _kept_weights(self) -> Iterator[None]:
        """Gives the model the weights that would be kept if training ended here."""
        if not self.params.average:
            yield
            return
        variables = self.model.trainable_variables
        own = [np.asarray(variable.value) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)
        yield
        for variable, value in zip(variables, own, strict=True):
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


def _live_bar(done: int, total: int) -> AbstractContextManager[Callable[[], None] | None]:
    if not sys.stdout.isatty():
        return nullcontext()
    return _TrainingBar(done, total)


class _TrainingBar(AbstractContextManager[Callable[[], None]]):
    """Batches of the whole training on one live line; epoch lines scroll above it."""

    def __init__(self, done: int, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("training"), BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("batches"))
        self.bar = Progress(*columns, TimeRemainingColumn(), transient=True)
        self.task = self.bar.add_task("training", total=total, completed=done)

    def __enter__(self) -> Callable[[], None]:
        self.bar.start()
        return lambda: self.bar.advance(self.task)

    def __exit__(self, *failure: object) -> None:
        self.bar.stop()
