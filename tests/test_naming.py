"""Names of runs: what differs first, pure and the same for ever."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import naming, params_file, wording
from pipeline.params import Params
from tests.conftest import OF_A_FOLDER, REPOSITORY

PRESETS = naming.read_presets(REPOSITORY / "presets")


def flat(params: Params) -> dict[str, Any]:
    return params_file.flatten(params.model_dump(mode="json"))


@pytest.fixture
def recipe_of(make_params: Callable[..., Params]) -> Callable[..., naming.Recipe]:
    """The recipe of a preset with overrides."""
    return lambda *changes, preset="digits": naming.recipe(flat(make_params(*changes, preset=preset)), PRESETS)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ((), "digits"),
        (("model.dropout=0.3",), "dropout 0.3 (digits)"),
        (("train.epochs=5", "model.dropout=0.3"), "dropout 0.3, epochs 5 (digits)"),
        (("train.optimizer=sgd", "train.learning_rate=0.1"), "sgd, rate 0.1 (digits)"),
        (("model.filters=[[32,32],64]",), "filters 32+32-64 (digits)"),
        (("image.size=[16,16]",), "size 16x16 (digits)"),
        (("model.dense=[]",), "dense none (digits)"),
        (("model.batch_norm=false", "augment.flip_horizontal=true"), "batch norm off, flip on (digits)"),
        (("train.seed=1", "split.seed=2"), "seed 1, split seed 2 (digits)"),
        (("evaluate.bootstrap=100", "dataset.mirror=/data"), "digits"),
    ],
)
def test_a_run_is_named_by_its_changes(recipe_of: Callable[..., naming.Recipe], changes: Any, name: str) -> None:
    assert recipe_of(*changes).name() == name


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - OF_A_FOLDER))
def test_an_unchanged_preset_is_named_by_itself(recipe_of: Callable[..., naming.Recipe], preset: str) -> None:
    assert recipe_of(preset=preset) == naming.Recipe(preset, ())


def test_many_changes_show_the_first_and_stay_told_apart(recipe_of: Callable[..., naming.Recipe]) -> None:
    many = ("model.filters=[16,32]", "model.dense=[64]", "model.dropout=0.1", "train.epochs=5", "augment.zoom=0.2")
    first, second = recipe_of(*many, "train.seed=1"), recipe_of(*many, "train.seed=2")
    assert first.name().startswith("filters 16-32, dense 64 +4 ")
    assert len(first.name()) <= naming.ROOM + len(" +4 abcd (digits)")
    assert first.name() != second.name()


def test_changes_are_written_in_full(recipe_of: Callable[..., naming.Recipe]) -> None:
    recipe = recipe_of("train.epochs=5", "model.dropout=0.3")
    assert recipe.described() == "model.dropout 0 -> 0.3; train.epochs 40 -> 5"
    assert recipe_of().described() == "none"


def test_the_nearest_preset_is_one_of_the_same_data(recipe_of: Callable[..., naming.Recipe]) -> None:
    towards_mnist = ("image.size=[28,28]", "train.epochs=4", "train.batch_size=128", "augment.rotation=8.0")
    assert recipe_of(*towards_mnist).preset == "digits"


def test_a_recipe_on_other_data_keeps_its_name(recipe_of: Callable[..., naming.Recipe]) -> None:
    changes = ("train.seed=1", "dataset.name=folder", f"dataset.path={REPOSITORY}")
    assert recipe_of(*changes, preset="flowers-padding").name() == "seed 1 (flowers-padding)"
    assert recipe_of(*changes[1:], preset="flowers-padding").name() == "flowers-padding"


def test_equal_values_of_another_type_are_no_change() -> None:
    assert naming.recipe({"a.x": 1, "a.y": (8, 8)}, {"p": {"a.x": 1.0, "a.y": [8, 8]}}).changes == ()
    assert naming.recipe({"a.x": True}, {"p": {"a.x": 1}}).described() == "a.x 1 -> on"


def test_nearness_ties_go_to_the_first_name() -> None:
    presets = {"b": {"train.seed": 0}, "a": {"train.seed": 1}}
    assert naming.recipe({"train.seed": 2}, presets).name() == "seed 2 (a)"


def test_no_two_keys_share_a_word() -> None:
    keys = [
        key
        for key in params_file.known_names()
        if "." in key and key not in naming.LEFT_OUT and not key.startswith(("tune.", "promote.", "retrain."))
    ]
    words = [wording.word_of(key) for key in keys]
    assert len(set(words)) == len(words)
    assert set(wording.WORDS) <= set(keys)


def test_floats_that_differ_are_written_differently() -> None:
    assert wording.compact("train.learning_rate", 0.30000001) != wording.compact("train.learning_rate", 0.3)
    assert wording.compact("train.learning_rate", 1e-05) == "1e-05"


def test_a_preset_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("train: {seed: 0}")
    (tmp_path / "good.yaml").write_text("train: {seed: 1}")
    (tmp_path / "broken.yaml").write_text("train: [")
    assert naming.read_presets(tmp_path) == {"good": {"train.seed": 1}}
    assert naming.recipe({"dataset.name": "digits"}, naming.read_presets(tmp_path / "none")).name() == "digits"


def test_the_network_in_words_tells_networks_apart(make_params: Callable[..., Params]) -> None:
    plain, wider = flat(make_params()), flat(make_params("model.kernel=5"))
    assert naming.network(plain).startswith("conv 32-64 dense 128 ")
    assert naming.network(plain) != naming.network(wider)
    assert naming.network(plain) == naming.network(flat(make_params("train.epochs=3")))
