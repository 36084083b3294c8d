"""Any picture becomes upright RGB; what is no picture has a reason."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.decode import Pixels, Unreadable, decode, fit, pixel_hash

GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


UPRIGHT = {  # how the sensor's rows have to be turned, from the EXIF standard
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pictures_are_set_upright(orientation: int) -> None:
    found = decode(encoded(Image.fromarray(COLOUR), exif=exif(orientation)))
    np.testing.assert_array_equal(found, UPRIGHT[orientation](COLOUR))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_equal_pixels_in_any_format_have_equal_hashes(kind: str) -> None:
    found = decode(encoded(Image.fromarray(COLOUR), kind))
    assert found.dtype == np.uint8 and found.shape == (4, 6, 3)
    assert pixel_hash(found) == pixel_hash(COLOUR)


def sixteen_bits() -> Image.Image:
    return Image.fromarray(GREY.astype(np.uint16) * 257)


def thirty_two_bits() -> Image.Image:
    return Image.fromarray(GREY.astype(np.int32) * 257)


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (Image.fromarray(GREY), "PNG"),
        (Image.fromarray(GREY).convert("RGB"), "PNG"),
        (Image.fromarray(GREY).convert("RGBA"), "PNG"),
        (Image.fromarray(GREY).convert("LA"), "PNG"),
        (Image.fromarray(GREY).convert("P"), "PNG"),
        (Image.fromarray(GREY).convert("P"), "GIF"),
        (Image.fromarray(GREY).convert("RGB").convert("CMYK"), "TIFF"),
        (sixteen_bits(), "PNG"),
        (sixteen_bits(), "TIFF"),
        (thirty_two_bits(), "TIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.mode,
)
def test_equal_pixels_in_any_mode_have_equal_hashes(picture: Image.Image, kind: str) -> None:
    assert pixel_hash(decode(encoded(picture, kind))) == pixel_hash(np.repeat(GREY[:, :, None], 3, axis=2))


def test_palette_colours_are_looked_up() -> None:
    palette = Image.fromarray(COLOUR).quantize(256)
    np.testing.assert_array_equal(decode(encoded(palette)), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    clear = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    clear.putpixel((0, 0), (0, 0, 0, 255))
    options: dict[str, Any] = {"transparency": 1} if mode == "P" else {}
    if mode == "P":
        clear = Image.fromarray(np.array([[0, 1]], np.uint8))
        clear.putpalette([0, 0, 0, 0, 0, 0])
    found = decode(encoded(clear.convert(mode), **options))
    assert found.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_half_transparent_black_is_grey() -> None:
    assert decode(encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 127)))).tolist() == [[[128, 128, 128]]]


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    found = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert found[0, 0].tolist() == [255, 0, 0]


def png_header(side: int) -> bytes:
    head = b"IHDR" + struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"\0\0\0\1IDAT"


WHOLE = encoded(Image.fromarray(np.tile(COLOUR, (20, 20, 1))), "JPEG")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"these are words", "not a picture"),
        (WHOLE[: len(WHOLE) // 2], "broken picture: image file is truncated"),
        (encoded(Image.fromarray(COLOUR))[:-30], "broken picture"),
        (png_header(10_000), "too many pixels"),  # Pillow only warns up to twice its limit
        (png_header(100_000), "too many pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),  # starts Ghostscript
        (b"DDS " + struct.pack("<I", 124) + bytes(120), "not a picture"),
        (png_header(0), "."),
    ],
    ids=["empty", "text", "half a JPEG", "half a PNG", "small bomb", "bomb", "PostScript", "DDS", "no pixels"],
)
@pytest.mark.filterwarnings("ignore")  # as outside pytest: the code itself has to heed Pillow's warning
def test_what_is_no_picture_has_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        decode(content)
    assert "\n" not in str(caught.value)


def test_the_hash_tells_shapes_apart() -> None:
    assert pixel_hash(COLOUR) != pixel_hash(COLOUR.reshape(6, 4, 3))


def test_the_hash_does_not_depend_on_memory_order() -> None:
    assert pixel_hash(np.asfortranarray(COLOUR)) == pixel_hash(COLOUR)


@pytest.mark.parametrize("size", [(4, 6), (3, 5), (9, 2), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fitting_gives_the_shape_asked_for(size: tuple[int, int], channels: int) -> None:
    found = fit(COLOUR, size, channels)
    assert found.shape == (*size, channels) and found.dtype == np.uint8


def test_a_picture_of_the_right_size_is_kept_to_the_byte() -> None:
    np.testing.assert_array_equal(fit(COLOUR, (4, 6), 3), COLOUR)


def test_grey_stays_grey() -> None:
    grey: Pixels = np.repeat(GREY[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(fit(grey, (4, 6), 1)[:, :, 0], GREY)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_large_pictures_are_laid_over_white_as_in_one_piece(mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1500, 900, 4), dtype=np.uint8)
    clear = Image.fromarray(pixels).convert(mode)
    options: dict[str, Any] = {"transparency": bytes(range(256))} if mode == "P" else {}
    content = encoded(clear, compress_level=0, **options)
    with Image.open(io.BytesIO(content)) as opened:
        layered = opened.convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    np.testing.assert_array_equal(decode(content), np.asarray(expected))


def test_large_deep_pictures_are_scaled_as_in_one_piece() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (1500, 900), dtype=np.uint16)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(deep), compress_level=0))[:, :, 1], deep >> 8)


def test_what_libraries_say_about_damage_stays_off_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    whole = encoded(Image.fromarray(np.tile(COLOUR, (9, 9, 1))), "TIFF", compression="tiff_lzw")
    assert decode(whole).shape == (36, 54, 3)
    with pytest.raises(Unreadable, match="broken picture"):
        decode(whole[:100] + b"\xff" * 400 + whole[500:])
    assert capfd.readouterr().err == ""


def test_exif_that_cannot_be_read_counts_as_none() -> None:
    content = encoded(Image.fromarray(COLOUR), "JPEG", exif=b"Exif\0\0nonsense")
    assert decode(content).shape == (4, 6, 3)
