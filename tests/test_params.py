"""The schema: bounds, lists, and what follows from them."""

from collections.abc import Callable

import pytest

from pipeline.blocks import block_sizes, convolutions, per_block
from pipeline.errors import UserError
from pipeline.params import Params

Make = Callable[..., Params]
PLAIN = ("model.filters=[32,64]", "model.kernel=3", "model.padding=same", "model.pool=2", "model.dense=[128]")


def test_one_value_holds_for_every_block() -> None:
    assert per_block(3, 2) == (3, 3)
    assert per_block((3, 5), 2) == (3, 5)


def test_a_block_may_have_several_convolutions_with_their_own_padding(make_params: Make) -> None:
    model = make_params("model.filters=[[8,8],16]", "model.padding=[[same,valid],same]").model
    assert convolutions(model) == [[(8, "same"), (8, "valid")], [(16, "same")]]


def test_block_sizes_follow_padding_and_pooling(make_params: Make) -> None:
    model = make_params(*PLAIN, "model.padding=[same,valid]", "model.pool=[2,1]", "image.size=[9,8]").model
    assert block_sizes(model, (9, 8)) == [(4, 4), (2, 2)]


@pytest.mark.parametrize("key", ["model.kernel", "model.pool", "model.dropout", "model.dense_dropout"])
def test_a_list_of_the_wrong_length_is_refused_by_name(make_params: Make, key: str) -> None:
    with pytest.raises(UserError, match=f"{key} has 3 values for [12] in model.(filters|dense): give one value, or"):
        make_params(*PLAIN, f"{key}={[1, 1, 1] if key in ('model.kernel', 'model.pool') else [0.1, 0.1, 0.1]}")


def test_a_padding_list_that_does_not_fit_its_block_is_refused(make_params: Make) -> None:
    with pytest.raises(UserError, match=r"model.padding \['same', 'valid'\] does not fit the block's filters \[32\]"):
        make_params(*PLAIN, "model.padding=[[same,valid],same]")


def test_an_image_smaller_than_the_network_needs_names_size_and_block(make_params: Make) -> None:
    with pytest.raises(
        UserError, match=r"image.size \[3, 8\] is smaller than the network needs: .* 3 pixels .*block 2"
    ):
        make_params(*PLAIN, "image.size=[3,8]")


def test_the_smallest_image_that_fits_is_taken(make_params: Make) -> None:
    assert make_params(*PLAIN, "image.size=[4,4]").image.size == (4, 4)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (("split.train=0.8",), "split.train 0.8 + split.val 0.15 + split.test 0.15 = 1.1, but must add up to 1"),
        (("split.train=0", "split.val=0.5", "split.test=0.5"), "split.train is 0, which leaves no train data"),
        (("split.train=0.5", "split.val=0", "split.test=0.5"), "split.val is 0, which leaves no val data"),
        (("split.train=1", "split.val=0", "split.test=0"), "split.val is 0, which leaves no val data"),
        (("split.train=1.2", "split.val=-0.1", "split.test=-0.1"), "`split.train` is 1.2, but should be less than or"),
        (("split.train=.nan",), "`split.train` is nan, but should be"),
    ],
)
def test_ratios_that_leave_no_sound_split_are_refused(make_params: Make, overrides: list[str], line: str) -> None:
    with pytest.raises(UserError) as caught:
        make_params(*overrides)
    assert line in str(caught.value)


def test_ratios_may_be_off_by_rounding_alone(make_params: Make) -> None:
    assert make_params("split.train=0.7", "split.val=0.2", "split.test=0.1").split.train == 0.7


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.dropout=1", "`model.dropout` is 1.0, but should be less than 1"),
        ("model.dropout=-0.1", "`model.dropout` is -0.1, but should be greater than or equal to 0"),
        ("model.dropout=[0.1,1.5]", "`model.dropout` is 1.5, but should be less than 1"),
        ("model.kernel=[0,3]", "`model.kernel` is 0, but should be greater than or equal to 1"),
        ("train.epochs=0", "`train.epochs` is 0, but should be greater than or equal to 1"),
        ("train.learning_rate=0", "`train.learning_rate` is 0.0, but should be greater than 0"),
        ("train.learning_rate=.inf", "`train.learning_rate` is inf, but should be less than or equal to 10"),
        ("train.seed=-1", "`train.seed` is -1, but should be greater than or equal to 0"),
        ("train.optimizer=Adam", "`train.optimizer` is 'Adam', but should be 'sgd', 'sgdw', 'adam' or 'adamw'"),
        ("augment.flip_horizontal=maybe", "augment.flip_horizontal is 'maybe', but must be true, false or alternate"),
        ("image.channels=4", "`image.channels` is 4, but should be 1 or 3"),
        ("evaluate.bootstrap=10", "`evaluate.bootstrap` is 10, but should be greater than or equal to 100"),
    ],
)
def test_a_value_out_of_bounds_names_key_value_and_bound(make_params: Make, override: str, line: str) -> None:
    with pytest.raises(UserError) as caught:
        make_params(override)
    assert str(caught.value) == f"preset digits: {line}"


def test_params_cannot_be_changed_after_they_were_checked(make_params: Make) -> None:
    with pytest.raises(ValueError, match="frozen"):
        make_params().train.epochs = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["train.epochs=2"], "train.small_epochs is 2 of 2 train.epochs: leave some"),
        (["model.pooling=flatten"], "with model.pooling flatten each size has its own weights"),
        (["train.small_scale=0.1"], "nothing is left of 1 pixels after block 1"),
        (["backbone.name=vgg16", "image.size=[32,32]", "image.channels=3"], "starts from backbone has one size"),
    ],
)
def test_small_images_must_fit_the_training(make_params: Make, overrides: list[str], line: str) -> None:
    with pytest.raises(UserError) as error:
        make_params("train.small_epochs=2", "model.pooling=max", *overrides)
    assert line in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("channels", ["true", "1.0", "2", "grey"])
def test_channels_are_one_or_three_and_nothing_like_it(make_params: Make, channels: str) -> None:
    with pytest.raises(UserError, match=r"image\.channels"):
        make_params(f"image.channels={channels}")
