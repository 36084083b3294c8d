"""From `train` params to optimizer, learning-rate schedule and loss."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.params import Train

if TYPE_CHECKING:
    import keras

# One-cycle, as in L. N. Smith, "Super-convergence" (2017): warm up over 30% of the steps from 1/25 of the
# top rate, then a cosine down to nearly nothing.
ONE_CYCLE_WARMUP = 0.3
ONE_CYCLE_START = 1 / 25


def compile_model(model: "keras.Model", params: Train, steps_per_epoch: int, num_classes: int) -> None:
    """Compiles `model` in place; XLA stays off, since on the CPU it is slower by an order of magnitude.

    The variables of optimizer and metric are made here: made inside `fit`, they would have its graph traced twice.
    """
    import keras

    loss = (
        _smoothed_loss(params.label_smoothing, num_classes)
        if params.label_smoothing
        else "sparse_categorical_crossentropy"
    )
    optimizer = build_optimizer(params, steps_per_epoch)
    optimizer.build(model.trainable_variables)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(optimizer=optimizer, loss=loss, metrics=[accuracy], jit_compile=False)


def build_optimizer(params: Train, steps_per_epoch: int) -> "keras.optimizers.Optimizer":
    """The optimizer with its schedule; Adam and AdamW keep Keras's moments (0.9, 0.999).

    Weight decay is decoupled (I. Loshchilov and F. Hutter, 2017): each step takes rate x decay of a weight away.
    """
    import keras

    common: dict[str, Any] = {"learning_rate": _learning_rate(params, steps_per_epoch * params.epochs)}
    if params.average:
        common |= {"use_ema": True, "ema_momentum": params.average}
    if params.optimizer in ("sgdw", "adamw"):
        common |= {"weight_decay": params.weight_decay}
    made: keras.optimizers.Optimizer
    if params.optimizer in ("sgd", "sgdw"):
        made = keras.optimizers.SGD(**common, momentum=params.momentum, nesterov=params.momentum > 0)
    else:
        made = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[params.optimizer](**common)
    if "weight_decay" in common:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def _learning_rate(params: Train, total_steps: int) -> Any:
    import keras

    schedules = keras.optimizers.schedules
    if params.schedule == "constant":
        return params.learning_rate
    if params.schedule == "cosine":
        return schedules.CosineDecay(params.learning_rate, decay_steps=total_steps)
    warmup = max(1, round(ONE_CYCLE_WARMUP * total_steps))
    return schedules.CosineDecay(
        params.learning_rate * ONE_CYCLE_START,
        decay_steps=max(1, total_steps - warmup),
        warmup_target=params.learning_rate,
        warmup_steps=warmup,
    )


def _smoothed_loss(smoothing: float, num_classes: int) -> Callable[[Any, Any], Any]:
    import keras

    def smoothed_cross_entropy(labels: Any, probabilities: Any) -> Any:
        one_hot = keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(labels, (-1,)), "int32"), num_classes)
        return keras.losses.categorical_crossentropy(one_hot, probabilities, label_smoothing=smoothing)

    return smoothed_cross_entropy
