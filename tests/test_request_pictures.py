"""Pictures in requests: every form says the same, and what is none is refused with the reason."""

import base64
from typing import Any

import numpy as np
import pytest

from pipeline.decode import decode
from pipeline.request_pictures import Limits, Refused, answers, from_base64, to_pixels, values_of
from tests.serving import base64_of, picture, pictures

ONE, TWO = "b25l", "dHdv"
FORMS = [
    {"dataframe_records": [{"picture": ONE}, {"picture": TWO}]},
    {"dataframe_split": {"columns": ["picture"], "data": [[ONE], [TWO]]}},
    {"inputs": [ONE, TWO]},
    {"inputs": {"picture": [ONE, TWO]}},
    {"inputs": [{"picture": ONE}, {"picture": TWO}]},
    {"instances": [ONE, TWO]},
    {"instances": [{"picture": ONE}, {"picture": TWO}]},
]


@pytest.mark.parametrize("payload", FORMS, ids=str)
def test_every_form_of_mlflows_protocol_says_the_same(payload: dict[str, Any]) -> None:
    assert values_of(payload) == [ONE, TWO]


@pytest.mark.parametrize("value", ["file", "bytes", "list", "flat list", "array"])
def test_files_and_arrays_of_the_same_pixels_are_the_same(value: str) -> None:
    pixels = pictures(1)[0]
    forms = {
        "file": base64_of(pixels),
        "bytes": base64.b64decode(base64_of(pixels)),
        "list": pixels.tolist(),
        "flat list": pixels[..., 0].tolist(),
        "array": pixels.astype(float),
    }
    np.testing.assert_array_equal(to_pixels(forms[value], Limits(), (8, 8), 1), pixels)


def test_pixels_are_resized_and_coloured_as_files_are() -> None:
    grey = picture(100, side=5)
    found = to_pixels(decode(grey).tolist(), Limits(), (8, 8), 3)
    np.testing.assert_array_equal(found, to_pixels(grey, Limits(), (8, 8), 3))
    assert found.shape == (8, 8, 3) and (found == 100).all()


@pytest.mark.parametrize("form", ["plain", "data address", "letters of addresses", "lines"])
def test_base64_comes_as_browsers_and_mails_write_it(form: str) -> None:
    content = bytes(range(250, 256)) * 20
    plain = base64.b64encode(content).decode()
    forms = {
        "plain": plain,
        "data address": f"data:image/png;base64,{plain}",
        "letters of addresses": base64.urlsafe_b64encode(content).decode(),
        "lines": "\n".join(plain[start : start + 76] for start in range(0, len(plain), 76)),
    }
    assert from_base64(forms[form]) == content


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([[0, 256]], "whole numbers from 0 to 255"),
        ([[0, -1]], "whole numbers from 0 to 255"),
        ([[0.5, 1]], "whole numbers from 0 to 255"),
        ([[float("nan"), 1]], "whole numbers from 0 to 255"),
        ([[1, 2], [3]], "different lengths"),
        ([["a", "b"]], "other things than numbers"),
        ([[2**70, 1]], "other things than numbers"),
        ([1, 2, 3], r"shape \(3,\)"),
        ([[[1, 2]]], r"shape \(1, 1, 2\)"),
        ([], r"shape \(0,\)"),
        ([[]], r"shape \(1, 0\)"),
        (None, "is null"),
        (7, "is a number"),
        (True, "is a truth value"),
        ({"picture": 1}, "is an object"),
        ("no base64!", "no base64"),
        ("", "empty file"),
        (base64.b64encode(b"text").decode(), "not a picture"),
    ],
    ids=str,
)
def test_what_is_no_picture_is_refused_with_the_reason(value: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        to_pixels(value, Limits(), (8, 8), 1)


@pytest.mark.parametrize("value", [picture(side=4), [[1] * 4] * 4], ids=["file", "array"])
def test_pixels_are_limited(value: Any) -> None:
    to_pixels(value, Limits(num_pixels=16), (8, 8), 1)
    with pytest.raises(Refused, match="too many pixels"):
        to_pixels(value, Limits(num_pixels=15), (8, 8), 1)


def test_answers_name_the_likeliest_label_and_all_likelihoods() -> None:
    found = answers(np.array([[0.25, 0.75], [1, 0]], np.float32), ["cat", "dog"])
    assert found[0] == {"label": "dog", "likelihood": 0.75, "likelihoods": {"cat": 0.25, "dog": 0.75}}
    assert found[1]["label"] == "cat"
