"""The search space: read, held to the schema, resolved to params."""

from collections.abc import Callable
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from pipeline import naming, params_file, space
from pipeline.errors import UserError
from pipeline.params import Params
from tests.conftest import OF_A_FOLDER, REPOSITORY

Make = Callable[..., Params]
PRESETS = sorted(file.stem for file in (REPOSITORY / "presets").glob("*.yaml") if file.stem != naming.BASE)


def space_of(make: Make, text: str, *overrides: str) -> space.Space:
    return space.space_of(make(f"tune.space={{{text}}}", *overrides))


def test_ranges_become_distributions(make_params: Make) -> None:
    found = space_of(
        make_params,
        "model.dropout: {low: 0, high: 0.5}, train.batch_size: {low: 16, high: 128, log: true}, "
        "augment.zoom: {low: 0.0, high: 0.25, step: 0.1}, train.optimizer: [adam, sgd], model.dense: [[64], [32, 16]]",
    )
    assert found.distributions == {
        "model.dropout": FloatDistribution(0.0, 0.5),
        "train.batch_size": IntDistribution(16, 128, log=True),
        "augment.zoom": FloatDistribution(0.0, 0.2, step=0.1),
        "train.optimizer": CategoricalDistribution(("adam", "sgd")),
        "model.dense": CategoricalDistribution(("[64]", "[32, 16]")),
    }


def test_a_whole_range_of_a_broken_param_is_broken(make_params: Make) -> None:
    found = space_of(make_params, "augment.rotation: {low: 0, high: 20}")
    assert isinstance(found.distributions["augment.rotation"], FloatDistribution)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_space_of_every_preset_is_right_and_its_start_is_today(make_params: Make, preset: str) -> None:
    overrides = [f"dataset.path={REPOSITORY}"] if preset in OF_A_FOLDER else []
    params = make_params(*overrides, preset=preset)
    found = space.space_of(params)
    assert found.params_at(found.today()) == params
    known = {name: value for name, value in found.resolve(found.start).items() if name in found.today()}
    if found.start.keys() == found.distributions.keys():
        assert known == found.today()


def test_a_value_of_today_outside_of_its_range_is_left_out_of_the_start(make_params: Make) -> None:
    found = space_of(make_params, "model.dropout: {low: 0.1, high: 0.5}, train.batch_size: [32, 64]", "model.dropout=0")
    assert found.start == {"train.batch_size": 64}
    assert found.today() == {"model.dropout": 0.0, "train.batch_size": 64}


def test_a_point_becomes_params(make_params: Make) -> None:
    found = space_of(
        make_params, "model.filters: {first: [8, 16], growth: [1.5]}, model.dropout: {low: 0.0, high: 0.5}"
    )
    resolved = found.resolve({"model.filters.first": 16, "model.filters.growth": 1.5, "model.dropout": 0.123456})
    assert resolved == {"model.filters": [16, 24], "model.dropout": 0.123}
    params = found.params_at(resolved)
    assert (params.model.filters, params.model.dropout) == ((16, 24), 0.123)
    assert params.train == found.params.train


def test_a_rounded_number_stays_in_its_range(make_params: Make) -> None:
    found = space_of(make_params, "model.dropout: {low: 0.1234567, high: 0.4999999}")
    assert found.resolve({"model.dropout": 0.49996})["model.dropout"] == 0.4999999
    assert found.resolve({"model.dropout": 0.1234568})["model.dropout"] == 0.1234567


def test_choices_that_are_lists_come_back_as_lists(make_params: Make) -> None:
    found = space_of(make_params, "model.dense: [[64], [32, 16]]")
    assert found.resolve({"model.dense": "[32, 16]"}) == {"model.dense": [32, 16]}


def test_a_network_that_cannot_be_is_told(make_params: Make) -> None:
    found = space_of(make_params, "model.filters: {first: [8], growth: [1.0], blocks: {low: 1, high: 5}}")
    with pytest.raises(UserError, match="nothing is left of 8 pixels"):
        found.params_at(
            found.resolve({"model.filters.first": 8, "model.filters.growth": 1.0, "model.filters.blocks": 5})
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "tune.space is empty: name at least one param"),
        (
            "model.dropout: {low: 0.0, high: 1.5}",
            "tune.space.model.dropout: `model.dropout` is 1.5, but should be less",
        ),
        ("model.dropuot: {low: 0.0, high: 0.5}", "unknown key `model.dropuot`: did you mean `model.dropout`"),
        ("image.size: [[8, 8]]", "`image.size` is the same for all trials"),
        ("split.seed: [1, 2]", "`split.seed` is the same for all trials"),
        ("train.seed: [1, 2]", "`train.seed` is nothing to tune"),
        ("model.dropout: {low: 0.5, high: 0.1}", "tune.space.model.dropout: low 0.5 is not below high 0.1"),
        ("model.dropout: 3", "tune.space.model.dropout is 3: give {low: ..., high: ...} or a list"),
        ("model.dropout: []", "tune.space.model.dropout is an empty list"),
        ("model.dropout: {lo: 0, high: 1}", "has no `low`|has an unknown `lo`"),
        ("model.dropout: {low: a, high: 1}", "tune.space.model.dropout.low is 'a'"),
        ("model.dropout: {low: 0, high: 0.5, step: 0.6}", "step 0.6 is wider"),
        ("model.dropout: {low: 0, high: 0.5, step: -1}", "step -1 is not above 0"),
        ("train.learning_rate: {low: 0, high: 1, log: true}", "low 0 has no logarithm"),
        ("train.learning_rate: {low: 0.1, high: 1, log: true, step: 0.1}", "step and log exclude each other"),
        ("train.optimizer: [adam, foo]", "`train.optimizer` is 'foo'"),
        ("train.epochs: {low: 1.5, high: 3}", "`train.epochs` is 1.5"),
        ("model.dropout: {low: 0, high: .inf}", "`model.dropout` is inf"),
        ("model.dropout: {low: .nan, high: 0.5}", "`model.dropout` is nan|is not below"),
        ("model.dropout: [0.1]", "tune.space has one point only"),
        ("model.dropout: {first: [8], growth: [1.0]}", "has a rule, but that is for model.filters"),
        ("model.filters: {first: [8], growht: [1.0]}", "has an unknown `growht`|has no `growth`"),
        ("model.filters: {first: {low: 0, high: 8}, growth: [1.0]}", "first: 0 is not within 1 to 100000"),
    ],
)
def test_a_bad_space_costs_one_line(make_params: Make, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        space_of(make_params, text)
    assert "\n" not in str(caught.value)


def test_of_one_block_growth_is_not_tuned(make_params: Make) -> None:
    found = space_of(make_params, "model.filters: {first: [8, 16], growth: [1.0, 2.0]}", "model.filters=[8]")
    assert list(found.distributions) == ["model.filters.first"]
    assert found.resolve({"model.filters.first": 16}) == {"model.filters": [16]}


def test_a_rule_without_blocks_needs_blocks_today(make_params: Make) -> None:
    with pytest.raises(UserError, match=r"model.filters needs `blocks`"):
        space_of(make_params, "model.filters: {first: [8], growth: [1.0, 2.0]}", "model.filters=[]")


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("test_accuracy", "the test split steers nothing"),
        ("accuracy", "there are val_accuracy, val_loss"),
        ("[val_loss, val_loss]", "names val_loss twice"),
        ("parameters", "put a metric of validation first"),
        ("[val_accuracy, val_loss, parameters]", "tune.objective"),
    ],
)
def test_a_bad_objective_costs_one_line(make_params: Make, objective: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        make_params(f"tune.objective={objective}")
    assert "\n" not in str(caught.value)


def test_one_objective_may_stand_in_a_list(make_params: Make) -> None:
    assert make_params("tune.objective=[val_loss]").tune.objectives == ("val_loss",)
    assert make_params("tune.objective=[val_accuracy, parameters]").tune.objectives == ("val_accuracy", "parameters")


def test_the_space_in_words(make_params: Make) -> None:
    words: dict[str, Any] = space.described(make_params())
    assert words["model.filters.first"] == "8 to 64 by 8"
    assert words["train.learning_rate"] == "0.0003 to 0.01, log"
    assert words["augment.flip_horizontal"] == "false, true"


def test_the_section_is_no_part_of_a_run(make_params: Make) -> None:
    assert not [name for name in params_file.flatten(make_params().model_dump(mode="json")) if name.startswith("tune")]
