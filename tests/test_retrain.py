"""`reprolens retrain` on a folder of digits that grows: a short story, its exit codes, and what it refuses."""

import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from tests.checkout import Checkout, free_port, make_checkout
from tests.conftest import edit_yaml, snapshot
from tests.retraining import DIGITS, checks, digits, kept, poisoned, summary, write_pictures
from tests.test_retrain_lock import holding

QUICK = """
import sys
from pipeline.lifecycle.retrain import retrain
from pipeline.retrain_state import Wishes
print(retrain(Wishes()).line())
print(sorted({"mlflow", "tensorflow", "keras", "optuna", "pandas"} & set(sys.modules)))
"""
SMALL = (*DIGITS, "evaluate.bootstrap=100", "promote.least_images=30")


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose folder has 500 digits, taken by `reprolens retrain`."""
    folder = tmp_path_factory.mktemp("retrain")
    write_pictures(folder / "pictures", *digits(), range(500))
    checkout = make_checkout(folder, "folder", f"dataset.path={folder / 'pictures'}", *SMALL)
    done = checkout.run("reprolens", "retrain")
    assert done.returncode == 10, done.stdout
    return checkout


def retrain(checkout: Checkout, *words: str, **environment: str) -> tuple[int, str]:
    """The exit code and the last line."""
    done = checkout.run("reprolens", "retrain", *words, **environment)
    return done.returncode, done.stdout.splitlines()[-1]


def files(checkout: Checkout) -> dict[str, bytes]:
    """Everything that the pipeline made."""
    left_out = ("reports/retrain/", ".dvc/tmp/", ".dvc/cache/", ".git/", ".venv")
    found = snapshot(checkout.folder).items()
    return {name: content for name, content in found if not name.startswith(left_out)}


def test_the_first_one_is_promoted(grown: Checkout) -> None:
    assert kept(grown) == {"aliases": {"champion": 1}, "runs": 1}
    last = summary(grown)
    assert (last["answer"], last["exit_code"], last["decided"]["version"]) == ("promoted", 10, 1)
    assert last["snapshot"]["data/split/train"] in grown.lock().decode()
    page = (grown.folder / "reports" / "retrain" / "summary.md").read_text()
    assert page.startswith("# Retraining of pictures: promoted\n") and "| met | " in page


def test_nothing_new_needs_no_mlflow_and_makes_no_run(grown: Checkout) -> None:
    before = kept(grown)
    done = grown.run("python", "-c", QUICK)
    assert "retrain: nothing to do: no change since 20" in done.stdout and done.stdout.endswith("\n[]\n"), done.stdout
    assert kept(grown) == before


def test_poisoned_labels_are_refused_and_leave_no_trace(grown: Checkout) -> None:
    before, served = files(grown), kept(grown)
    pixels, labels = digits()
    added = write_pictures(grown.folder.parent / "pictures", pixels, poisoned(labels, 0.3), range(500, 900))
    code, line = retrain(grown)
    assert (code, checks(grown)["labels"]) == (13, "stop"), line
    assert line.startswith("retrain: data refused: labels: ")
    assert files(grown) == before
    assert kept(grown) == served
    for file in added:
        file.unlink()
    assert retrain(grown)[0] == 0


def test_a_second_call_is_told_who_is_at_work(grown: Checkout) -> None:
    with holding(grown.folder / ".reprolens") as first:
        code, line = retrain(grown)
        first.communicate("\n")
    assert code == 12
    assert line.startswith(f"retrain: locked: process {first.pid} on ") and line.endswith("is at work in this folder")


def test_what_cannot_be_pushed_or_committed_is_refused_at_once(grown: Checkout) -> None:
    (grown.folder / "new.txt").write_text("of a person")
    code, line = retrain(grown, "--commit")
    assert (code, line.partition(":")[0]) == (1, "reprolens")
    assert "--commit: 1 other file has changed (new.txt): commit or stash" in line
    (grown.folder / "new.txt").unlink()
    assert "--push needs a DVC remote: `dvc remote add" in retrain(grown, "--push")[1]
    assert summary(grown)["answer"] == "failed"


def test_a_registry_that_is_away_changes_nothing(grown: Checkout) -> None:
    before = files(grown)
    code, line = retrain(grown, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{free_port()}")
    assert (code, line.count("is away")) == (1, 1)
    assert files(grown) == before
    assert retrain(grown)[0] == 0


def test_a_source_that_is_gone_is_one_line(grown: Checkout) -> None:
    pictures = grown.folder.parent / "pictures"
    pictures.rename(pictures.with_name("elsewhere"))
    code, line = retrain(grown)
    pictures.with_name("elsewhere").rename(pictures)
    assert code == 1 and "does not exist: give a folder of class folders" in line


def test_another_clone_takes_over_what_was_decided(grown: Checkout) -> None:
    """Without a record of its own it asks the registry: no training, no run, no second decision."""
    (grown.folder / ".reprolens" / "retrain" / "settled.json").unlink()
    before = kept(grown)
    code, line = retrain(grown)
    assert (code, line.partition(" since ")[0]) == (0, "retrain: nothing to do: no change")
    assert kept(grown) == before


def test_an_unknown_option_is_a_usage_error(grown: Checkout) -> None:
    words = [sys.executable, "-m", "pipeline.cli", "retrain", "--force"]
    done = subprocess.run(words, cwd=grown.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "No such option" in done.stderr


@pytest.mark.slow
def test_more_data_is_promoted_and_tuned_params_stay_written(grown: Checkout) -> None:
    write_pictures(grown.folder.parent / "pictures", *digits(), range(500, 1400))
    space = "{model.dense_dropout: [0.0, 0.1], train.learning_rate: [0.003, 0.01]}"
    edit_yaml(grown.folder / "params.yaml", tune__trials=2, tune__retrain=0, tune__space=YAML(typ="safe").load(space))
    code, line = retrain(grown, "--tune")
    assert code == 10, line
    assert kept(grown)["aliases"] == {"champion": 2, "previous": 1}
    assert summary(grown)["checks"]["new_images"] > 500 and "stop" not in checks(grown).values()
    assert "## Tuning" in (grown.folder / "reports" / "retrain" / "summary.md").read_text()
    assert retrain(grown, "--tune")[0] == 0
