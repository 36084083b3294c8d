"""Plain JPEGs give Pillow's pixels; all others are left to Pillow."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.clean_jpeg import clean_jpeg
from pipeline.decode import MOST_PIXELS, Pixels, decode

SIZES = [(1, 1), (7, 9), (8, 8), (16, 16), (17, 33), (32, 32), (101, 64), (300, 257)]


def picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Smooth and noisy parts, strong colours."""
    random = np.random.default_rng(size[0])
    coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = random.integers(-30, 30, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + noise, 0, 255).astype(np.uint8)).convert(mode)


def jpeg(drawn: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    drawn.save(stream, "JPEG", **options)
    return stream.getvalue()


def by_pillow(content: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "options",
    [
        *(
            {"subsampling": kind, "quality": quality}
            for kind in ("4:4:4", "4:2:2", "4:2:0")
            for quality in (5, 75, 100)
        ),
        {"progressive": True},
        {"optimize": True},
        {"restart_marker_blocks": 1},
        {"comment": b"hello", "dpi": (300, 300)},
    ],
)
def test_every_plain_jpeg_has_pillows_pixels(size: tuple[int, int], options: dict[str, Any]) -> None:
    content = jpeg(picture(size), **options)
    found = clean_jpeg(content, MOST_PIXELS)
    assert found is not None
    np.testing.assert_array_equal(found, by_pillow(content))


@pytest.mark.parametrize("size", SIZES)
def test_grey_is_three_times_the_same(size: tuple[int, int]) -> None:
    content = jpeg(picture(size, "L"))
    np.testing.assert_array_equal(clean_jpeg(content, MOST_PIXELS), by_pillow(content))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(picture((20, 10)), exif=exif)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        jpeg(picture((20, 10)))[:-40],
        jpeg(picture((20, 10)))[:-2],
        jpeg(picture((20, 10), "CMYK")),
        turned(),
        jpeg(picture((20, 10)), xmp=b'<x:xmpmeta><a tiff:Orientation="6"/></x:xmpmeta>'),
        jpeg(picture((20, 10)))[:200] + b"\xff\xff\x00" * 9 + jpeg(picture((20, 10)))[200:],
    ],
)
def test_what_is_not_plain_is_left_to_pillow(content: bytes) -> None:
    assert clean_jpeg(content, MOST_PIXELS) is None


def test_too_many_pixels_are_left_to_pillow() -> None:
    assert clean_jpeg(jpeg(picture((20, 10))), 199) is None
    assert clean_jpeg(jpeg(picture((20, 10))), 200) is not None


def test_exif_still_turns_a_picture() -> None:
    assert decode(turned()).shape == (20, 10, 3)
