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
# Triangular, as in K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024): straight up, straight down.
TRIANGLE_START, TRIANGLE_TOP, TRIANGLE_END = 0.2, 0.23, 0.07  # share of the rate, of the steps, of the rate


def compile_model(
    model: "keras.Model",
    params: Train,
    steps_per_epoch: int,
    num_classes: int,
    optimizer: "keras.optimizers.Optimizer | None" = None,
) -> None:
    """Compiles `model` in place; without XLA: Keras refuses it with determinism, and CPUs are slower by it.

    The variables of optimizer and metric are made here: made inside `fit`, they would have its graph traced twice.

    Args:
        optimizer: of another network with the same weights; None: one of its own.
    """
    import keras

    loss = (
        _smoothed_loss(params.label_smoothing, num_classes)
        if params.label_smoothing
        else "sparse_categorical_crossentropy"
    )
    if optimizer is None:
        optimizer = build_optimizer(params, steps_per_epoch)
        optimizer.build(model.trainable_variables)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(optimizer=optimizer, loss=loss, metrics=[accuracy], jit_compile=False, auto_scale_loss=False)


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
    return keras.optimizers.LossScaleOptimizer(made) if params.precision == "mixed_float16" else made


def _learning_rate(params: Train, total_steps: int) -> Any:
    import keras

    schedules = keras.optimizers.schedules
    if params.schedule == "constant":
        return params.learning_rate
    if params.schedule == "cosine":
        return schedules.CosineDecay(params.learning_rate, decay_steps=total_steps)
    if params.schedule == "triangular":
        return _triangle(params.learning_rate, total_steps)
    warmup = max(1, round(ONE_CYCLE_WARMUP * total_steps))
    return schedules.CosineDecay(
        params.learning_rate * ONE_CYCLE_START,
        decay_steps=max(1, total_steps - warmup),
        warmup_target=params.learning_rate,
        warmup_steps=warmup,
    )


def _triangle(top: float, total_steps: int) -> "keras.optimizers.schedules.LearningRateSchedule":
    import keras

    corners = (0.0, TRIANGLE_TOP * total_steps, float(total_steps))
    rates = (TRIANGLE_START * top, top, TRIANGLE_END * top)

    class Triangle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc] # Keras has no types
        def __call__(self, step: Any) -> Any:
            now = keras.ops.cast(step, "float32")
            up = rates[0] + (rates[1] - rates[0]) * now / corners[1]
            down = rates[1] + (rates[2] - rates[1]) * (now - corners[1]) / (corners[2] - corners[1])
            return keras.ops.where(now < corners[1], up, down)

        def get_config(self) -> dict[str, Any]:  # MLflow asks for it
            return {"corners": corners, "rates": rates}

    return Triangle()


def _smoothed_loss(smoothing: float, num_classes: int) -> Callable[[Any, Any], Any]:
    import keras

    def smoothed_cross_entropy(labels: Any, probabilities: Any) -> Any:
        one_hot = keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(labels, (-1,)), "int32"), num_classes)
        return keras.losses.categorical_crossentropy(one_hot, probabilities, label_smoothing=smoothing)

    return smoothed_cross_entropy
