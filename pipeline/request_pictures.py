"""Pictures in a request: base64 of a file, or an array of pixels; brought to what a model takes, or refused.

Without other modules than those that decode, since a logged model carries this one along (`pyfunc_model`).
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.decode import Pixels, Unreadable, decode, fit

COLUMN = "picture"
FORMS = ("dataframe_records", "dataframe_split", "inputs", "instances")  # of MLflow's scoring protocol
SHOWN = 5  # unknown keys named in a message


class Refused(ValueError):
    """A request that cannot be answered; the message is the reason, `status` that of HTTP."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    num_bytes: int = 16 << 20  # of the whole request
    num_pixels: int = 25_000_000  # of one picture, before it is resized
    num_pictures: int = 256


def values_of(payload: Any) -> list[Any]:
    """The pictures of a parsed JSON request, as they are written in it.

    Args:
        payload: one of `FORMS` and its value. Records, and the columns of a table, call the picture `picture`;
            `inputs` and `instances` also take a plain list of pictures.

    Raises:
        Refused: it has another form.
    """
    if not isinstance(payload, dict):
        raise Refused(f"the request is {_kind(payload)}: send an object with one of {', '.join(FORMS)}")
    forms = [key for key in FORMS if key in payload]
    if others := sorted(set(payload) - set(FORMS)):
        raise Refused(f"unknown key {', '.join(map(repr, others[:SHOWN]))}: give one of {', '.join(FORMS)}")
    if len(forms) != 1:
        raise Refused(f"the request has {len(forms)} of {', '.join(FORMS)}: send one of them")
    form, value = forms[0], payload[forms[0]]
    return _split(value) if form == "dataframe_split" else _list(form, value)


def _split(value: Any) -> list[Any]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise Refused(f'dataframe_split is {_kind(value)}: send {{"columns": ["{COLUMN}"], "data": [[PICTURE], ...]}}')
    if value.get("columns") != [COLUMN]:
        raise Refused(f'dataframe_split has other columns than ["{COLUMN}"]')
    if any(not isinstance(row, list) or len(row) != 1 for row in value["data"]):
        raise Refused("dataframe_split has a row that is no list of one picture")
    return [row[0] for row in value["data"]]


def _list(form: str, value: Any) -> list[Any]:
    if isinstance(value, Mapping) and form != "dataframe_records":  # columns
        value = _pictures_of(form, value)
    if not isinstance(value, list):
        raise Refused(f"{form} is {_kind(value)}: send a list of pictures")
    if form == "dataframe_records" or any(isinstance(item, Mapping) for item in value):
        return [_pictures_of(form, item) for item in value]
    return value


def _pictures_of(form: str, item: Any) -> Any:
    if not isinstance(item, Mapping) or set(item) != {COLUMN}:
        raise Refused(f'{form} has {_kind(item)} that is no {{"{COLUMN}": ...}}')
    return item[COLUMN]


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a truth value"
    kinds = {str: "a text", dict: "an object", list: "a list", int: "a number", float: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def to_pixels(value: Any, limits: Limits, size: tuple[int, int], channels: int) -> Pixels:
    """One picture of a request as a model takes it.

    Args:
        value: base64 text of a picture file, its bytes, or pixels from 0 to 255, (height, width), (height, width, 1) or
            (height, width, 3).
        size: height and width.

    Returns:
        uint8 (height, width, channels).

    Raises:
        Refused: it is none, or too large.
    """
    if isinstance(value, str | bytes | bytearray):
        return from_file(from_base64(value) if isinstance(value, str) else bytes(value), limits, size, channels)
    return fit(_from_array(value, limits), size, channels)


def from_file(content: bytes, limits: Limits, size: tuple[int, int], channels: int) -> Pixels:
    """The bytes of a picture file as a model takes them; raises as `to_pixels`."""
    try:
        return fit(decode(content, limits.num_pixels), size, channels)
    except Unreadable as error:
        raise Refused(str(error)) from error
    except MemoryError as error:
        raise Refused("memory ran out") from error


def from_base64(text: str) -> bytes:
    """Raises `Refused` for anything but base64, whose letters may be those for addresses, in lines or not."""
    head, mark, rest = text[:100].partition(";base64,")
    bare = rest + text[100:] if mark and head.startswith("data:") else text  # as browsers write it
    try:
        return base64.b64decode("".join(bare.split()).translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("the text is no base64 of a picture file") from error


_URL_SAFE = str.maketrans("-_", "+/")


def _from_array(value: Any, limits: Limits) -> Pixels:
    """uint8 (height, width, 3) of pixels that may be lists."""
    if not isinstance(value, Sequence | np.ndarray):
        raise Refused(f"a picture is {_kind(value)}: send base64 of a picture file, or an array of pixels")
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise Refused("the rows of an array of pixels have different lengths") from error
    if array.dtype.kind not in "iuf":
        raise Refused(f"an array of pixels holds other things than numbers ({array.dtype})")
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3))) or not array.size:
        raise Refused(f"an array has shape {array.shape}: send (height, width), or (height, width, 1 or 3)")
    if array.shape[0] * array.shape[1] > limits.num_pixels:
        raise Refused("too many pixels")
    # Not a number fails the first comparison.
    if not (array.min() >= 0 and array.max() <= 255) or (array.dtype.kind == "f" and (array % 1).any()):
        raise Refused("an array holds other pixels than whole numbers from 0 to 255")
    pixels: Pixels = array.astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3)))


def answers(likelihoods: Any, labels: Sequence[str]) -> list[dict[str, Any]]:
    """What is answered, a record for each row of likelihoods (count, classes), floats from 0 to 1."""
    return [
        {
            "label": labels[int(row.argmax())],
            "likelihood": float(row.max()),
            "likelihoods": dict(zip(labels, map(float, row), strict=True)),
        }
        for row in np.asarray(likelihoods)
    ]
