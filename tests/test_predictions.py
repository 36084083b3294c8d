"""Predictions as tables: on a terminal, as CSV, as JSON."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import packed
from pipeline.errors import UserError
from pipeline.prediction_table import counts, encodable, table
from pipeline.predictions import Prediction, check_target, likeliest, writing

ODD_NAMES = ["a,b.png", 'a"b.png', "new\nline.png", "back\rback.png", "bücher/中.png", "bad\udcff.png", " a ", "=1+1"]
WIDE = Prediction(
    "a/very/long/folder/name/that/goes/on/and/on/" + "x" * 40 + "/中文字.png", (("c" * 60, 0.5), ("d" * 60, 0.25))
)


def found(file: str, truth: str | None = None) -> Prediction:
    return Prediction(file, (("cat", float(np.float32(0.7))), ("dog", float(np.float32(1e-9)))), truth)


def written(target: Path, *predictions: Prediction, labelled: bool = False) -> Path:
    with writing(target, 2, labelled) as write:
        for prediction in predictions:
            write([prediction])
    return target


def test_the_likeliest_come_first_and_equal_ones_in_the_order_of_classes() -> None:
    rows = np.array([[0.2, 0.5, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]], np.float32)
    best = likeliest(rows, "abcd", 3)
    assert [[label for label, _ in row] for row in best] == [["b", "a", "c"], ["d", "a", "b"]]
    assert [value for _, value in best[0]] == [0.5, *[float(np.float32(0.2))] * 2]


def test_csv_keeps_odd_names_and_every_bit_of_a_likelihood(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", *map(found, ODD_NAMES))
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        head, *rows = csv.reader(stream)
    assert head == ["file", "label", "likelihood", "label_2", "likelihood_2"]
    assert [row[0] for row in rows] == ODD_NAMES
    assert [(np.float32(row[2]), np.float32(row[4])) for row in rows] == [(np.float32(0.7), np.float32(1e-9))] * 8
    readable = [name for name in ODD_NAMES if name.isascii()]
    assert packed.read_table(written(tmp_path / "b.csv", *map(found, readable)))["file"].tolist() == readable


def test_json_is_valid_and_says_the_same(tmp_path: Path) -> None:
    rows = json.loads(written(tmp_path / "a.JSON", *map(found, ODD_NAMES)).read_text("ascii"))
    assert [row["file"] for row in rows] == ODD_NAMES
    assert [entry["label"] for entry in rows[0]["likelihoods"]] == ["cat", "dog"]
    assert np.float32(rows[0]["likelihoods"][1]["likelihood"]) == np.float32(1e-9)
    assert json.loads(written(tmp_path / "none.json").read_text()) == []


def test_true_labels_have_a_column(tmp_path: Path) -> None:
    with_truth = found("1.png", "dog")
    assert written(tmp_path / "a.csv", with_truth, labelled=True).read_text().splitlines() == [
        "file,true_label,label,likelihood,label_2,likelihood_2",
        "1.png,dog,cat,0.699999988,dog,9.99999972e-10",
    ]
    assert json.loads(written(tmp_path / "a.json", with_truth, labelled=True).read_text())[0]["true_label"] == "dog"


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_a_table_that_is_cut_off_never_appears(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("the last one")
    with pytest.raises(ZeroDivisionError), writing(tmp_path / name, 2, False) as write:
        write(found(f"{number}.png") for number in (1 // (2 - place) for place in range(3)))
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "the last one")]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.txt", "--out {}/a.txt must end in .csv or .json"),
        ("csv", "--out {}/csv must end in .csv or .json"),
        ("gone/a.csv", "--out {0}/gone/a.csv: there is no folder {0}/gone: make it first, or give another"),
        ("folder.csv", "--out {}/folder.csv is a folder: give the name of a file"),
    ],
)
def test_a_place_that_cannot_be_written_is_said_before(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    check_target(tmp_path / "a.csv", "--out", [".csv", ".json"])
    with pytest.raises(UserError) as caught:
        check_target(tmp_path / name, "--out", [".csv", ".json"])
    assert str(caught.value) == line.format(tmp_path)


def test_columns_are_aligned_and_nothing_is_cut_without_a_terminal() -> None:
    assert table([found("a.png"), found("longer.png")], None) == [
        "file        label  likelihood  runners-up",
        "a.png       cat        0.7000  dog 0.00",
        "longer.png  cat        0.7000  dog 0.00",
    ]
    assert table([Prediction("a", (("cat", 1.0),), "dog")], None)[1] == "a     dog         cat        1.0000"
    assert WIDE.file in table([WIDE], None)[1]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_lines_fit_the_terminal_and_the_end_of_a_name_is_kept(width: int) -> None:
    from rich.cells import cell_len

    lines = table([WIDE, found("a.png")], width)
    assert max(map(cell_len, lines)) <= width
    assert "中文字.png" in lines[1]


def test_what_moves_the_cursor_is_spelt_out() -> None:
    line = table([found("a\x1b[2J\n\udcff.png")], None)[1]
    assert line.startswith(r"a\x1b[2J\n\udcff.png  cat")
    assert encodable("中é", "ascii") == r"\u4e2d\xe9"


def test_pictures_are_counted_by_class_the_most_frequent_first() -> None:
    assert counts({"cat": 3, "dog": 1_200}, 80) == ["label  pictures", "dog       1,200", "cat           3"]
    many: dict[str, Any] = {f"class {number:02}": 1 for number in range(25)}
    assert counts(many, None)[-2:] == ["class 19         1", "... and 5 more classes"]
