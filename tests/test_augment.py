"""Each change of training images does what it says, and nothing else."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import keras_setup
from pipeline.augment import augment
from pipeline.params import Augment

Images = NDArray[np.uint8]
SWITCHES = ("flip_horizontal", "flip_vertical", "whole_shifts")
OFF: dict[str, Any] = {name: False if name in SWITCHES else 0.0 for name in Augment.model_fields}
EVERYTHING = OFF | {
    "flip_horizontal": True,
    "flip_vertical": True,
    "rotation": 20.0,
    "shift_height": 0.1,
    "shift_width": 0.1,
    "zoom": 0.2,
    "contrast": 0.3,
    "brightness": 0.1,
    "cutout": 0.4,
}
MOVES: list[dict[str, Any]] = [{"rotation": 90.0}, {"shift_height": 0.3}, {"shift_width": 0.3}, {"zoom": 0.4}]


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def noise(count: int = 200, side: int = 10, channels: int = 3, low: int = 0, high: int = 256) -> Images:
    return np.random.default_rng(0).integers(low, high, (count, side, side, channels), dtype=np.uint8)


def changed(images: Images, seed: int = 0, **settings: Any) -> Images:
    result: Images = augment(images, (np.int64(7), np.int64(seed)), Augment(**(OFF | settings))).numpy()
    return result


def test_nothing_asked_for_is_nothing_done() -> None:
    assert not Augment(**OFF).is_on
    assert np.array_equal(changed(noise()), noise())


@pytest.mark.parametrize("name", [name for name in EVERYTHING if name != "whole_shifts"])
def test_any_change_counts_as_on(name: str) -> None:
    assert Augment(**(OFF | {name: EVERYTHING[name]})).is_on


def test_the_seed_alone_decides() -> None:
    first, same, other = (changed(noise(), seed, **EVERYTHING) for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)


def test_whole_shifts_move_pixels_and_blend_none() -> None:
    assert not Augment(**(OFF | {"whole_shifts": True})).is_on
    images = noise()
    moved = changed(images, shift_height=0.2, shift_width=0.2, whole_shifts=True)
    kept = [np.isin(after, before).all() for before, after in zip(images, moved, strict=True)]
    assert all(kept) and not np.array_equal(moved, images)
    rows = {
        step
        for before, after in zip(images, moved, strict=True)
        for step in range(-2, 3)
        if np.array_equal(after[2:8, 4:6], np.roll(before, step, axis=0)[2:8, 4:6])
    }
    assert rows == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_stay(channels: int) -> None:
    images = noise(3, 9, channels)[:, :, :7]
    result = changed(images, **EVERYTHING)
    assert result.shape == images.shape and result.dtype == np.dtype(np.uint8)


@pytest.mark.parametrize(("name", "axis"), [("flip_horizontal", 2), ("flip_vertical", 1)])
def test_a_flip_mirrors_about_half_of_the_images_exactly(name: str, axis: int) -> None:
    images = noise(400)
    result, mirrored = changed(images, **{name: True}), np.flip(images, axis)
    flipped = (result == mirrored).all(axis=(1, 2, 3))
    assert np.array_equal(result, np.where(flipped[:, None, None, None], mirrored, images))
    assert 150 < flipped.sum() < 250


@pytest.mark.parametrize("settings", MOVES)
def test_a_move_moves_and_brings_in_only_what_was_there(settings: dict[str, Any]) -> None:
    images = noise(50, low=100, high=200)
    result = changed(images, **settings)
    assert (result != images).any(axis=(1, 2, 3)).all()
    assert result.min() >= 100 and result.max() < 200


def test_a_shift_moves_at_most_its_share_and_only_its_way() -> None:
    columns = np.broadcast_to(np.arange(0, 200, 10, dtype=np.uint8)[None, None, :, None], (300, 20, 20, 1))
    assert np.array_equal(changed(columns.copy(), shift_height=0.4), columns)
    inside = changed(columns.copy(), shift_width=0.2)[:, 10, 10, 0].astype(float)
    assert inside.min() < 100 - 35 and inside.max() > 100 + 35
    assert np.abs(inside - 100).max() <= 0.2 * 20 * 10 + 1


def test_a_rotation_turns_about_the_middle() -> None:
    ring = noise(100, 11, 1)
    turned = changed(ring, rotation=180.0)
    assert np.array_equal(turned[:, 5, 5], ring[:, 5, 5])
    assert not np.array_equal(turned[:, 0, 5], ring[:, 0, 5])


def test_a_zoom_keeps_the_middle_and_the_share() -> None:
    ramp = np.broadcast_to(np.arange(0, 210, 10, dtype=np.uint8)[None, None, :, None], (200, 21, 21, 1)).copy()
    zoomed = changed(ramp, zoom=0.3).astype(float)
    step = (zoomed[:, 10, 12, 0] - zoomed[:, 10, 8, 0]) / 40
    assert np.array_equal(zoomed[:, 10, 10, 0], ramp[:, 10, 10, 0])
    assert step.min() >= 0.69 and step.max() <= 1.31 and step.max() - step.min() > 0.4


def test_brightness_adds_one_number_to_an_image_within_its_share() -> None:
    images = noise(low=60, high=190)
    added = changed(images, brightness=0.2).astype(int) - images
    per_image = added.reshape(len(images), -1)
    assert (per_image.max(axis=1) == per_image.min(axis=1)).all()
    assert -51 <= added.min() < -40 and 40 < added.max() <= 51


def test_contrast_stretches_about_the_images_mean_within_its_share() -> None:
    images = noise(low=100, high=156)
    result = changed(images, contrast=0.5).astype(float)
    spread = result.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert 0.48 < spread.min() < 0.6 and 1.4 < spread.max() < 1.52
    np.testing.assert_allclose(result.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), atol=0.6)


def test_brightness_stops_at_black_and_white() -> None:
    result = changed(np.full((100, 4, 4, 1), 250, np.uint8), brightness=0.9)
    assert result.max() == 255 and result.min() < 100


def test_cutout_covers_one_rectangle_inside_with_the_mean_colour() -> None:
    images = np.broadcast_to(np.arange(100, dtype=np.uint8).reshape(1, 10, 10, 1) * 2, (300, 10, 10, 1)).copy()
    covered = (changed(images, cutout=0.4) == 99) & (images != 99)
    assert (covered.sum(axis=(1, 2, 3)) == 16).all()
    assert (covered.any(axis=2).sum(axis=1) == 4).all() and (covered.any(axis=1).sum(axis=1) == 4).all()
    assert covered.any(axis=0).all()  # any place can be covered, corners too


def test_switching_a_change_on_leaves_the_draws_of_the_others_alone() -> None:
    images = noise(low=60, high=190)
    alone = changed(images, flip_horizontal=True)
    both = changed(images, flip_horizontal=True, brightness=0.1).astype(int) - alone
    assert np.ptp(both.reshape(len(images), -1), axis=1).max() == 0
    brighter = changed(images, brightness=0.1).astype(int) - images
    assert np.array_equal(both[:, 0, 0, 0], brighter[:, 0, 0, 0])


def test_images_of_a_batch_are_changed_each_on_its_own() -> None:
    same = np.repeat(noise(1), 20, axis=0)
    assert len(np.unique(changed(same, rotation=30.0, brightness=0.1), axis=0)) == 20
