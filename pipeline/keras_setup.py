"""Imports TensorFlow and Keras quietly and makes them deterministic."""

import os

from pipeline.errors import UserError


def prepare() -> None:
    """Sets what TensorFlow and Keras read from the environment at import; call before importing either."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def deterministic(seed: int, threads: int) -> None:
    """Seeds everything, allows deterministic operations only, and fixes the number of threads.

    The threads belong to the result: another number sums floats in another order.

    Raises:
        UserError: TensorFlow already runs with another number of threads in this process.
    """
    prepare()
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    wanted = (threads, threads)
    have = (
        tf.config.threading.get_intra_op_parallelism_threads(),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )
    if have == wanted:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise UserError(f"train.threads cannot change to {threads} in a process that runs with {have[0]}") from error
