"""Statistics that mean what they are called, whatever the size and number of the pictures."""

import tracemalloc

import numpy as np
import pytest

from pipeline.picture_statistics import AT_ONCE, STATISTICS, Pixels, describe
from tests.splits import random_pictures


def statistics(pixels: Pixels) -> dict[str, float]:
    """Of the first picture."""
    found, _ = describe(pixels, np.array([0]))
    return dict(zip(STATISTICS, found[0].tolist(), strict=True))


def flat(*colour: int) -> Pixels:
    return np.full((1, 8, 8, len(colour)), colour, np.uint8)


@pytest.mark.parametrize("colour", [(100,), (100, 100, 100)])
def test_a_flat_grey_picture_has_nothing_but_brightness(colour: tuple[int, ...]) -> None:
    expected = {"brightness": 100, "contrast": 0, "colour": 0, "warmth": 0, "sharpness": 0}
    assert statistics(flat(*colour)) == pytest.approx(expected, abs=1e-4)


def test_red_is_warm_and_blue_is_cold() -> None:
    red, blue = statistics(flat(200, 0, 0)), statistics(flat(0, 0, 200))
    assert (red["warmth"], blue["warmth"]) == (200, -200)
    assert red["colour"] == blue["colour"] == 200
    assert red["brightness"] == pytest.approx(0.299 * 200)


def test_contrast_is_the_standard_deviation_and_sharpness_that_of_the_laplacian() -> None:
    point = np.zeros((1, 5, 5, 1), np.uint8)
    point[0, 2, 2] = 100
    laplacian = [-400, *[100] * 4, *[0] * 20]
    assert statistics(point)["contrast"] == pytest.approx(np.std([100, *[0] * 24]))
    assert statistics(point)["sharpness"] == pytest.approx(np.std(laplacian))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 3), (28, 28, 1), (70, 33, 3)])
def test_pictures_of_any_size_have_as_many_features(shape: tuple[int, int, int]) -> None:
    found, features = describe(random_pictures(4, 0, shape), np.arange(4))
    assert (found.shape, features.shape) == ((4, 5), (4, 85))
    assert np.isfinite(features).all()


def test_features_are_means_of_cells() -> None:
    pixels = np.kron(np.arange(64, dtype=np.uint8).reshape(8, 8), np.ones((3, 3), np.uint8))[None, ..., None]
    _, features = describe(pixels, np.array([0]))
    assert np.array_equal(features[0, :64], np.arange(64))


def test_a_picture_is_described_alike_in_any_company() -> None:
    pixels = random_pictures(40, 1, (256, 256, 3))
    assert pixels.nbytes > AT_ONCE
    together, alone = describe(pixels, np.array([3, 39])), describe(pixels[[39]], np.array([0]))
    assert np.array_equal(together[0][1:], alone[0]) and np.array_equal(together[1][1:], alone[1])


def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    def peak(count: int) -> int:
        pixels = np.broadcast_to(np.uint8(7), (count, 256, 256, 3))
        assert pixels.size > AT_ONCE
        tracemalloc.start()
        describe(pixels, np.arange(count))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(66) < 1.1 * peak(22)
