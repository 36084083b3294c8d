"""`reprolens compare`: runs in a real store side by side, and two of them on the same test images."""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from pipeline import packed, paths, record, runs, tracking_server
from pipeline.comparison import Row
from pipeline.completion import complete
from pipeline.errors import UserError
from pipeline.intervals import wilson
from pipeline.journal import Journal, open_journal
from pipeline.lifecycle.compare import compare, evaluated, rows_of
from pipeline.mistake_images import write_pictures
from pipeline.mistakes import mistakes_of
from pipeline.packed import Packed
from pipeline.params import Params
from pipeline.published import PUBLISHED
from pipeline.stages.evaluate import Judged, predictions_table
from tests.conftest import Program
from tests.judged import manifest_of
from tests.tracked_runs import checkout, make_run, params_of, row_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers
COUNT = 60
CLASSES = ("cat", "dog", "owl")


def judged(wrong: Sequence[int], classes: Sequence[str] = CLASSES, count: int = COUNT, side: int = 8) -> Judged:
    """Answers that are wrong on these images, the first of them the surest."""
    labels = (np.arange(count) % len(classes)).astype(np.int32)
    probabilities = np.full((count, len(classes)), 0.1 / (len(classes) - 1), np.float32)
    probabilities[np.arange(count), labels] = 0.9
    for place, row in enumerate(wrong):
        probabilities[row] = 0.01
        probabilities[row, (labels[row] + 1) % len(classes)] = 0.99 - 0.01 * place
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Judged(Packed(images, labels), probabilities, list(classes))


def trained(params: Params, key: str, tags: dict[str, str] | None = None) -> Journal:
    """The journal of a finished training."""
    journal = open_journal(key)
    journal.write("start", pid="1@0.00", **record.start_facts(params))
    for epoch in (1, 2, 3):
        journal.write("epoch", row=row_of(epoch, 0.9), seconds=1.5)
    sizes = {"reprolens.parameters": "53290", "reprolens.training_images": "1257"}
    journal.write("model", tags=sizes | (tags or {}))
    journal.write("end", status="FINISHED")
    return journal


def leave_answers(answers: Judged, manifest: pd.DataFrame) -> None:
    """The files of `evaluate` that a comparison needs, where it leaves them."""
    paths.EVALUATE_REPORT.mkdir(parents=True)
    packed.write_table(paths.PREDICTIONS, predictions_table(answers, manifest))
    hashes, files = list(manifest["pixel_hash"]), list(manifest["file"])
    mistakes = mistakes_of(answers.split.labels, answers.probabilities, files, hashes)
    write_pictures(paths.MISTAKE_IMAGES, answers.split.images, mistakes)


def complete_run(
    params: Params,
    key: str,
    answers: Judged,
    manifest: pd.DataFrame | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """A run that was trained and evaluated, whole in MLflow."""
    journal, labels = trained(params, key, tags), answers.split.labels
    leave_answers(answers, manifest_of(answers) if manifest is None else manifest)
    right = int((answers.probabilities.argmax(axis=1) == labels).sum())
    metrics = {"accuracy": right / len(labels), "interval": {"accuracy": wilson(right, len(labels))}}
    journal.write("test", metrics=record.test_metrics(metrics))
    record.keep_evaluation(journal)
    complete(tracking_server.connect(), journal, None)
    shutil.rmtree(paths.EVALUATE_REPORT)


def moved(answers: Judged, first: int) -> pd.DataFrame:
    """The manifest of such a split with other images from `first` on."""
    manifest = manifest_of(answers)
    manifest["pixel_hash"] = [
        name if row < first else f"f{name[1:]}" for row, name in enumerate(manifest["pixel_hash"])
    ]
    return manifest


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator["MlflowClient"]:
    folder = tmp_path_factory.mktemp("checkout")
    with checkout(folder, f"sqlite:///{folder}/mlruns/mlflow.db"):
        paths.tracking_store().mkdir()
        few, many = judged(range(4)), judged(range(2, 22))
        complete_run(params_of(), "aaaaaaaaa1", few)
        complete_run(params_of("model.dropout=0.3"), "bbbbbbbbb2", many)
        complete_run(params_of("split.seed=7"), "ccccccccc3", few, moved(few, 40))
        complete_run(params_of("model.dense=[64]"), "ddddddddd4", judged(range(9), ["cat", "dog", "yak"]))
        relabelled = judged([0])
        relabelled.split.labels[:3] = [1, 2, 0]
        complete_run(params_of("train.epochs=9"), "eeeeeeeee5", relabelled)
        notebook = {"reprolens.parameters": "167562", "reprolens.training_images": "50000"}
        complete_run(params_of("train.seed=3", preset="cifar10-cnn"), "abababab12", many, tags=notebook)
        make_run(params_of("train.patience=3"), "fffffffff6", 0.7)
        complete(tracking_server.connect(), trained(params_of("model.pool=1"), "badbadbad7"), None)
        yield tracking_server.connect()


def row(client: "MlflowClient", wanted: str) -> Row:
    return rows_of(client, [runs.one_run(client, wanted)])[0]


def names_in(text: str) -> list[str]:
    """The second column."""
    return [re.split(r"\s{2,}", line)[1] for line in text.splitlines()[3:] if re.match(r"\w+\s{2,}\S", line)]


def test_a_row_holds_what_mlflow_knows(store: "MlflowClient") -> None:
    found = row(store, "aaaaaaaaa1")
    assert (found.network, found.data, found.key) == ("digits", "digits", "aaaaaaaaa1")
    assert (found.parameters, found.training_images, found.epochs, found.seconds) == (53290, 1257, 3, 4.5)
    interval = wilson(56, 60)
    assert (found.accuracy, found.low, found.high) == pytest.approx((56 / 60, interval["low"], interval["high"]))
    assert not found.note


def test_a_run_without_tags_and_files_is_a_row_too(store: "MlflowClient") -> None:
    found = row(store, "fffffffff6")
    assert (found.parameters, found.training_images, found.published) == (None, None, None)
    assert (found.epochs, found.seconds) == (12, 6.0)


def test_times_that_are_not_all_known_are_unknown(store: "MlflowClient") -> None:
    journal = open_journal("ccccccddd8")
    journal.write("start", pid="1@0.00", **record.start_facts(params_of("train.epochs=2")))
    for epoch, seconds in ((1, None), (2, 1.0)):
        journal.write("epoch", row=row_of(epoch, 0.5), seconds=seconds)
    journal.write("end", status="KILLED")
    complete(store, journal, None)
    found = row(store, "ccccccddd8")
    assert (found.epochs, found.seconds, found.accuracy, found.note) == (2, None, None, "killed")


def test_published_figures_are_for_the_notebooks_network_only(store: "MlflowClient") -> None:
    run = runs.one_run(store, "abababab12")
    assert row(store, "abababab12").published == PUBLISHED["cifar10-cnn"]
    for tag, other in (("changes", "train.epochs 10 -> 3"), ("preset", "digits"), ("parameters", "166538")):
        before = run.data.tags[f"reprolens.{tag}"]
        store.set_tag(run.info.run_id, f"reprolens.{tag}", other)
        assert row(store, "abababab12").published is None
        store.set_tag(run.info.run_id, f"reprolens.{tag}", before)


def test_all_evaluated_runs_are_shown_by_data_and_accuracy(store: "MlflowClient") -> None:
    text = compare((), None, None, None)
    assert names_in(text)[:3] == ["seed 3 (cifar10-cnn)", "epochs 9 (digits)", "digits"]
    assert names_in(text)[-2:] == ["patience 3 (digits)", "dropout 0.3 (digits)"]
    assert "pool 1" not in text and "killed" not in text


def test_of_too_many_runs_the_newest_are_shown_and_that_is_said(store: "MlflowClient") -> None:
    experiment = store.get_experiment_by_name("digits").experiment_id
    found, note = evaluated(store, [experiment], most=2)
    everything, nothing = evaluated(store, [experiment])
    newest = sorted(everything, key=lambda run: run.info.start_time)[-2:]
    assert {run.info.run_id for run in found} == {run.info.run_id for run in newest} and len(everything) == 6
    assert note.startswith("only the newest 2 evaluated runs are shown") and nothing == ""


def test_an_experiment_stands_for_its_runs_and_named_runs_keep_their_order(store: "MlflowClient") -> None:
    assert names_in(compare(("cifar10",), None, None, None)) == ["seed 3 (cifar10-cnn)"]
    named = ("bbbbbbbbb2", "pool 1 (digits)", "aaaaaaaaa1", "dropout 0.3 (digits)")
    text = compare(named, None, None, None)
    assert names_in(text) == ["dropout 0.3 (digits)", "pool 1 (digits) (not evaluated)", "digits"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("nothing",), "no run 'nothing': give a run id, a run key"),
        (("",), "no run ''"),
        (("aaaaaaaaa1", "b"), "'b' means [2-9] runs: .*Give more of one's id"),
    ],
)
def test_a_run_that_is_not_clear_is_one_line(store: "MlflowClient", wanted: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare(wanted, None, None, None)


def test_files_hold_the_table_as_their_endings_say(store: "MlflowClient", tmp_path: Path) -> None:
    for name, part in (("t.md", "| digits | digits |"), ("t.html", "<!doctype html>"), ("t.csv", "data,network")):
        said = compare(("aaaaaaaaa1",), str(tmp_path / name), None, None)
        assert said.endswith(f"table {tmp_path / name}") and part in (tmp_path / name).read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t.csv", "t.html", "t.md"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "table.pdf"}, r"--out 'table.pdf' ends in none of .md, .html, .csv"),
        ({"out": "nowhere/table.md"}, "--out 'nowhere/table.md': there is no folder nowhere"),
        ({"out": "folder.md"}, "--out 'folder.md' is a folder"),
        ({"picture": "a.png"}, "--picture is of two runs: give --pair"),
        ({"picture": "a.jpg", "two": ("aaaaaaaaa1", "bbbbbbbbb2")}, "--picture 'a.jpg' ends in none of .png"),
    ],
)
def test_files_that_cannot_be_written_are_told_before_any_work(
    store: "MlflowClient", monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    Path("folder.md").mkdir(exist_ok=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    with pytest.raises(UserError, match=message):
        compare((), options.get("out"), options.get("two"), options.get("picture"))


def test_two_runs_are_tested_on_the_same_images(store: "MlflowClient", tmp_path: Path) -> None:
    said = compare((), str(tmp_path / "t.md"), ("digits", "dropout 0.3 (digits)"), str(tmp_path / "d.png"))
    assert names_in(said)[:2] == ["digits", "dropout 0.3 (digits)"]
    assert "A is better: 18 against 2 images, p = 0.0004 (exact McNemar)" in said
    assert re.search(r"A right +38 +18\nA wrong +2 +2\n", said)
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG") and f"differences {tmp_path / 'd.png'}" in said
    assert "(<d.png>)" in (tmp_path / "t.md").read_text()


def test_the_sheet_has_a_place_of_its_own(store: "MlflowClient") -> None:
    said = compare((), None, ("aaaaaaaaa1", "abababab12"), None)
    assert "differences reports/compare/aaaaaaaaa1_abababab12.png" in said
    assert (paths.COMPARE / "aaaaaaaaa1_abababab12.png").exists()


@pytest.mark.parametrize(
    ("two", "message"),
    [
        (("digits", "aaaaaaaaa1"), "'digits' and 'aaaaaaaaa1' are the same run digits aaaaaaaa: give two"),
        (("aaaaaaaaa1", "nothing"), "no run 'nothing'"),
        (
            ("aaaaaaaaa1", "ccccccccc3"),
            r"different test images: 40 are shared, of 60 and 60; they differ in split.seed \(0 and 7\). Give two",
        ),
        (("aaaaaaaaa1", "ddddddddd4"), r"different classes: only digits aaaaaaaa has owl; only .* dddddddd has yak\. "),
        (("aaaaaaaaa1", "eeeeeeeee5"), "other labels for 3 of 60 test images"),
        (
            ("aaaaaaaaa1", "fffffffff6"),
            r"run patience 3 \(digits\) ffffffff has no predictions: it was never evaluated",
        ),
        (("badbadbad7", "aaaaaaaaa1"), "run pool 1 .* has no predictions"),
    ],
)
def test_two_runs_that_cannot_be_tested_are_one_line(
    store: "MlflowClient", tmp_path: Path, two: tuple[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        compare((), str(tmp_path / "t.md"), two, str(tmp_path / "d.png"))
    assert not list(tmp_path.iterdir())


def test_answers_that_wait_for_mlflow_and_older_runs_without_pictures_will_do(store: "MlflowClient") -> None:
    journal, answers = trained(params_of("train.batch_size=8"), "acacacaca9"), judged([50])
    complete(store, journal, None)
    leave_answers(answers, manifest_of(answers))
    journal.keep({"predictions.csv": paths.PREDICTIONS})
    shutil.rmtree(paths.EVALUATE_REPORT)
    said = compare((), None, ("aaaaaaaaa1", "acacacaca9"), None)
    assert "no difference that this test set can show: 1 against 4 images, p = 0.38" in said
    assert "what batch 8 (digits) acacacac has wrong are missing: run `dvc repro --force evaluate`" in said
    assert "what digits" not in said
    (journal.artifacts / "predictions.csv").write_text("not,a\ntable,of ours\n")
    with pytest.raises(UserError, match=r"predictions.csv of batch 8 .* is broken"):
        compare((), None, ("aaaaaaaaa1", "acacacaca9"), None)


def test_mlflow_away_is_one_line(store: "MlflowClient", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=f"^MLflow at {NOWHERE} is away .*: try again once it is back"):
        compare((), None, None, None)


def test_without_a_run_the_command_says_what_to_do(workspace: Path, reprolens: Program) -> None:
    done = reprolens("compare")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"reprolens: error: no run yet in sqlite:.*: run `make repro`, or `reprolens track` .*\n", done.stderr
    )


def test_the_command_has_help_with_an_example(reprolens: Program) -> None:
    done = reprolens("compare", "--help")
    assert (done.returncode, done.stderr) == (0, "") and "For example: reprolens compare" in done.stdout
