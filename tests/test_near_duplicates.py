"""Pictures that look alike are found, however they were resized or compressed; others are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pipeline.decode import Pixels
from pipeline.near_duplicates import groups, perceptual_hash


def scene(seed: int, size: tuple[int, int] = (90, 120)) -> Image.Image:
    """A smooth picture, as photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)


def pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture.convert("RGB"))


def compressed(picture: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=40)
    return Image.open(stream)


def bits(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.mark.parametrize(
    "changed",
    [
        compressed(scene(1)),
        scene(1).resize((40, 30)),
        scene(1).resize((300, 200)),
        ImageEnhance.Brightness(scene(1)).enhance(0.8),
    ],
)
def test_a_retouched_picture_keeps_its_hash_nearly(changed: Image.Image) -> None:
    assert bits(perceptual_hash(pixels(scene(1))), perceptual_hash(pixels(changed))) <= 4


def test_different_pictures_differ_in_many_bits() -> None:
    hashes = [perceptual_hash(pixels(scene(seed))) for seed in range(40)]
    closest = min(bits(one, other) for i, one in enumerate(hashes) for other in hashes[:i])
    assert closest >= 12


def test_a_flat_picture_has_a_hash_without_noise() -> None:
    assert {perceptual_hash(np.full((20, 30, 3), grey, np.uint8)) for grey in range(0, 256, 15)} == {0}


def test_groups_are_what_close_pairs_connect() -> None:
    far = 0b111 << 60
    hashes = [0b0000, far, 0b0111, 0b1111_1111_1111, 0b0001, far + 1, 0b0011]
    assert groups(hashes, 1) == [[0, 2, 4, 6], [1, 5]]
    assert groups(hashes, 0) == []
    assert groups([5, 6, 5], 0) == [[0, 2]]
    assert groups([], 4) == []


@pytest.mark.parametrize("distance", [0, 1, 3, 4, 7, 16])
def test_bands_find_every_pair_that_comparing_all_finds(distance: int) -> None:
    random = np.random.default_rng(distance)
    hashes = [int(value) for value in random.integers(0, 2**63, 150)]
    for value in hashes[:100]:
        flipped = random.choice(64, random.integers(0, 18), replace=False)
        hashes.append(value ^ sum(1 << int(bit) for bit in flipped))
    close = {
        (i, j) for j, one in enumerate(hashes) for i, other in enumerate(hashes[:j]) if bits(one, other) <= distance
    }
    group_of = {i: number for number, members in enumerate(groups(hashes, distance)) for i in members}
    assert all(i in group_of and group_of[i] == group_of.get(j) for i, j in close)
    assert set(group_of) == {i for pair in close for i in pair}


def test_a_hundred_thousand_equal_hashes_are_one_group() -> None:
    assert len(groups([7] * 100_000, 8)[0]) == 100_000
