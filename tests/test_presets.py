"""The notebooks' presets are the notebooks' networks: layers, parameters, optimizer, and the losses of plain Keras."""

from typing import Any

import numpy as np
import pytest

from benchmarks.plain_notebooks import SYSTEMS, build
from pipeline import keras_setup
from pipeline.model import build_model
from pipeline.optimizer import compile_model
from pipeline.published import PUBLISHED
from tests.conftest import REPOSITORY
from tests.tracked_runs import params_of

NETWORKS = sorted(PUBLISHED)
FLOWERS = [name for name in NETWORKS if name.startswith("flowers")]
STEPS, BATCH = 10, 4
OURS_ONLY = {"InputLayer", "Rescaling"}  # plain Keras gets pixels divided by hand


@pytest.fixture(scope="module", autouse=True)
def _keras() -> None:
    keras_setup.deterministic(0, 2)


def ours(name: str) -> Any:
    params, system = params_of(preset=name), SYSTEMS[name]
    shape = (*params.image.size, params.image.channels)
    assert shape == system.shape
    model = build_model(params.model, shape, system.num_classes, params.train.seed)
    compile_model(model, params.train, STEPS, system.num_classes)
    return model


def settings(layer: Any) -> dict[str, Any]:
    """What a layer computes, whatever it is called."""
    config = layer.get_config()
    wanted = ("filters", "kernel_size", "strides", "padding", "pool_size", "units", "activation", "rate", "use_bias")
    starts = {key: config[key]["class_name"] for key in ("kernel_initializer", "bias_initializer") if key in config}
    return {"kind": type(layer).__name__, **{key: config[key] for key in wanted if key in config}, **starts}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_and_parameters_are_the_notebooks(name: str) -> None:
    model, plain = ours(name), build(name)
    layers = [settings(layer) for layer in model.layers if type(layer).__name__ not in OURS_ONLY]
    assert layers == [settings(layer) for layer in plain.layers]
    assert model.count_params() == plain.count_params() == PUBLISHED[name].parameters


@pytest.mark.parametrize("name", NETWORKS)
def test_the_optimizer_is_the_notebooks(name: str) -> None:
    mine, plain = ours(name).optimizer.get_config(), build(name).optimizer.get_config()
    assert {**mine, "name": ""} == {**plain, "name": ""}


@pytest.mark.parametrize("name", NETWORKS)
def test_batch_size_epochs_and_rescaling_are_the_notebooks(name: str) -> None:
    params, system = params_of(preset=name), SYSTEMS[name]
    assert (params.train.batch_size, params.train.epochs) == (system.batch_size, system.epochs)
    assert params.model.rescale == system.rescale
    assert params.train.patience == (4 if name == "cifar100-cnn" else 0)


def test_only_flowers_augment_augments() -> None:
    changed = {name: params_of(preset=name).augment.model_dump() for name in NETWORKS}
    on = {name: {key: value for key, value in keys.items() if value} for name, keys in changed.items()}
    assert on.pop("flowers-augment") == {"flip_horizontal": True, "rotation": 0.2, "shift_height": 0.2}
    assert not any(on.values())


LARGE = ("flowers-baseline", "flowers-dropout", "flowers-filters", "flowers-padding")  # flowers-augment is of every run


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in NETWORKS]
)
def test_ten_steps_give_the_losses_of_plain_keras(name: str) -> None:
    model = ours(name)
    drops = [layer.seed for layer in model.layers if type(layer).__name__ == "Dropout"]
    plain = build(name, iter(drops))
    plain.set_weights(model.get_weights())
    random = np.random.default_rng(0)
    for _ in range(STEPS):
        pixels = random.integers(0, 256, (BATCH, *SYSTEMS[name].shape), dtype=np.uint8)
        labels = random.integers(0, SYSTEMS[name].num_classes, BATCH)
        divided = pixels.astype(np.float32) / (255 if SYSTEMS[name].rescale else 1)
        for each in (model, plain):
            each.reset_metrics()  # else the loss is the mean of all steps so far
        mine = model.train_on_batch(pixels, labels)[0]
        assert mine == pytest.approx(plain.train_on_batch(divided, labels)[0], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", FLOWERS)
def test_the_flowers_presets_run_on_either_data_set(name: str) -> None:
    official, own = params_of(preset=name), params_of("dataset.name=folder", f"dataset.path={REPOSITORY}", preset=name)
    assert (official.dataset.name, own.dataset.name, own.dataset.watch) == ("flowers", "folder", str(REPOSITORY))
    assert official.model_dump(exclude={"dataset"}) == own.model_dump(exclude={"dataset"})
