"""The checks on real digits and on profiles made for one finding each: what raises which alarm, and what none."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import params_file
from pipeline.data_checks import CheckResult, check, table, verdict
from pipeline.data_findings import LabelEvidence
from pipeline.picture_statistics import Pixels
from pipeline.profile import Part, Profile, build
from pipeline.retrain_params import Retrain
from tests.conftest import REPOSITORY
from tests.splits import hash_of

RETRAIN: Retrain = params_file.load(REPOSITORY / "params.yaml").retrain
NO_TEST = Part([], np.empty(0, np.int32), None)
STATISTICAL = {"labels", "balance", "statistics", "features"}
Labels = Sequence[int] | NDArray[np.integer]
Change = Callable[[Pixels], Any]


def part(pixels: Pixels, labels: Labels) -> Part:
    hashes = np.array([hash_of(item) for item in pixels])
    order = np.argsort(hashes, kind="stable")
    return Part(hashes[order].tolist(), np.asarray(labels, np.int32)[order], pixels[order])


def profile(pixels: Pixels, labels: Labels, beyond: Profile | None = None, **facts: Any) -> Profile:
    """Of training images; `facts` are `classes` and counts of files left out."""
    classes = facts.pop("classes", [str(number) for number in range(10)])
    return build([part(pixels, labels), NO_TEST, NO_TEST], classes, facts, beyond)


def alarms(results: Sequence[CheckResult]) -> dict[str, str]:
    return {item.name: item.answer for item in results if item.answer not in ("ok", "not possible")}


def one(results: Sequence[CheckResult], name: str) -> CheckResult:
    return next(item for item in results if item.name == name)


@pytest.fixture(scope="module")
def digits() -> tuple[Pixels, Labels]:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return (pixels.reshape(-1, 8, 8, 1) * 15).astype(np.uint8), labels


@pytest.fixture(scope="module")
def mnist(datasets: Path) -> tuple[Pixels, Labels]:
    """The official test images."""
    pixels = np.frombuffer(gzip.decompress((datasets / "mnist/t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8)
    labels = np.frombuffer(gzip.decompress((datasets / "mnist/t10k-labels-idx1-ubyte.gz").read_bytes()), np.uint8)
    return pixels[16:].reshape(-1, 28, 28, 1), labels[8:].tolist()


def grown(
    images: tuple[Pixels, Labels], seed: int, known: int, new: int, change: Change = lambda pixels: pixels
) -> list[CheckResult]:
    """Random images are known and others come, changed."""
    pixels, labels = images[0], np.asarray(images[1])
    rows = np.random.default_rng(seed).permutation(len(pixels))[: known + new]
    champion = profile(pixels[rows[:known]], labels[rows[:known]])
    later = np.clip(np.round(change(pixels[rows[known:]].astype(np.float64))), 0, 255).astype(np.uint8)
    now = profile(np.concatenate([pixels[rows[:known]], later]), labels[rows], champion)
    return list(check(RETRAIN, champion, now, None))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("new", [30, 500])
def test_honest_growth_of_digits_raises_no_alarm(digits: tuple[Pixels, Labels], seed: int, new: int) -> None:
    results = grown(digits, seed, 1000, new)
    assert alarms(results) == {} and verdict(results) == "ok"
    assert {item.name for item in results if item.p is not None} == STATISTICAL - {"labels"}


@pytest.mark.parametrize("seed", range(2))
def test_honest_growth_of_mnist_raises_no_alarm(mnist: tuple[Pixels, Labels], seed: int) -> None:
    assert alarms(grown(mnist, seed, 4000, 1000)) == {}


DRIFTS: dict[str, tuple[Change, set[str]]] = {
    "inverted": (lambda pixels: 255 - pixels, {"statistics", "features"}),
    "noisy": (lambda pixels: pixels + np.random.default_rng(0).normal(0, 25, pixels.shape), {"statistics", "features"}),
    "brighter": (lambda pixels: pixels + 25, {"statistics", "features"}),
    "turned": (lambda pixels: np.rot90(pixels, axes=(1, 2)), {"features"}),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_pictures_that_look_different_are_seen(mnist: tuple[Pixels, Labels], drift: str) -> None:
    change, expected = DRIFTS[drift]
    results = grown(mnist, 0, 2000, 500, change)
    assert alarms(results) == dict.fromkeys(expected, "warn") and verdict(results) == "warn"


@pytest.mark.parametrize("seed", range(2))
def test_poisoned_labels_stop_and_honest_ones_do_not(mnist: tuple[Pixels, Labels], seed: int) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    random = np.random.default_rng(seed)
    rows = random.permutation(10_000)
    pixels, labels = mnist[0].reshape(10_000, -1), np.asarray(mnist[1])
    known, val, new = np.split(rows[:3500], [2000, 2500])
    champion = KNeighborsClassifier(3).fit(pixels[known], labels[known])
    poisoned = np.where(random.random(1000) < 0.3, (labels[new] + 1) % 10, labels[new])

    def answers(given: Labels) -> CheckResult:
        before = int((champion.predict(pixels[val]) != labels[val]).sum())
        wrong = int((champion.predict(pixels[new]) != given).sum())
        base = profile(mnist[0][known[:100]], labels[known[:100]])
        return one(check(RETRAIN, base, base, LabelEvidence(wrong, 1000, before, 500, 10)), "labels")

    assert answers(labels[new]).answer == "ok"
    assert answers(poisoned).answer == "stop"
    assert "new labels" in answers(poisoned).text


def labels_said(evidence: LabelEvidence) -> CheckResult:
    return one(check(RETRAIN, CHAMPION, CHAMPION, evidence), "labels")


@pytest.mark.parametrize("error", [0.0, 0.1, 0.5])
def test_the_share_of_wrong_labels_does_not_depend_on_how_good_the_champion_is(error: float) -> None:
    # Of 10 classes, 20% of the labels are another: with right ones it disagrees as in validation, with wrong ones
    # unless its own mistake is the very same.
    disagreeing = 0.8 * error + 0.2 * (1 - error / 9)
    found = labels_said(LabelEvidence(round(disagreeing * 9000), 9000, round(error * 9000), 9000, 10))
    assert found.answer == "stop" and found.size == pytest.approx(0.2, abs=0.001)
    assert found.text.endswith("about 20% are wrong")


def test_a_champion_that_only_guesses_is_not_asked() -> None:
    found = labels_said(LabelEvidence(95, 100, 870, 1000, 10))
    assert found.answer == "not possible" and "wrong about 87% of its validation images" in found.text


PIXELS = np.random.default_rng(0).integers(0, 256, (400, 6, 6, 3), dtype=np.uint8)
LABELS = [number % 4 for number in range(400)]
CLASSES = ["ant", "bee", "cat", "dog"]
CHAMPION = profile(PIXELS[:300], LABELS[:300], classes=CLASSES, unreadable=2)


def later(pixels: Pixels = PIXELS, labels: Labels = LABELS, **facts: Any) -> list[CheckResult]:
    """What is said of data that were `CHAMPION`'s before."""
    now = profile(pixels, labels, CHAMPION, **{"classes": CLASSES, "unreadable": 2, **facts})
    return list(check(RETRAIN, CHAMPION, now, LabelEvidence(5, 100, 15, 300, 4)))


def test_every_check_of_the_params_is_made_in_their_order() -> None:
    results = later()
    assert [item.name for item in results] == list(type(RETRAIN.checks).model_fields)
    assert {item.answer for item in results} == {"ok"}


def test_unreadable_files_count_if_they_are_new() -> None:
    found = one(later(unreadable=7), "unreadable")
    assert found.answer == "warn" and found.size == pytest.approx(5 / 105)
    assert one(later(PIXELS[:300], LABELS[:300]), "unreadable").size == 0


def test_copies_of_known_and_of_new_images_are_duplicates() -> None:
    copies = [*range(400), *range(40), *range(390, 400)]
    found = one(later(PIXELS[copies], [LABELS[i] for i in copies]), "duplicates")
    assert (found.answer, found.size, found.text) == ("warn", 50 / 150, "50 of 150 new files are copies of an image")
    assert one(later(copies_of_held_out_images=20), "duplicates").size == pytest.approx(20 / 120)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (["ant", "bee", "cat", "dog", "elk"], "new: elk"),
        (["ant", "bee", "cow", "dog"], "new: cow; gone: cat"),
        (["ant", "b", "c", "d", "e", "f", "g"], "new: b, c, d and 3 more; gone: bee, cat, dog"),
    ],
)
def test_classes_that_come_or_go_stop(classes: list[str], text: str) -> None:
    found = one(later(classes=classes), "classes")
    assert (found.answer, found.text) == ("stop", text)


def test_a_class_between_the_others_moves_numbers_but_relabels_nothing() -> None:
    moved = [number + (number > 1) for number in LABELS]
    results = later(labels=moved, classes=["ant", "bee", "bug", "cat", "dog"])
    assert alarms(results) == {"classes": "stop"}


def test_known_images_under_other_labels_stop() -> None:
    found = one(later(labels=[1, *LABELS[1:8], 3, *LABELS[9:]]), "relabelled")
    assert (found.size, found.text) == (
        2 / 300,
        "2 of 300 images known before have another label: ant -> bee (1), ant -> dog (1)",
    )
    assert found.answer == "ok"
    assert one(later(labels=[*([1] * 40), *LABELS[40:]]), "relabelled").answer == "stop"


def test_known_images_that_are_gone_warn() -> None:
    found = one(later(PIXELS[40:], LABELS[40:], conflicting_labels=80), "vanished")
    assert (found.answer, found.size) == ("warn", 40 / 300)
    assert "80 more files are left out because equal pixels have two labels" in found.text


def test_classes_out_of_balance_warn() -> None:
    labels = [*LABELS[:300], *([2] * 60), *LABELS[360:]]
    found = one(later(labels=labels), "balance")
    assert found.answer == "warn" and found.text == "most: cat, from 25.0% to 70.0% of the images"


def test_a_difference_that_chance_explains_is_none() -> None:
    found = one(later(PIXELS[:325], LABELS[:300] + [0] * 9 + [1] * 8 + [2] * 5 + [3] * 3), "balance")
    assert found.size is not None and found.size > 0.1
    assert found.p is not None and found.p > 0.05 and found.answer == "ok"


def test_few_new_images_are_not_tested() -> None:
    results = later(PIXELS[:310], LABELS[:310])
    assert {item.name for item in results if item.answer == "not possible"} == {"balance", "statistics", "features"}
    assert one(results, "features").text == "too few images: 10 new, 300 known; at least 20 of each are needed"


def test_another_image_size_is_told() -> None:
    now = profile(PIXELS[:, :4], LABELS, CHAMPION, classes=CLASSES)
    results = check(RETRAIN, CHAMPION, now, None)
    assert one(results, "features").text == "images are packed as 4x6x3, those of the champion were 6x6x3"
    assert one(results, "labels").answer == "not possible"


def test_without_a_champion_only_files_are_checked() -> None:
    results = check(RETRAIN, None, profile(PIXELS, LABELS, unreadable=40), None)
    assert alarms(results) == {"unreadable": "warn"}
    assert one(results, "unreadable").size == 40 / 440
    assert sum(item.answer == "not possible" for item in results) == 7


def test_labels_are_doubted_less_where_pictures_look_different() -> None:
    dark = np.concatenate([PIXELS[:300], PIXELS[300:] // 4])
    now = profile(dark, LABELS, CHAMPION, classes=CLASSES)
    found = one(check(RETRAIN, CHAMPION, now, LabelEvidence(60, 100, 15, 300, 4)), "labels")
    assert found.answer == "stop" and found.text.endswith("so it may be them and not the labels")


@pytest.mark.parametrize(
    ("do", "answer", "said"), [("ignore", "ignored", "ok"), ("warn", "warn", "warn"), ("stop", "stop", "stop")]
)
def test_the_params_say_what_an_alarm_does(do: str, answer: str, said: str) -> None:
    checks = RETRAIN.checks.model_copy(update={"classes": RETRAIN.checks.classes.model_copy(update={"do": do})})
    now = profile(PIXELS, LABELS, CHAMPION, classes=[*CLASSES, "elk"])
    results = check(RETRAIN.model_copy(update={"checks": checks}), CHAMPION, now, None)
    assert (one(results, "classes").answer, verdict(results)) == (answer, said)


def test_p_values_are_corrected_for_the_number_of_tests() -> None:
    evidence = LabelEvidence(30, 100, 48, 300, 4)
    alone = check(RETRAIN, CHAMPION, CHAMPION, evidence)
    few = replace(CHAMPION, statistics=CHAMPION.statistics[:0], features=CHAMPION.features[:0])
    assert one(check(RETRAIN, CHAMPION, few, evidence), "labels").p == one(alone, "labels").p / 3  # type: ignore[operator]


def test_the_table_has_a_line_per_check() -> None:
    lines = table(later(unreadable=7))
    assert len(lines) == 9
    assert lines[0].startswith("warn") and "0.048 (limit 0.01)" in lines[0] and "5 of 105 new files" in lines[0]
