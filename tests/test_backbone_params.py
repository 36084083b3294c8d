"""The section `backbone`: what contradicts itself is one line that names the key."""

from collections.abc import Callable

import pytest

from pipeline import naming, params_file, run_key
from pipeline.errors import UserError
from pipeline.params import Params

Make = Callable[..., Params]
VGG = ("image.size=[64,64]", "image.channels=3", "backbone.name=vgg16", "backbone.weights=imagenet")

STILL = [f"augment.{name}=0" for name in ("rotation", "shift_height", "shift_width", "zoom")]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("backbone.name=resnet",), "backbone.name is 'resnet': there are vgg16, resnet50, mobilenet_v2, and none"),
        ((*VGG, "image.size=[31,64]"), "image.size is [31, 64], but vgg16 needs 32 pixels a side at least"),
        ((*VGG, "image.channels=1"), "image.channels is 1, but vgg16 takes colour"),
        ((*VGG, "backbone.width=0.5"), "backbone.width is 0.5, but vgg16 comes in 1.0"),
        (("backbone.trainable=none",), "backbone.trainable is none, but without backbone.weights nothing is trained"),
        (("backbone.weights=imagenet",), "backbone.name is none: name a network"),
        (("backbone.weights=",), "backbone.weights is empty"),
        ((*VGG, "backbone.trainable=none", "backbone.head_epochs=2"), "backbone.trainable is none: say 0"),
        ((*VGG, "backbone.trainable=0"), "backbone.trainable"),
        (("backbone.normalize=true",), "backbone.normalize is true, but without backbone.weights features have no"),
        ((*VGG, "backbone.views=2"), "backbone.views is 2, but backbone.trainable is all"),
        (
            (*VGG, *STILL, "backbone.views=2", "backbone.trainable=3"),
            "backbone.views is 2, but augment changes nothing",
        ),
    ],
)
def test_what_contradicts_itself_is_one_line(make_params: Make, overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError) as caught:
        make_params(*overrides)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_without_its_bytes_is_refused(make_params: Make) -> None:
    values = make_params(*VGG).model_dump(mode="json")
    rest = {name: getattr(make_params(*VGG), name).model_dump(mode="json") for name in ("promote", "retrain")}
    rest["tune"] = make_params(*VGG).tune.model_dump(mode="json", exclude_none=True)
    values["backbone"]["weights"] = "weights.h5"
    with pytest.raises(UserError, match=r"backbone.sha256 is empty, so weights.h5 could be other weights tomorrow"):
        params_file.parse(values | rest)


def test_a_training_without_it_is_the_one_it_was(make_params: Make) -> None:
    assert "backbone" not in run_key.train_params(make_params())
    with_it = run_key.train_params(make_params(*VGG))
    assert with_it["backbone"]["name"] == "vgg16" and "mirror" not in with_it["backbone"]


def test_a_run_is_named_by_its_backbone(make_params: Make) -> None:
    flat = params_file.flatten(make_params(*VGG).model_dump(mode="json"))
    assert naming.network(flat).startswith("vgg16 dense ")
    other = params_file.flatten(make_params(*VGG, "model.filters=[4]").model_dump(mode="json"))
    deeper = params_file.flatten(make_params(*VGG, "backbone.until=[block3_pool]").model_dump(mode="json"))
    assert len({naming.network(each) for each in (flat, other, deeper)}) == 3


def test_weights_are_called_by_their_file_or_address(make_params: Make) -> None:
    presets = {"digits": params_file.flatten(make_params().model_dump(mode="json"))}

    def called(weights: str) -> str:
        return naming.recipe(presets["digits"] | {"backbone.weights": weights}, presets).name()

    assert called("/home/of/someone/start.keras") == "weights start.keras (digits)"
    assert called("models:/cifar10/3") == "weights models:/cifar10/3 (digits)"
    long = [f"/weights/vgg16_weights_tf_dim_ordering_{end}.h5" for end in ("notop", "top")]
    first, second = map(called, long)
    assert first != second and len(first) < 50 and first.startswith("weights vgg16_weights_~")
