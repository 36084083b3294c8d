"""Tables and pictures of a judged test split."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import keras_setup, metrics, packed
from pipeline.model import build_model
from pipeline.packed import Packed
from pipeline.params import Evaluate, Params
from pipeline.stages.evaluate import Judged, evaluate, predict, superclasses_of
from tests.judged import ABOUT, manifest_of
from tests.test_metrics import case

FILES = {
    "predictions.csv",
    "per_class.csv",
    "confusion.csv",
    "confusion.png",
    "reliability.png",
    "curves.png",
    "mistakes.png",
    "mistakes.npz",
    "report.html",
}
HISTORY = pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5], "accuracy": [0.5, 0.7], "val_loss": [1.1, 0.6]})
HISTORY["val_accuracy"] = [0.4, 0.6]
PARAMS = Evaluate(bootstrap=100, seed=0)


def judged(num_classes: int, count: int = 60, classes: list[str] | None = None) -> Judged:
    labels, probabilities = case(num_classes, count)
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
    return Judged(Packed(images, labels), probabilities, classes or [f"class {n}" for n in range(num_classes)])


def run(answers: Judged, folder: Path) -> dict[str, Any]:
    return evaluate(PARAMS, answers, manifest_of(answers), HISTORY, ABOUT, folder)


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name)


@pytest.mark.parametrize("num_classes", [2, 5, 100])
def test_every_table_and_picture_is_written(tmp_path: Path, num_classes: int) -> None:
    run(judged(num_classes), tmp_path / "report")
    assert {file.name for file in (tmp_path / "report").iterdir()} == FILES


def test_the_same_answers_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = run(judged(5), tmp_path / "a"), run(judged(5), tmp_path / "b")
    assert first == second
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in FILES)


@pytest.mark.parametrize("num_classes", [2, 20])
def test_metrics_have_their_intervals_where_that_is_standard(tmp_path: Path, num_classes: int) -> None:
    found = run(judged(num_classes), tmp_path / "report")
    expected = set(metrics.measures_for(num_classes))
    assert set(found) == expected | {"images", "interval"}
    assert set(found["interval"]) == expected - {"expected_calibration_error"}
    assert all(
        found["interval"][name]["low"] <= found[name] <= found["interval"][name]["high"]
        for name in ("accuracy", "loss")
    )


def test_predictions_hold_what_later_comparisons_need(tmp_path: Path) -> None:
    answers = judged(3)
    run(answers, tmp_path / "report")
    found = table(tmp_path / "report", "predictions.csv")
    probabilities = [f"p({name})" for name in answers.classes]
    assert list(found.columns) == ["pixel_hash", "file", "label", "guess", "likelihood", *probabilities]
    assert np.array_equal(found[probabilities].to_numpy(np.float32), answers.probabilities)
    assert list(found["guess"]) == [answers.classes[guess] for guess in answers.probabilities.argmax(axis=1)]
    assert np.array_equal(found["likelihood"].to_numpy(np.float32), answers.probabilities.max(axis=1))


def test_accuracy_can_be_had_from_the_predictions(tmp_path: Path) -> None:
    found = run(judged(5), tmp_path / "report")
    predictions = table(tmp_path / "report", "predictions.csv")
    assert (predictions["label"] == predictions["guess"]).mean() == pytest.approx(found["accuracy"])


def test_the_confusion_table_sums_to_images_per_label(tmp_path: Path) -> None:
    answers = judged(5)
    run(answers, tmp_path / "report")
    found = table(tmp_path / "report", "confusion.csv").set_index("label \\ guess")
    assert list(found.index) == list(found.columns) == answers.classes
    assert list(found.sum(axis=1)) == list(np.bincount(answers.split.labels))
    assert list(found.sum(axis=0)) == list(np.bincount(answers.probabilities.argmax(axis=1), minlength=5))


def test_scores_per_class_have_intervals_and_support(tmp_path: Path) -> None:
    answers = judged(5)
    run(answers, tmp_path / "report")
    found = table(tmp_path / "report", "per_class.csv")
    assert list(found["support"]) == list(np.bincount(answers.split.labels))
    for name in ("precision", "recall", "f1"):
        assert (found[f"{name}_low"] <= found[name]).all() and (found[name] <= found[f"{name}_high"]).all()


def test_a_perfect_model_has_no_mistakes_to_show(tmp_path: Path) -> None:
    labels, _ = case(4)
    answers = Judged(
        Packed(np.zeros((300, 8, 8, 3), np.uint8), labels), np.eye(4, dtype=np.float32)[labels], list("abcd")
    )
    assert run(answers, tmp_path / "report")["accuracy"] == 1
    assert {file.name for file in (tmp_path / "report").iterdir()} == FILES


def test_a_class_that_test_lacks_and_nobody_guesses_is_a_row_of_zeros(tmp_path: Path) -> None:
    answers = judged(3)
    wider = np.pad(answers.probabilities, ((0, 0), (0, 1)))
    run(Judged(answers.split, wider, [*answers.classes, "absent"]), tmp_path / "report")
    absent = table(tmp_path / "report", "per_class.csv").iloc[3]
    assert (absent["label"], absent["support"], absent["recall"], absent["f1"]) == ("absent", 0, 0, 0)


def test_a_single_test_image_is_judged(tmp_path: Path) -> None:
    assert run(judged(2, count=1), tmp_path / "report")["images"] == 1


def test_odd_class_names_survive_in_every_table(tmp_path: Path) -> None:
    names = ["a,b", 'say "hi"', "new\nline", "$x$", "中文", "NA", "1", "bad\\xff"]
    answers = judged(len(names), classes=names)
    run(answers, tmp_path / "report")
    for name, column in (("per_class.csv", "label"), ("confusion.csv", "label \\ guess")):
        assert list(packed.read_table(tmp_path / "report" / name)[column]) == names
    expected = [names[label] for label in answers.split.labels]
    assert list(packed.read_table(tmp_path / "report" / "predictions.csv")["label"]) == expected


def test_a_new_evaluation_replaces_the_whole_folder(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "old.txt").write_text("of the last model")
    run(judged(2), tmp_path / "report")
    assert {file.name for file in (tmp_path / "report").iterdir()} == FILES


def test_a_failed_evaluation_leaves_the_last_one(tmp_path: Path) -> None:
    run(judged(2), tmp_path / "report")
    before = (tmp_path / "report" / "predictions.csv").read_bytes()
    with pytest.raises(KeyError):
        evaluate(PARAMS, judged(3), manifest_of(judged(3)), HISTORY.drop(columns="loss"), ABOUT, tmp_path / "report")
    assert (tmp_path / "report" / "predictions.csv").read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["report"]


def test_predictions_are_probabilities_in_the_order_of_the_split(make_params: Callable[..., Params]) -> None:
    keras_setup.deterministic(0, 2)
    model = build_model(make_params("model.filters=[4]", "model.dense=[8]").model, (8, 8, 1), 3, seed=0)
    split = judged(3, count=300).split
    probabilities = predict(model, split)
    assert probabilities.shape == (300, 3) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, model(split.images), atol=1e-6)


def test_superclass_accuracy_comes_with_data_that_has_superclasses(tmp_path: Path) -> None:
    answers = judged(20)
    of = {name: f"kind {number // 5}" for number, name in enumerate(answers.classes)}
    manifest = manifest_of(answers)
    assert superclasses_of(manifest, answers.classes) == ()
    manifest["superclass"] = [of[label] for label in manifest["label"]]
    with_them = replace(answers, superclasses=tuple(of.values()))
    found = evaluate(PARAMS, with_them, manifest, HISTORY, ABOUT, tmp_path / "report")
    guesses = answers.probabilities.argmax(axis=1)
    assert found["superclass_accuracy"] == np.mean(guesses // 5 == answers.split.labels // 5) > found["accuracy"]
    assert set(found["interval"]["superclass_accuracy"]) == {"low", "high"}


def test_superclasses_are_read_from_the_manifest() -> None:
    manifest = pd.DataFrame({"label": ["b", "a", "b"], "superclass": ["y", "x", "y"]})
    assert superclasses_of(manifest, ["a", "b"]) == ("x", "y")
