"""Other tuners on our network, data and space: `python -m benchmarks.plain_tuning keras-tuner|optuna SECONDS FILE`.

Run in a checkout whose splits are made; seeds, epochs and space are those of its `params.yaml`. Both build, compile and
feed the network with our functions, so that only the tuning differs: all trials in one process, as in the examples of
their makers. KerasTuner has its Hyperband; Optuna TPE, its median pruner and, as with us, today's params first.
"""

import importlib
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline import keras_setup

keras_setup.prepare()

import keras  # noqa: E402

from benchmarks.tuning_runs import Record  # noqa: E402
from pipeline import images, packed, params_file, paths, space  # noqa: E402
from pipeline.attempt import draw  # noqa: E402
from pipeline.model import build_model  # noqa: E402
from pipeline.optimizer import compile_model  # noqa: E402
from pipeline.params import Params  # noqa: E402

if TYPE_CHECKING:
    import optuna


class Over(BaseException):
    """The time is over; no tuner takes it for a trial that failed."""


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes what is reached when, over all trials, and ends everything once the time is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.began = seconds, time.monotonic()
        self.trials: list[Record] = []

    def begin(self) -> None:
        self.trials.append({"epochs": [], "ended": None})

    def end(self) -> None:
        self.trials[-1]["ended"] = time.monotonic() - self.began

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        passed = time.monotonic() - self.began
        self.trials[-1]["epochs"].append([passed, float((logs or {})["val_accuracy"])])
        if passed > self.seconds:
            raise Over


class Bench:
    """Our network and batches, for any point of the space."""

    def __init__(self) -> None:
        self.params = params_file.load(paths.PARAMS)
        keras_setup.deterministic(self.params.train.seed, self.params.train.threads)
        self.space = space.space_of(self.params)
        self.train, self.val = packed.load(paths.TRAIN), packed.load(paths.VAL)
        self.num_classes = len(packed.load_classes(paths.CLASSES))

    def params_at(self, point: space.Point) -> Params:
        return self.space.params_at(self.space.resolve(point))

    def steps(self, params: Params) -> int:
        return images.num_batches(len(self.train), params.train.batch_size)

    def build(self, params: Params) -> keras.Model:
        model = build_model(params.model, self.train.images.shape[1:], self.num_classes, params.train.seed)
        compile_model(model, params.train, self.steps(params), self.num_classes)
        return model

    def fit(self, model: keras.Model, params: Params, epochs: range, callbacks: list[Any]) -> keras.callbacks.History:
        """Trains for some of the epochs; the schedule goes on where the earlier ones left it."""
        model.optimizer.iterations.assign(epochs.start * self.steps(params))
        batch_size, seed = params.train.batch_size, params.train.seed
        return model.fit(
            images.training_batches(self.train, batch_size, seed, epochs, params.augment),
            validation_data=images.plain_batches(self.val, batch_size),
            steps_per_epoch=self.steps(params),
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )


def chosen(hyperparameters: Any, name: str, kind: Any) -> Any:
    """Optuna's distribution as a parameter of KerasTuner."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(kind, CategoricalDistribution):
        value = hyperparameters.Choice(name, list(kind.choices))
        return next(choice for choice in kind.choices if choice == value)  # it makes 0 of false
    number = hyperparameters.Int if isinstance(kind, IntDistribution) else hyperparameters.Float
    if kind.log:
        return number(name, kind.low, kind.high, sampling="log")
    return number(name, kind.low, kind.high, step=kind.step)


def keras_tuner(bench: Bench, seconds: float) -> list[Record]:
    """KerasTuner's Hyperband, factor 3, over and over; a network that goes on is a trial of its own, as it counts."""
    import keras_tuner as kt

    importlib.import_module("tensorboard.plugins.hparams.api")  # as it does itself, within its first trial

    class Ours(kt.HyperModel):  # type: ignore[misc]
        def params(self, hp: Any) -> Params:
            return bench.params_at({name: chosen(hp, name, kind) for name, kind in bench.space.distributions.items()})

        def build(self, hp: Any) -> keras.Model:
            return bench.build(self.params(hp))

        def fit(self, hp: Any, model: keras.Model, *args: Any, **given: Any) -> keras.callbacks.History:
            clock.begin()
            epochs = range(given["initial_epoch"], given["epochs"])
            history = bench.fit(model, self.params(hp), epochs, [*given["callbacks"], clock])
            clock.end()
            return history

    clock = Clock(seconds)
    with TemporaryDirectory() as folder:
        tuner = kt.Hyperband(
            Ours(),
            kt.Objective("val_accuracy", "max"),
            max_epochs=bench.params.train.epochs,
            factor=3,
            hyperband_iterations=10_000,
            seed=bench.params.tune.seed,
            directory=folder,
        )
        with suppress(Over):
            tuner.search(verbose=0)
    return clock.trials


def optuna_loop(bench: Bench, seconds: float) -> list[Record]:
    """Optuna's example for Keras: `study.optimize` with TPE and the median pruner."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    clock = Clock(seconds)

    def objective(trial: "optuna.Trial") -> float:
        point = {name: draw(trial, name, kind) for name, kind in bench.space.distributions.items()}
        params = bench.params_at(point)
        clock.begin()
        try:
            pruning = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: report(trial, epoch, logs))
            history = bench.fit(bench.build(params), params, range(params.train.epochs), [clock, pruning])
        except optuna.TrialPruned:
            clock.end()
            raise
        clock.end()
        return float(history.history["val_accuracy"][-1])

    sampler = optuna.samplers.TPESampler(seed=bench.params.tune.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=optuna.pruners.MedianPruner())
    study.enqueue_trial(bench.space.start)
    with suppress(Over):
        study.optimize(objective, timeout=seconds)
    return clock.trials


def report(trial: "optuna.Trial", epoch: int, logs: dict[str, float]) -> None:
    """What Optuna's `KerasPruningCallback` does at the end of an epoch."""
    import optuna

    trial.report(logs["val_accuracy"], epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


SIDES = {"keras-tuner": keras_tuner, "optuna": optuna_loop}


def main() -> None:
    side, seconds, file = sys.argv[1:]
    Path(file).write_text(json.dumps(SIDES[side](Bench(), float(seconds))))


if __name__ == "__main__":
    main()
