"""Imports TensorFlow and Keras quietly and makes them deterministic."""

import ctypes
import gc
import os

from pipeline.errors import UserError

# Of glibc's `mallopt`. Freed memory stays with the process: each step of a training asks for the same blocks again, and
# the kernel would fill each page of them with zeros anew.
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
KEPT = {TRIM_THRESHOLD: 2**31 - 1, MMAP_MAX: 0, ARENA_MAX: 1}


def prepare() -> None:
    """Sets what TensorFlow and Keras read from the environment at import; call before importing either."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Where the C library is glibc; others have no such settings."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        for setting, value in KEPT.items():
            mallopt(setting, value)


def deterministic(seed: int, threads: int) -> None:
    """Seeds everything, allows deterministic operations only, and fixes the number of threads.

    The threads belong to the result: another number sums floats in another order.

    Raises:
        UserError: TensorFlow already runs with another number of threads in this process.
    """
    prepare()
    import keras
    import tensorflow as tf

    if not gc.get_freeze_count():
        gc.freeze()  # what was imported stays: no collection need look at it, and Keras asks for one per network
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
