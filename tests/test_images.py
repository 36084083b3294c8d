"""Batches are a function of seed and epoch."""

from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.images import num_batches, plain_batches, training_batches
from pipeline.packed import Packed
from pipeline.params import Augment
from tests.test_augment import OFF

PLAIN = Augment(**OFF)
CHANGED = Augment(**(OFF | {"rotation": 20.0, "brightness": 0.2, "flip_horizontal": True}))
COUNT, BATCH = 43, 5  # more than one call into Python gathers
STEPS = num_batches(COUNT, BATCH)
Batches = list[tuple[Any, Any]]


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def split() -> Packed:
    """Every image says which it is: its first pixel is its number, its label the number's last digit."""
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 6, 1), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(COUNT)
    return Packed(images, np.arange(COUNT, dtype=np.int32) % 10)


def drawn(epochs: range, seed: int = 0, params: Augment = PLAIN) -> Batches:
    return list(training_batches(split(), BATCH, seed, epochs, params).as_numpy_iterator())


def numbers(batches: Batches) -> list[int]:
    return [int(number) for images, _ in batches for number in images[:, 0, 0, 0]]


def equal(left: Batches, right: Batches) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(a, c) and np.array_equal(b, d) for (a, b), (c, d) in zip(left, right, strict=True)
    )


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (5, 1), (6, 2), (10, 2)])
def test_the_last_batch_may_be_smaller(count: int, batches: int) -> None:
    assert num_batches(count, 5) == batches


def test_every_image_comes_exactly_once_an_epoch() -> None:
    batches = drawn(range(3))
    assert [len(labels) for _, labels in batches] == [*[5] * 8, 3] * 3
    for epoch in range(3):
        assert sorted(numbers(batches[epoch * STEPS : (epoch + 1) * STEPS])) == list(range(COUNT))


def test_labels_go_with_their_images_unchanged() -> None:
    for images, labels in drawn(range(1)):
        assert images.dtype == np.uint8 and labels.dtype == np.int32
        assert np.array_equal(images, split().images[images[:, 0, 0, 0]])
        assert np.array_equal(images[:, 0, 0, 0] % 10, labels)


def test_each_epoch_and_each_seed_has_its_own_order() -> None:
    first, second = (numbers(drawn(range(epoch, epoch + 1))) for epoch in (0, 1))
    assert first != second and first != list(range(COUNT))
    assert first == numbers(drawn(range(1))) != numbers(drawn(range(1), seed=1))


@pytest.mark.parametrize("params", [PLAIN, CHANGED], ids=["plain", "augmented"])
def test_batches_of_later_epochs_do_not_depend_on_where_training_began(params: Augment) -> None:
    assert equal(drawn(range(5), params=params)[2 * STEPS :], drawn(range(2, 5), params=params))


def test_augmentation_differs_from_epoch_to_epoch_and_keeps_labels() -> None:
    plain, first, second = drawn(range(1)), drawn(range(1), params=CHANGED), drawn(range(1, 2), params=CHANGED)
    assert [list(labels) for _, labels in plain] == [list(labels) for _, labels in first]
    first_images, second_images = (
        np.concatenate([images for images, _ in batches])[np.argsort(numbers(drawn(range(epoch, epoch + 1))))]
        for epoch, batches in enumerate((first, second))
    )
    assert not np.array_equal(first_images, second_images)


def test_plain_batches_come_in_order_and_unchanged() -> None:
    batches = list(plain_batches(split(), BATCH).as_numpy_iterator())
    assert numbers(batches) == list(range(COUNT))
    assert np.array_equal(np.concatenate([images for images, _ in batches]), split().images)


def test_the_number_of_batches_is_known_to_keras_beforehand() -> None:
    assert int(plain_batches(split(), BATCH).cardinality()) == STEPS


def test_shapes_are_known_to_the_network_beforehand() -> None:
    images, labels = training_batches(split(), BATCH, 0, range(1), CHANGED).element_spec
    assert (tuple(images.shape), tuple(labels.shape)) == ((None, 6, 6, 1), (None,))


def test_a_memory_mapped_array_gives_the_same_batches(tmp_path: Any) -> None:
    np.save(tmp_path / "images.npy", split().images)
    mapped = Packed(np.load(tmp_path / "images.npy", mmap_mode="r"), split().labels)
    batches = list(training_batches(mapped, BATCH, 0, range(1), PLAIN).as_numpy_iterator())
    assert equal(batches, drawn(range(1)))


def test_each_epoch_takes_the_next_view_of_every_image() -> None:
    views, plain = 3, split()
    several = np.concatenate([np.full_like(plain.images, view) for view in range(views)])
    several[:, 0, 0, 0] = np.tile(np.arange(COUNT), views)
    both = Packed(several, plain.labels)
    batches = list(training_batches(both, BATCH, 0, range(5), PLAIN).as_numpy_iterator())
    for epoch in range(5):
        part = batches[epoch * STEPS : (epoch + 1) * STEPS]
        assert {int(images[0, 1, 1, 0]) for images, _ in part} == {epoch % views}
        assert numbers(part) == numbers(drawn(range(epoch, epoch + 1)))
        assert all((labels == images[:, 0, 0, 0] % 10).all() for images, labels in part)


def test_alternate_flips_turn_each_image_in_every_other_epoch() -> None:
    alternate = Augment(**(OFF | {"flip_horizontal": "alternate"}))
    plain = split()
    turned: dict[int, list[bool]] = {number: [] for number in range(COUNT)}
    for images, labels in drawn(range(4), params=alternate):
        for image, label in zip(images, labels, strict=True):
            found = [n for n in range(COUNT) if np.array_equal(image, plain.images[n])]
            mirrored = [n for n in range(COUNT) if np.array_equal(image, plain.images[n][:, ::-1])]
            (number,) = found + mirrored
            assert plain.labels[number] == label
            turned[number].append(bool(mirrored))
    assert {tuple(row) for row in turned.values()} == {(True, False, True, False), (False, True, False, True)}
    assert equal(drawn(range(2, 4), params=alternate), drawn(range(4), params=alternate)[2 * STEPS :])
    assert not equal(drawn(range(1), params=alternate), drawn(range(1), seed=1, params=alternate))


def test_smaller_images_are_means_of_their_areas() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)
    given = Packed(pixels, np.zeros(COUNT, np.int32))
    expected = np.round(pixels.reshape(COUNT, 4, 2, 4, 2, 3).mean(axis=(2, 4)))
    small = np.concatenate([images.numpy() for images, _ in plain_batches(given, BATCH, (4, 4))])
    assert small.dtype == np.uint8 and np.abs(small.astype(float) - expected).max() <= 0.5
    trained = next(iter(training_batches(given, COUNT, 0, range(1), PLAIN, (4, 4))))[0].numpy()
    assert sorted(map(bytes, trained)) == sorted(map(bytes, small))
