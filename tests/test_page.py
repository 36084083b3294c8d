"""The report page: one file, safe whatever things are called, the same bytes each time, small."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from pipeline import figures, findings, page
from pipeline.about import About, Facts
from pipeline.intervals import bootstrap_intervals
from pipeline.metrics import reliability
from pipeline.mistakes import mistakes_of
from pipeline.page_parts import Numbers, short, visible
from pipeline.stages.evaluate import Judged, class_table, metrics_of
from tests.judged import ABOUT, ODD_NAMES, history, judged, manifest_of

FACTS = Facts("Trained in 3 s.", "abc123", [("Machine", "<b>"), ("Run", "x")])


def numbers_of(answers: Judged, num_epochs: int = 2) -> Numbers:
    labels, probabilities = answers.split.labels, answers.probabilities
    intervals = bootstrap_intervals(labels, probabilities, 3, 0)
    manifest = manifest_of(answers)
    return Numbers(
        answers.classes,
        labels,
        probabilities,
        metrics_of(answers, intervals),
        class_table(answers, intervals).to_dict("records"),
        history(num_epochs).to_dict("records"),
        mistakes_of(labels, probabilities, list(manifest["file"]), list(manifest["pixel_hash"])),
        answers.split.images,
    )


def page_of(answers: Judged, about: About = ABOUT) -> str:
    return page.render(about, numbers_of(answers))


class Reader(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_the_page_repeats_to_the_byte(num_classes: int) -> None:
    assert page_of(judged(num_classes)) == page_of(judged(num_classes))


def test_nothing_is_fetched_from_anywhere() -> None:
    text = page_of(judged(10))
    places = [value for _, given in Reader(text).tags for name, value in given.items() if name in ("src", "href")]
    assert places and all(place and place.startswith(("data:image/", "#")) for place in places)
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text


def test_the_policy_allows_the_one_script_by_its_hash() -> None:
    text = page_of(judged(2))
    policy = next(given["content"] for tag, given in Reader(text).tags if given.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none'; img-src data:;")
    assert re.search(r"script-src 'sha256-[\w+/]+=*';", policy)


def test_odd_names_are_text_and_nothing_else() -> None:
    about = dataclasses.replace(ABOUT, data="<i>", quarantined=[("</script><b>\u202egnp", "<u>", "\x00")] * 2)
    text = page_of(judged(len(ODD_NAMES), 200, ODD_NAMES), about)
    plain = page_of(judged(len(ODD_NAMES), 200))
    count = [tag for tag, _ in Reader(text).tags].count
    assert (count("script"), count("i"), count("b"), count("u")) == (2, 3 * len(ODD_NAMES), 0, 0)
    assert len(Reader(text).tags) == len(Reader(plain).tags) + 7  # one more row: three cells, three names
    assert "\u202e" not in text and "\\u202egnp" in text
    assert data_of(text)["names"] == [short(visible(name)) for name in ODD_NAMES]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a b", "a b"), ("", "(empty)"), (" ", "(empty)"), ("a\n\x00", "a\\n\\x00"), ("bad\udcff", "bad\\udcff")]
    + [(name, name) for name in ("猫", "قطة", "👩‍🔬", "می‌خواهم")],
)
def test_a_name_is_shown_as_it_is_where_one_can_see_it(name: str, shown: str) -> None:
    assert visible(name) == shown


def test_broken_bytes_in_names_can_be_written() -> None:
    numbers = dataclasses.replace(numbers_of(judged(2)), classes=["bad\udcff", "b"])
    page.render(ABOUT, numbers).encode("utf-8")


def test_long_names_keep_their_beginning_and_end() -> None:
    assert short("x" * 60) == "x" * 60
    assert short("a" * 100 + "end").endswith("aend") and len(short("a" * 100)) < 60


def test_marks_are_filled_once_and_again() -> None:
    empty = page_of(judged(2))
    filled = page.fill(empty, FACTS)
    assert "shown by <code>reprolens report" in empty and "Trained in 3 s." not in empty
    assert "Trained in 3 s." in filled and "git checkout <!--commit-->abc123" in filled and "&lt;b&gt;" in filled
    assert page.fill(filled, FACTS) == filled


def test_names_cannot_forge_a_mark() -> None:
    text = page_of(judged(2, classes=["<!--when-->", "<!--/when-->"]))
    assert page.fill(text, FACTS).count("Trained in 3 s.") == 1


def test_the_run_key_can_be_read_back() -> None:
    assert page.run_key_of(page_of(judged(2))) == ABOUT.run_key
    assert page.run_key_of("<p>something else") is None


def test_ten_thousand_images_of_a_hundred_classes_stay_under_two_megabytes() -> None:
    answers = judged(100, 10_000, side=128, channels=3)
    text = page_of(answers)
    assert len(text.encode()) < 2_000_000
    assert text.count('src="data:image/jpeg') == 48 + 12


def test_small_pictures_keep_their_pixels() -> None:
    assert page_of(judged(2)).count("data:image/png") > 5
    assert "data:image/jpeg" not in page_of(judged(2))


def test_of_a_thousand_classes_the_most_mistaken_make_the_matrix() -> None:
    text = page_of(judged(1000, 2000))
    assert len(re.findall("data-class=", text)) == 100
    assert "100 classes of 1000 with the most mistakes" in text


def test_a_perfect_model_says_that_nothing_was_wrong() -> None:
    labels = np.array([0, 1, 0], np.int32)
    perfect = Judged(judged(2, 3).split, np.eye(2, dtype=np.float32)[labels], ["a", "b"])
    perfect.split.labels[:] = labels
    assert page_of(perfect).count("None: every guess was right.") == 2


def test_a_metric_that_is_new_here_is_shown_with_its_interval() -> None:
    numbers = numbers_of(judged(3))
    metrics = dict(numbers.metrics) | {"new_metric": 0.25, "other_accuracy": 0.5}
    metrics["interval"] = metrics["interval"] | {"new_metric": {"low": 0.1, "high": 0.3}}
    text = page.render(ABOUT, dataclasses.replace(numbers, metrics=metrics))
    assert "New metric" in text and "0.1000 to 0.3000" in text and "50.0%" in text


def test_losses_that_are_no_numbers_leave_a_gap() -> None:
    rows = [{"epoch": n, "loss": loss, "val_loss": 1.0} for n, loss in enumerate([1.0, 2.0, float("nan"), 3.0])]
    svg = str(figures.learning_curve(rows, "loss"))
    assert svg.count("<circle") == 1 and "nan" not in svg and "null" in svg


def test_long_histories_are_thinned_with_both_ends_kept() -> None:
    rows = [{"epoch": float(number)} for number in range(1000)]
    thin = figures.thinned(rows, 100)
    assert (len(thin), thin[0], thin[-1]) == (100, rows[0], rows[-1])


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.4, 0.99, [0.4, 0.6, 0.8, 1]), (3, 3, None)]
)
def test_ticks_are_round_numbers_around_the_values(low: float, high: float, expected: list[float] | None) -> None:
    found = figures.ticks(*figures.scale(low, high))
    assert found[0] <= low and found[-1] >= high
    assert expected is None or found == pytest.approx(expected)


def test_confused_pairs_count_both_directions() -> None:
    pairs = findings.confused_pairs(np.array([[9, 1, 5], [3, 9, 0], [0, 0, 9]]), 5)
    assert [(pair.first, pair.second, pair.forth, pair.back, pair.total) for pair in pairs] == [
        (0, 2, 5, 0, 5),
        (0, 1, 1, 3, 4),
    ]


def test_likeness_puts_confused_classes_together() -> None:
    counts = np.zeros((6, 6), np.int64)
    counts[0, 3], counts[3, 5], counts[1, 4] = 9, 8, 7
    assert findings.by_likeness(counts) == [0, 3, 5, 1, 4, 2]


def test_the_order_by_mistakes_starts_with_the_most_mistaken() -> None:
    assert findings.by_mistakes(np.array([[5, 0, 0], [0, 5, 2], [0, 1, 5]])) == [1, 2, 0]
    assert findings.most_mistaken(np.array([[5, 0, 0], [0, 5, 2], [0, 1, 5]]), 2) == [1, 2]


def test_calibration_is_told_in_words() -> None:
    labels = np.array([0, 0, 0, 1])
    surer = np.array([[0.9, 0.1]] * 4)
    said = findings.calibration_words(reliability(labels, surer), 0.15, 4)
    assert "surer than it should be: it states 90.0% on average and is right in 75.0%" in said


def test_mistakes_come_surest_first_with_their_likeliest_classes() -> None:
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]], np.float32)
    found = mistakes_of(np.array([1, 1, 1]), probabilities, ["a", "b", "c"], ["x", "y", "z"])
    assert [(item.file, item.label, item.guess) for item in found] == [("b", 1, 0), ("a", 1, 0)]
    assert [number for number, _ in found[0].likeliest] == [0, 1]
