"""The table of runs as text, Markdown, HTML and CSV."""

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from pipeline import comparison, comparison_text
from pipeline.comparison import FIELDS, Row, skipped, to_csv, to_html, to_markdown, to_text
from pipeline.mcnemar import Table, Verdict
from pipeline.published import PUBLISHED

CNN = Row(
    *("cifar10-cnn", "cifar10", "a1" * 10, 167_562, 50_000, 10, 244.3, 0.7012, 0.6923, 0.7101),
    published=PUBLISHED["cifar10-cnn"],
)
ANN = Row(
    *("cifar10-ann", "cifar10", "b2" * 10, 12_230_010, 50_000, 5, 352.0, 0.4912, 0.4823, 0.5001),
    published=PUBLISHED["cifar10-ann"],
)
PADDING = Row("flowers-padding", "flowers", "c3" * 10, 9_533_509, published=PUBLISHED["flowers-padding"])
LONG = Row("dropout 0.3, epochs 5, filters 32+32-64 +2 a1f2 (flowers-baseline)", "flowers", "d4" * 10, note="killed")
GONE = skipped("mnist-cnn", "mnist", "its host does not answer: put train-images-idx3-ubyte.gz in a folder")
ROWS = [CNN, ANN, PADDING, LONG, GONE]
VERDICT = Verdict("first a1b2", "<b>second</b>", Table(6800, 212, 112, 2876))
ENDLESS = 10**6


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def test_a_row_says_all_that_is_known() -> None:
    found = re.split(r"\s{2,}", line_of(to_text([CNN], ENDLESS), "cifar10"))
    assert found == [
        *("cifar10", "cifar10-cnn", "167,562", "50,000", "10", "4 min 4 s"),
        *("0.7012", "0.6923 to 0.7101", "0.6971 test, 244 s"),
    ]


def test_what_is_not_known_is_a_dash() -> None:
    found = re.split(r"\s{2,}", line_of(to_text([CNN, LONG], ENDLESS), "flowers"))
    assert found == ["flowers", f"{LONG.network} (killed)", "–", "–", "–", "unknown", "–", "–", "–"]


def test_figures_that_cannot_be_compared_say_so_and_why() -> None:
    text = to_text([ANN, PADDING, ANN], ENDLESS)
    assert text.count("0.4965 training, 352 s, not comparable [1]") == 2
    assert "0.4850 validation, 387 s, not comparable [2]" in text
    assert line_of(text, "[1]").startswith("[1] not comparable: accuracy on the training images")
    assert line_of(text, "[2]") == f"[2] not comparable: {PUBLISHED['flowers-padding'].caveat}"
    assert "not comparable" not in to_text([CNN], ENDLESS)


def test_without_published_figures_there_is_neither_column_nor_legend() -> None:
    text = to_text([replace(CNN, published=None)], ENDLESS)
    assert "published" not in text and "0.6923 to 0.7101" in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(width: int) -> None:
    text = to_text(ROWS, width)
    assert max(map(len, text.splitlines())) <= max(width, 74)  # what the numbers need
    flat, whole = " ".join(text.split()), to_text(ROWS, ENDLESS)
    for part in re.findall(r"[^\s]+", whole):
        assert part.strip("-") in flat


@pytest.mark.parametrize(("width", "lines"), [(140, 1), (100, 2), (80, 4)])
def test_a_narrow_terminal_has_more_lines_per_run(width: int, lines: int) -> None:
    text = to_text([CNN], width).split("\n\npublished: ")[0]
    heads = 2 if width == 80 else 3
    assert len(text.splitlines()) - heads == lines


def test_a_bare_row_is_its_name_and_its_reason() -> None:
    assert GONE.is_bare and not LONG.is_bare
    line = line_of(to_text([CNN, GONE], ENDLESS), "mnist")
    assert re.split(r"\s{2,}", line) == ["mnist", "mnist-cnn", GONE.note]
    assert to_text([GONE], 80) == f"mnist  mnist-cnn  skipped: {GONE.note.removeprefix('skipped: ')}"


def test_runs_of_one_name_are_told_apart_by_their_keys() -> None:
    text = to_text([CNN, replace(CNN, key="ff" * 10), replace(CNN, data="other")], ENDLESS)
    assert "cifar10-cnn a1a1a1a1 " in text and "cifar10-cnn ffffffff " in text
    assert "cifar10-cnn  " in line_of(text, "other")


def test_wide_letters_keep_the_columns() -> None:
    lines = to_text([CNN, replace(CNN, network="猫科动物")], ENDLESS).splitlines()[3:5]
    ends = [cell_len(line[: line.index("0.7012")]) for line in lines]
    assert ends[0] == ends[1]


def test_no_row_is_no_line() -> None:
    assert to_text([], 80) == ""


def test_markdown_is_a_table_whatever_a_run_is_called() -> None:
    odd = replace(CNN, network="a|b\n<script> *x* `y` [z]")
    lines = to_markdown([odd, GONE], VERDICT, "sheets/a b.png").splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines[:4]} == {10}
    assert r"a\|b\\n\<script\> \*x\* \`y\` \[z\]" in lines[2]
    assert GONE.note in lines[3].replace("\\", "")
    assert "A is better: 212 against 112 images, p < 0.0001 (exact McNemar)" in lines
    assert lines[-1] == "![Images on which the two differ](<sheets/a b.png>)"


def test_csv_holds_the_numbers_as_they_are() -> None:
    found: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(to_csv(ROWS))))
    assert tuple(found[0]) == FIELDS and len(found) == len(ROWS)
    assert [float(found[0][name]) for name in ("seconds", "accuracy", "low")] == [244.3, 0.7012, 0.6923]
    assert [row["published_comparable"] for row in found] == ["yes", "no", "no", "", ""]
    assert found[3]["accuracy"] == "" and found[3]["note"] == "killed"


def test_html_is_one_page_that_escapes_names_and_fetches_nothing() -> None:
    page = to_html([replace(CNN, network="<script>alert(1)</script>"), *ROWS], VERDICT, b"\x89PNG")
    assert "<script" not in page and "&lt;script&gt;" in page and "&lt;b&gt;second" in page
    assert "default-src 'none'" in page and "http" not in re.sub(r'http-equiv="', "", page)
    assert "data:image/png;base64,iVBORw==" in page and "A is better: 212 against 112 images" in page


def test_html_draws_intervals_of_one_data_set_on_one_scale() -> None:
    spans = re.findall(r'class="reach" x1="([\d.]+)" x2="([\d.]+)"', to_html([CNN, ANN]))
    (cnn_low, cnn_high), (ann_low, ann_high) = [tuple(map(float, span)) for span in spans]
    assert (ann_low, cnn_high) == (6, 94) and ann_low < ann_high < cnn_low < cnn_high
    assert (cnn_high - cnn_low) / (0.7101 - 0.6923) == pytest.approx((ann_high - ann_low) / 0.0178, rel=0.01)


def test_html_marks_only_published_figures_that_can_be_compared() -> None:
    assert to_html([CNN]).count('class="noted"') == 1
    assert 'class="noted"' not in to_html([ANN, PADDING, GONE])


def test_a_verdict_shows_who_is_right_about_what() -> None:
    lines = comparison_text.verdict(VERDICT).splitlines()
    assert lines[0].split()[-5:] == ["0.7012", "on", "10,000", "test", "images"]
    assert [line.split()[2:] for line in lines[4:6]] == [["6,800", "212"], ["112", "2,876"]]
    assert lines[7].startswith("A minus B: +0.0100, 95% interval +0.0065 to +0.0135")


def test_footnotes_are_told_once() -> None:
    assert len(comparison.footnotes([ANN, ANN, PADDING])) == 2
