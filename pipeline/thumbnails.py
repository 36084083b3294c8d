"""Small pictures for a page, as `data:` addresses: nothing is fetched, and the bytes repeat."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SMALL = 64  # pixels; up to here PNG, which keeps every pixel, is no larger than JPEG
SIDES = (192, 144, 96, 64)  # pixels; the first at which all pictures fit their budget is taken
QUALITY = 85


def data_uri(image: NDArray[np.uint8], side: int) -> str:
    """A picture of at most `side` pixels a side; uint8 (height, width, 1 or 3)."""
    from PIL import Image

    pixels = np.asarray(image)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = max(picture.size) <= SMALL
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    if small:
        picture.save(stream, "PNG", optimize=True)
    else:
        picture.save(stream, "JPEG", quality=QUALITY, optimize=True)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def fitting(images: Sequence[NDArray[np.uint8]], budget: int) -> list[str]:
    """The pictures as large as `budget` characters allow for all of them; the last ones go if even that is too much."""
    for side in SIDES:
        found = [data_uri(image, side) for image in images]
        if sum(map(len, found)) <= budget:
            return found
    while sum(map(len, found)) > budget:
        found.pop()
    return found
