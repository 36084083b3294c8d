"""From a picture file to pixels: any mode becomes RGB, upright, and is hashed before any resizing."""

import functools
import hashlib
import io
import logging
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from pipeline.clean_jpeg import clean_jpeg

Pixels = NDArray[np.uint8]

# What is read, whatever the file is called. Left out: kinds that start another program or draw (EPS, PDF, WMF),
# and those that no data set of photos or drawings uses. TGA has no mark of its own, so it comes last.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "TGA")
MOST_PIXELS = 89_478_485  # as Pillow's own limit, which other code may change: 256 MiB as RGB
JPEG, JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
MOST_SCANS = 1_000  # of a JPEG; cameras make about ten. Each goes over the whole picture, so that thousands take hours
# Warning filters and standard error belong to the whole process; a server decodes in threads.
ONE_AT_A_TIME = threading.Lock()
BAND = 1 << 20  # pixels converted at once where that takes more memory than the picture itself
TURNS = {  # EXIF orientation -> what sets it upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow raises all of these for files that are no pictures, cut off, or bombs; the last four where a damaged header
# gives it numbers of the wrong kind.
UNREADABLE = (
    UnidentifiedImageError,
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
)


class Unreadable(ValueError):
    """A file that cannot be read as a picture; the message is the reason."""


def decode(content: bytes, most_pixels: int = MOST_PIXELS) -> Pixels:
    """Decodes a picture of any mode in one of `FORMATS`; of an animation, the first frame.

    EXIF orientation is applied; transparency is laid over white; 16-bit grey is scaled to 8.

    Returns:
        uint8 of shape (height, width, 3).

    Raises:
        Unreadable: empty, no picture, cut off, or more pixels than `most_pixels`.
    """
    if not content:
        raise Unreadable("empty file")
    if content.startswith(JPEG) and content.count(JPEG_SCAN) > MOST_SCANS:
        raise Unreadable("too many scans")
    if (pixels := clean_jpeg(content, most_pixels)) is not None:
        return pixels
    with ONE_AT_A_TIME, _without_stderr() if content.startswith((b"II", b"MM")) else nullcontext():
        return _decode(content, most_pixels)


def _decode(content: bytes, most_pixels: int) -> Pixels:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_formats()) as opened:
                _check_size(opened, most_pixels)
                opened.load()
                _check_size(opened, most_pixels)  # an ICO knows the size of its picture only now
                return np.asarray(_to_rgb(_upright(opened)))
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("not a picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable("too many pixels") from error
    except UNREADABLE as error:
        raise Unreadable(f"broken picture: {' '.join(str(error).split())}") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow reads."""
    Image.init()
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # else it talks on standard error
    return tuple(kind for kind in FORMATS if kind in Image.OPEN)


@contextmanager
def _without_stderr() -> Iterator[None]:
    """The library under TIFF complains on the standard error of the process, past Python."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _check_size(picture: Image.Image, most_pixels: int) -> None:
    width, height = picture.size
    if width * height > most_pixels:
        raise Unreadable("too many pixels")
    if width < 1 or height < 1:
        raise Unreadable("no pixels")


def _upright(picture: Image.Image) -> Image.Image:
    """EXIF that cannot be read counts as none, as in every viewer."""
    try:
        turn = TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except UNREADABLE:
        return picture
    return picture if turn is None else picture.transpose(turn)


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey; "I" holds the same range in 32 bits
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    return _over_white(picture) if picture.has_transparency_data else picture.convert("RGB")


def _eight_bits(values: NDArray[np.generic]) -> Pixels:
    grey = np.empty(values.shape, np.uint8)
    rows = max(1, BAND // values.shape[1])
    for top in range(0, len(values), rows):
        grey[top : top + rows] = np.clip(np.right_shift(values[top : top + rows], 8), 0, 255)
    return grey


def _over_white(picture: Image.Image) -> Image.Image:
    result = Image.new("RGB", picture.size)
    rows = max(1, BAND // picture.width)
    for top in range(0, picture.height, rows):
        box = (0, top, picture.width, min(top + rows, picture.height))
        band = picture.crop(box).convert("RGBA")
        white = Image.new("RGBA", band.size, "white")
        result.paste(Image.alpha_composite(white, band).convert("RGB"), box)
    return result


def pixel_hash(pixels: Pixels) -> str:
    """SHA-256 over height, width and RGB bytes: equal for equal pixels, whatever the file's format or name."""
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(b"%dx%d:" % (height, width))
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def fit(pixels: Pixels, size: tuple[int, int], channels: int) -> Pixels:
    """Resizes (bilinear, antialiased) to `size` = (height, width); one channel means luma (ITU-R 601-2).

    Returns:
        uint8 of shape (height, width, channels).
    """
    if channels == 3 and pixels.shape[:2] == size:
        return pixels
    picture = Image.fromarray(pixels)
    if channels == 1:
        picture = picture.convert("L")
    if pixels.shape[:2] != size:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(*size, channels)
