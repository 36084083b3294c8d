"""All GPUs of this machine at work on one training."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any


def shared(devices: Sequence[str] = ()) -> AbstractContextManager[Any]:
    """In it a network is built, compiled and trained so that `fit` divides each batch among the GPUs.

    With fewer than two nothing changes. Normalisation is over the part of a batch that a device sees.

    Args:
        devices: these in place of all GPUs, as in `CPU:1`.
    """
    import tensorflow as tf

    names = list(devices) or [device.name for device in tf.config.list_logical_devices("GPU")]
    strategy = tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.get_strategy()
    scope: AbstractContextManager[Any] = strategy.scope()
    return scope
