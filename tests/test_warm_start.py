"""Trained weights to begin with: what is taken over, what trains on, and what does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup, warm_start
from pipeline.errors import UserError
from pipeline.model import both_ways, build_model
from pipeline.params import Params
from tests.small_model import LABELS, save_model

Make = Callable[..., Params]
SMALL = ("model.filters=[8]", "model.dense=[16]")
TWO = ("model.filters=[8,4]", "model.batch_norm=false")
MOBILE = ("image.size=[32,32]", "image.channels=3", "backbone.name=mobilenet_v2", "backbone.width=0.35")


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def begun(params: Params, file: Path, labels: list[str] = LABELS) -> Any:
    model = build_model(params.model, (*params.image.size, params.image.channels), len(labels), 9, params.backbone)
    warm_start.begin(model, params.backbone, file, labels)
    return model


def ours(make_params: Make, file: Path, *more: str) -> Params:
    return make_params("image.channels=3", *SMALL, f"backbone.weights={file}", *more)


def weights_of(model: Any, name: str) -> Any:
    return np.concatenate([weight.ravel() for weight in model.get_layer(name).get_weights()])


def test_a_model_of_ours_is_taken_over_whole(tmp_path: Path, make_params: Make) -> None:
    from pipeline import canonical

    file = save_model(tmp_path / "model.keras")
    source, _ = canonical.load(file)
    model = begun(ours(make_params, file), file)
    for name in ("block_1_conv_1", "dense_1", "probabilities"):
        assert np.array_equal(weights_of(model, name), weights_of(source, name)), name


def test_a_model_that_answers_both_ways_is_taken_over_from_inside(tmp_path: Path, make_params: Make) -> None:
    from pipeline import canonical

    source, _ = canonical.load(save_model(tmp_path / "model.keras"))
    file = tmp_path / "flipped.keras"
    canonical.save(both_ways(source), file, {"labels": LABELS})
    model = begun(ours(make_params, file), file)
    for name in ("block_1_conv_1", "dense_1", "probabilities"):
        assert np.array_equal(weights_of(model, name), weights_of(source, name)), name


def test_other_classes_have_a_new_last_layer(tmp_path: Path, make_params: Make) -> None:
    file = save_model(tmp_path / "model.keras")
    same = begun(ours(make_params, file), file)
    other = begun(ours(make_params, file), file, ["ash", "birch", "cedar", "elm"])
    assert np.array_equal(weights_of(same, "block_1_conv_1"), weights_of(other, "block_1_conv_1"))
    assert not np.array_equal(weights_of(same, "probabilities"), weights_of(other, "probabilities"))


@pytest.mark.parametrize(
    ("trainable", "trains"),
    [("none", [False, False]), ("1", [False, True]), ("all", [True, True])],
)
def test_the_last_layers_train_on(tmp_path: Path, make_params: Make, trainable: str, trains: list[bool]) -> None:
    two = (*TWO, f"backbone.trainable={trainable}")
    file = tmp_path / "model.keras"
    params = make_params("image.channels=3", *SMALL, *TWO)
    _save(params, file)
    model = begun(ours(make_params, file, *two), file)
    assert [model.get_layer(f"block_{number}_conv_1").trainable for number in (1, 2)] == trains
    assert model.get_layer("dense_1").trainable


def _save(params: Params, file: Path) -> None:
    from pipeline import canonical

    shape = (*params.image.size, params.image.channels)
    model = build_model(params.model, shape, len(LABELS), 3, params.backbone)
    canonical.save(model, file, {"labels": LABELS})


def test_what_does_not_fit_is_one_line(tmp_path: Path, make_params: Make) -> None:
    file, broken = save_model(tmp_path / "model.keras"), tmp_path / "broken.keras"
    broken.write_bytes(file.read_bytes()[:3000])
    for params, given, said in (
        (make_params(*SMALL, f"backbone.weights={file}"), file, "takes pictures of 8x8x3, this training has 8x8x1"),
        (ours(make_params, file, "model.filters=[6]"), file, "has no layer block_1_conv_1 of this shape"),
        (
            ours(make_params, file, "backbone.trainable=7"),
            file,
            "backbone.trainable is 7, but 1 of the layers can train",
        ),
        (ours(make_params, broken), broken, "is broken or no model of this project"),
    ):
        with pytest.raises(UserError) as caught:
            begun(params, given)
        assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_backbone_keeps_its_statistics_and_refuses_weights_of_another(tmp_path: Path, make_params: Make) -> None:
    import keras

    published = keras.applications.MobileNetV2(include_top=False, weights=None, alpha=0.35, input_shape=(32, 32, 3))
    file, other = tmp_path / "mobile.h5", tmp_path / "other.h5"
    published.save_weights(tmp_path / "mobile.weights.h5")
    (tmp_path / "mobile.weights.h5").rename(file.with_suffix(".weights.h5"))
    file = file.with_suffix(".weights.h5")
    params = make_params(*MOBILE, f"backbone.weights={file}", "backbone.trainable=20")
    model = begun(params, file)
    assert np.array_equal(weights_of(model, "Conv_1"), weights_of(published, "Conv_1"))
    moving = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert moving and not any(layer.trainable for layer in moving)
    assert model.get_layer("Conv_1").trainable and not model.get_layer("Conv1").trainable
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "other.weights.h5").rename(other)
    with pytest.raises(UserError, match=r"backbone.weights .* has no weights for mobilenet"):
        begun(params, other)
