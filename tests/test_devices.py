"""Several devices share a training, and it stays the training that one would make."""

import json
import subprocess
import sys

import pytest

TRAINED = """
import json, sys
import numpy as np
from pipeline import devices, keras_setup
keras_setup.prepare()
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
keras_setup.deterministic(0, 2)
from pipeline.model import build_model
from pipeline.optimizer import compile_model
from pipeline.training import Data, fit
from tests.test_training import LEARNABLE, SETTINGS
from tests.tracked_runs import params_of
plain = ("model.batch_norm=false", "model.dropout=0", "model.dense_dropout=0", "model.pooling=max")
params = params_of(*SETTINGS, *plain, "train.average=0.5", "train.small_epochs=2")
with devices.shared(sys.argv[1:]):
    model = build_model(params.model, (8, 8, 1), 3, params.train.seed)
    compile_model(model, params.train, -(-len(LEARNABLE.train) // params.train.batch_size), 3)
    history = fit(model, LEARNABLE, params.train, params.augment, None, lambda row, seconds: None)
seen = len(getattr(model.weights[0].value, "values", [None]))
print(json.dumps([seen, history]))
"""


def trained(*names: str) -> tuple[int, list[dict[str, float]]]:
    """How many devices hold the weights, and the history."""
    done = subprocess.run([sys.executable, "-c", TRAINED, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen, history = json.loads(done.stdout.splitlines()[-1])
    return seen, history


@pytest.mark.slow
def test_two_devices_make_the_training_of_one() -> None:
    (one, alone), (two, shared) = trained(), trained("CPU:0", "CPU:1")
    assert (one, two) == (1, 2)
    for left, right in zip(alone, shared, strict=True):
        assert left == pytest.approx(right, rel=1e-3)
