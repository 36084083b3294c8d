"""What a study seeks."""

from typing import get_args

import numpy as np
import pytest

from pipeline import keras_setup, metrics, objectives
from pipeline.model import build_model
from pipeline.packed import Packed
from pipeline.tune_params import Metric
from tests.tracked_runs import params_of


def test_the_schema_knows_exactly_these() -> None:
    assert set(get_args(Metric)) == set(objectives.OBJECTIVES)


def test_each_has_its_direction() -> None:
    higher = {name for name, metric in objectives.OBJECTIVES.items() if metric.higher_is_better}
    assert higher == {"val_accuracy", "val_macro_f1", "val_top5_accuracy"}


def test_what_keras_logs_is_not_measured_again() -> None:
    assert objectives.measured(("val_accuracy", "val_macro_f1", "parameters")) == ["val_macro_f1"]


def test_metrics_of_guesses_are_those_of_the_test_split() -> None:
    keras_setup.deterministic(0, 2)
    random = np.random.default_rng(0)
    val = Packed(random.integers(0, 256, (50, 8, 8, 1), dtype=np.uint8), random.integers(0, 10, 50).astype(np.int32))
    model = build_model(params_of().model, (8, 8, 1), 10, 0)
    guesses = np.asarray(model(val.images, training=False))
    names = ["val_macro_f1", "val_top5_accuracy", "val_expected_calibration_error"]
    found = objectives.of_guesses(names, model, val, 16)
    wanted = {name: metrics.MEASURES[name[4:]](val.labels, guesses) for name in names}
    assert found == pytest.approx(wanted, abs=1e-6)


def test_what_a_network_costs() -> None:
    keras_setup.deterministic(0, 2)
    model = build_model(params_of().model, (8, 8, 1), 10, 0)
    found = objectives.costs(("val_accuracy", "latency_ms"), model)
    assert found["parameters"] == model.count_params()
    assert 0 < found["latency_ms"] < 10_000
    assert set(objectives.costs(("val_accuracy",), model)) == {"parameters"}
