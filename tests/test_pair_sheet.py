"""The sheet of images on which two runs differ."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.pair_sheet import MOST, draw
from pipeline.pairing import Answers
from pipeline.report import save
from tests.test_report import ODD_NAMES, size_of

NAMES = ["cat", "dog", "owl"]


def answers(called: str, count: int, wrong: set[int], names: list[str]) -> Answers:
    labels = np.array([names[row % len(names)] for row in range(count)], dtype=object)
    guesses = np.array([names[(row + (row in wrong)) % len(names)] for row in range(count)], dtype=object)
    hashes = np.array([f"{row:064x}" for row in range(count)], dtype=object)
    return Answers(called, hashes, labels, guesses, np.linspace(0.99, 0.4, count), frozenset(names))


def pictures(rows: set[int], side: int = 8, channels: int = 1) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {f"{row:064x}": random.integers(0, 256, (side, side, channels), dtype=np.uint8) for row in rows}


def sheet(wrong_a: set[int], wrong_b: set[int], names: list[str] | None = None, **known: Any) -> Any:
    a, b = (answers(called, 120, wrong, names or NAMES) for called, wrong in (("one", wrong_a), ("two", wrong_b)))
    return draw(a, b, (known.get("a", pictures(wrong_a)), known.get("b", pictures(wrong_b))))


def sections(drawn: Any) -> list[str]:
    return [area.get_suptitle() for area in drawn.subfigs[1:]]


def captions(drawn: Any, kind: int) -> list[str]:
    return [text for axes in drawn.subfigs[kind].axes if (text := axes.get_title(loc="left"))]


def test_each_kind_has_its_pictures_and_says_what_both_guessed() -> None:
    drawn = sheet({0, 1, 5}, {5, 7})
    assert sections(drawn) == ["Only A is right: 1 image", "Only B is right: 2 images"]
    assert captions(drawn, 1) == ["is dog\nA dog 96%\nB owl 96%"]
    assert [text.splitlines()[0] for text in captions(drawn, 2)] == ["is cat", "is dog"]
    assert [len(axes.images) for axes in drawn.subfigs[2].axes] == [1, 1, 0, 0, 0, 0]


def test_many_are_cut_to_the_surest_and_counted() -> None:
    drawn = sheet(set(), set(range(10, 70)))
    assert sections(drawn)[0] == "Only A is right: 60 images, the 24 surest wrong guesses of B"
    assert len(captions(drawn, 1)) == MOST and captions(drawn, 1)[0].startswith("is dog")
    assert sections(drawn)[1] == "Only B is right: no image"


def test_pictures_that_are_missing_are_said_to_be() -> None:
    drawn = sheet({1, 2}, {3, 4}, a=None, b={})
    assert sections(drawn)[1] == (
        "Only B is right: 2 images. Their pictures are missing: run `dvc repro --force evaluate` for A"
    )
    assert [text.get_text() for axes in drawn.subfigs[1].axes for text in axes.texts] == ["no picture"] * 2


@pytest.mark.parametrize(
    ("wrong_a", "wrong_b", "names"),
    [
        (set(), set(), NAMES),
        ({1}, set(), NAMES),
        ({1}, set(), [*ODD_NAMES, "long " * 40]),
        (set(range(40)), set(range(30, 90)), [*ODD_NAMES, "long " * 40]),
    ],
)
def test_every_sheet_is_a_png_whose_bytes_repeat(
    tmp_path: Path, wrong_a: set[int], wrong_b: set[int], names: list[str]
) -> None:
    for name in ("a.png", "b.png"):
        save(sheet(wrong_a, wrong_b, names), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert min(size_of((tmp_path / "a.png").read_bytes())) > 100


def test_colour_and_grey_pictures_of_several_sizes_are_drawn(tmp_path: Path) -> None:
    drawn = sheet({1}, {2}, a=pictures({1}, 64, 3), b=pictures({2}, 5, 1))
    save(drawn, tmp_path / "s.png")
    assert [drawn.subfigs[kind].axes[0].images[0].get_array().shape for kind in (1, 2)] == [(5, 5), (64, 64, 3)]
