"""Two runs' answers side by side."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import packed
from pipeline.errors import UserError
from pipeline.mcnemar import Table
from pipeline.pairing import Answers, only_first, read_answers, require_same_images, settings, table_of


def answers(folder: Path, called: str, rows: list[tuple[str, str, str, float]], classes: str = "ab") -> Answers:
    """From (pixel hash, label, guess, likelihood), by a real file."""
    table = pd.DataFrame(rows, columns=["pixel_hash", "label", "guess", "likelihood"])
    table.insert(1, "file", "x.png")
    for name in classes:
        table[f"p({name})"] = 0.5
    packed.write_table(folder / "predictions.csv", table)
    return read_answers(folder / "predictions.csv", called)


def test_answers_are_put_beside_each_other_whatever_their_order(tmp_path: Path) -> None:
    a = answers(tmp_path, "first", [("1", "a", "a", 0.9), ("2", "b", "a", 0.8), ("3", "a", "a", 0.7)])
    b = answers(tmp_path, "second", [("3", "a", "b", 0.6), ("1", "a", "a", 0.5), ("2", "b", "b", 0.4)])
    require_same_images(a, b)
    assert table_of(a, b) == Table(both=1, only_a=1, only_b=1, neither=0)
    assert [a.hashes[place] for place in only_first(a, b)] == ["3"]
    assert [a.hashes[place] for place in only_first(b, a)] == ["2"]


def test_copies_of_an_image_are_paired_one_by_one(tmp_path: Path) -> None:
    twice = [("7", "a", "a", 0.9), ("7", "a", "a", 0.9), ("8", "b", "b", 0.9)]
    a, b = answers(tmp_path, "first", twice), answers(tmp_path, "second", [twice[2], twice[0], ("7", "a", "b", 0.6)])
    require_same_images(a, b)
    assert table_of(a, b) == Table(2, 1, 0, 0)
    with pytest.raises(UserError, match="2 are shared, of 3 and 3"):
        require_same_images(a, answers(tmp_path, "third", [twice[0], twice[2], ("9", "a", "a", 0.9)]))
    with pytest.raises(UserError, match="2 are shared, of 3 and 2"):
        require_same_images(a, answers(tmp_path, "third", [twice[0], twice[2]]))


def test_the_surest_wrong_guess_comes_first_and_one_without_a_number_last(tmp_path: Path) -> None:
    rows = [("1", 0.6), ("2", 0.9), ("3", float("nan")), ("4", 0.7)]
    a = answers(tmp_path, "right", [(name, "a", "a", 0.5) for name, _ in rows])
    b = answers(tmp_path, "wrong", [(name, "a", "b", likelihood) for name, likelihood in rows])
    assert [a.hashes[place] for place in only_first(a, b)] == ["2", "4", "1", "3"]


def test_odd_class_names_are_read_as_they_are(tmp_path: Path) -> None:
    names = ["NA", "a,b", 'say "hi"', "new\nline", "1", "p(x)"]
    table = pd.DataFrame({"pixel_hash": ["1"], "file": "f", "label": "NA", "guess": "NA", "likelihood": 0.5})
    packed.write_table(
        tmp_path / "p.csv", pd.concat([table, pd.DataFrame([[0.1] * 6], columns=[f"p({n})" for n in names])], axis=1)
    )
    found = read_answers(tmp_path / "p.csv", "odd")
    assert found.classes == set(names) and found.labels[0] == "NA" and found.right.all()


def test_classes_that_differ_are_named_but_not_all(tmp_path: Path) -> None:
    row = [("1", "a", "a", 0.9)]
    a, b = answers(tmp_path, "first", row), answers(tmp_path, "second", row, "abcdefghi")
    with pytest.raises(UserError, match=r"different classes: only second has c, d, e, f, g and 2 more\. "):
        require_same_images(a, b)


def test_what_makes_the_images_differ_is_told_from_params_and_data() -> None:
    a = {"split.seed": "0", "split.test": "0.1", "data": "abc", "train.epochs": "1"}
    assert settings(a, a) == settings(a, a | {"train.epochs": "2"}) == ""
    assert settings(a, a | {"split.seed": "1"}) == "; they differ in split.seed (0 and 1)"
    assert settings(a, a | {"split.test": "0.2", "data": "x"}) == "; they differ in split.test (0.1 and 0.2), data"
    assert settings({}, a) == "; they differ in data"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", 'pixel_hash,label\n"1'])
def test_a_broken_table_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UserError, match=r"predictions.csv of mine is broken"):
        read_answers(tmp_path / "p.csv", "mine")


def test_arrays_keep_their_kinds(tmp_path: Path) -> None:
    found = answers(tmp_path, "first", [("01", "1", "1", 0.9)], "1")
    assert found.hashes[0] == "01" and found.likelihood.dtype == np.float64 and found.right.dtype == np.bool_
