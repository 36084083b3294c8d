"""From a picture file to pixels: any mode becomes RGB, upright, and is hashed before any resizing."""

import hashlib
import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

# Pillow raises all of these for files that are no pictures, cut off, or bombs.
UNREADABLE = (
    UnidentifiedImageError,
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class Unreadable(ValueError):
    """A file that cannot be read as a picture; the message is the reason."""


def decode(content: bytes) -> Pixels:
    """Decodes a picture of any format and mode Pillow knows.

    EXIF orientation is applied; transparency is laid over white; 16-bit grey is scaled to 8.

    Returns:
        uint8 of shape (height, width, 3).

    Raises:
        Unreadable: empty, no picture, cut off, or more pixels than Pillow's bomb limit.
    """
    if not content:
        raise Unreadable("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as opened:
                return np.asarray(_to_rgb(ImageOps.exif_transpose(opened)))
    except UnidentifiedImageError as error:
        raise Unreadable("not a picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable("too many pixels") from error
    except UNREADABLE as error:
        raise Unreadable(f"broken picture: {' '.join(str(error).split())}") from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey; "I" holds the same range in 32 bits
        values = np.asarray(picture).astype(np.int64)
        return Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return picture.convert("RGB")


def pixel_hash(pixels: Pixels) -> str:
    """SHA-256 over height, width and RGB bytes: equal for equal pixels, whatever the file's format or name."""
    height, width = pixels.shape[:2]
    return hashlib.sha256(f"{height}x{width}:".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def fit(pixels: Pixels, size: tuple[int, int], channels: int) -> Pixels:
    """Resizes (bilinear, antialiased) to `size` = (height, width); one channel means luma (ITU-R 601-2).

    Returns:
        uint8 of shape (height, width, channels).
    """
    picture = Image.fromarray(pixels)
    if channels == 1:
        picture = picture.convert("L")
    if pixels.shape[:2] != size:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(*size, channels)
