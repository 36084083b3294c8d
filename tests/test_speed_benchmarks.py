"""What the benchmarks of speed measure is what they say: pictures of 100 classes, parts of a recipe."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.ablation import parts
from benchmarks.hundred_classes import HALF, SIDE, pairs
from tests.tracked_runs import params_of

CLASSES, EACH = 10, 20


@pytest.fixture(scope="module")
def sources() -> dict[str, list[Image.Image]]:
    """Every picture has a colour of its own."""
    return {
        f"class{label}": [Image.new("RGB", (SIDE, HALF), (label, number, 0)) for number in range(EACH)]
        for label in range(CLASSES)
    }


def test_every_source_is_once_above_and_once_below(sources: dict[str, list[Image.Image]]) -> None:
    made = pairs(sources, np.random.default_rng(0))
    assert len(made) == CLASSES**2
    pictures = np.array([pixels for each in made.values() for pixels in each])
    assert pictures.shape == (CLASSES * EACH, SIDE, SIDE, 3)
    for half in (pictures[:, :HALF], pictures[:, HALF:]):
        colours = {tuple(colour) for colour in half[:, 0, 0]}
        assert len(colours) == CLASSES * EACH
        assert (half == half[:, :1, :1]).all()


def test_a_class_is_what_is_above_and_what_is_below(sources: dict[str, list[Image.Image]]) -> None:
    made = pairs(sources, np.random.default_rng(0))
    assert {pixels[0, 0, 0] for pixels in made["class3-over-class7"]} == {3}
    assert {pixels[-1, 0, 0] for pixels in made["class3-over-class7"]} == {7}
    assert {len(each) for each in made.values()} == {EACH // CLASSES}


def test_each_part_left_out_leaves_a_valid_preset() -> None:
    left_out = parts(params_of(preset="cifar10-fast"))
    assert {"model.whiten=0", "augment.flip_horizontal=true", "train.small_epochs=0"} <= set(left_out)
    assert "augment.shift_height=0 augment.shift_width=0 augment.whole_shifts=false" in left_out
    whole = params_of(preset="cifar10-fast")
    for change in left_out:
        assert params_of(*change.split(), preset="cifar10-fast") != whole


def test_what_a_preset_does_not_have_cannot_be_left_out() -> None:
    assert not [change for change in parts(params_of(preset="mnist-fast")) if "whiten" in change or "small" in change]
