"""`reprolens tune` as a user types it: real trainings, the winner as a diff, and one line for each mistake."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import params_file
from pipeline.errors import UserError
from pipeline.lifecycle.apply import with_seed, write_winner
from pipeline.params import Params
from pipeline.study_plan import most_epochs
from tests.checkout import Checkout, make_checkout
from tests.conftest import edit_yaml
from tests.tracked_runs import params_of

Reprolens = Callable[..., Any]
SPACE = "tune.space={model.filters: {first: [4, 8], growth: [1.0, 2.0]}, model.dense_dropout: {low: 0.0, high: 0.3}}"
# A start that learns too slowly to be any good, so that the winner is certain.
SMALL = ("digits", "train.epochs=2", "model.filters=[4, 4]", "train.learning_rate=0.01", "tune.retrain=2", SPACE)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, str]:
    """A checkout with a finished study whose winner is applied, and what the command said."""
    checkout = make_checkout(tmp_path_factory.mktemp("tuned"), *SMALL)
    done = checkout.run("reprolens", "tune", "--trials", "4", "--apply")
    assert done.returncode == 0, done.stdout
    return checkout, done.stdout


def test_the_winner_is_a_change_of_params_and_its_gain_is_told(tuned: tuple[Checkout, str]) -> None:
    checkout, said = tuned
    assert "tune: 4 of 4, trial 3" in said
    winner = re.search(r"trial (\d+) is written into params.yaml", said)
    assert winner or "Today's params stayed the best" in said
    if winner:
        assert re.search(r"gain [+-]\d\.\d{4} \(95% interval", said)
        assert re.search(r"^\+  (filters|dense_dropout): ", said, re.MULTILINE)
    assert params_file.load(checkout.folder / "params.yaml").tune.retrain == 2


def test_the_same_command_goes_on_without_training(tuned: tuple[Checkout, str]) -> None:
    checkout, _ = tuned
    done = checkout.run("reprolens", "tune", "--trials", "4", "--apply")
    assert done.returncode == 0
    assert "importing TensorFlow" not in done.stdout
    assert "holds trial" in done.stdout or "stayed the best" in done.stdout


def test_the_graph_makes_the_number_of_the_winner(tuned: tuple[Checkout, str]) -> None:
    checkout, said = tuned
    best = re.search(r"best: trial \d+, val_accuracy (\d\.\d{4})", said)
    assert best
    checkout.repro("train")
    last = (checkout.folder / "reports/train/history.csv").read_text().splitlines()[-1]
    assert f"{float(last.split(',')[-1]):.4f}" == best[1]


def test_the_study_has_its_runs_and_pictures(tuned: tuple[Checkout, str]) -> None:
    checkout, _ = tuned
    code = (
        "from pipeline import tracking_server\n"
        "client = tracking_server.connect()\n"
        "runs = client.search_runs([client.get_experiment_by_name('digits-tune').experiment_id])\n"
        "top = [run for run in runs if 'mlflow.parentRunId' not in run.data.tags]\n"
        "print(len(runs), len(top), *[run.info.status for run in top])\n"
        "print(sorted(file.path for file in client.list_artifacts(top[0].info.run_id, 'pictures')))\n"
    )
    done = checkout.run("python", "-c", code)
    assert "5 1 FINISHED" in done.stdout, done.stdout
    assert "pictures/history.png" in done.stdout


def test_the_workspace_is_as_git_knows_it_but_for_params_and_lock(tuned: tuple[Checkout, str]) -> None:
    checkout, _ = tuned
    changed = {line[3:] for line in checkout.run("git", "status", "--porcelain").stdout.splitlines()}
    assert changed <= {"params.yaml", "dvc.lock"}


def test_comments_and_order_of_params_are_kept(workspace: Path) -> None:
    file = workspace / "params.yaml"
    before = file.read_text()
    difference = write_winner({"model.dropout": 0.25, "model.filters": [16, 24]})
    after = file.read_text()
    assert "+  filters: [16, 24]" in difference and "+  dropout: 0.25" in difference
    assert before.count("#") == after.count("#")
    assert len(before.splitlines()) == len(after.splitlines())
    params = params_file.load(file)
    assert (params.model.dropout, params.model.filters) == (0.25, (16, 24))


def test_a_winner_that_the_schema_refuses_changes_nothing(workspace: Path) -> None:
    before = (workspace / "params.yaml").read_text()
    with pytest.raises(UserError, match=r"model\.dropout"):
        write_winner({"model.dropout": 1.5})
    assert (workspace / "params.yaml").read_text() == before


def test_another_seed_changes_the_seed_alone() -> None:
    params: Params = params_of()
    other = with_seed(params, 7)
    assert other.train.seed == 7
    assert with_seed(other, params.train.seed) == params


@pytest.mark.parametrize(
    ("space", "epochs"),
    [("model.dropout: [0.0, 0.1]", 40), ("train.epochs: {low: 2, high: 9}", 9), ("train.epochs: [3, 5]", 5)],
)
def test_the_longest_trial(space: str, epochs: int) -> None:
    assert most_epochs(params_of(f"tune.space={{{space}}}")) == epochs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "Invalid value for '--workers': 0 is not in the range x>=1"),
        (["--trials", "0"], "Invalid value for '--trials': 0 is not in the range x>=1"),
        (["--timeout", "soon"], "'soon' is not a valid float"),
        (["--storage", "postgresql://nobody@127.0.0.1:9/none"], "reprolens: error: .*127.0.0.1:9"),
        (["--on", "ray"], "nodes cannot share a SQLite file: give --storage postgresql"),
        (["--storage", "redis://127.0.0.1"], "reprolens: error: .*redis"),
        (["--storage", "sqlite:////nowhere/at/all.db"], "reprolens: error: .*/nowhere/at"),
    ],
)
def test_bad_options_cost_one_line(reprolens: Reprolens, words: list[str], said: str) -> None:
    done = reprolens("tune", *words)
    assert done.returncode in (1, 2)
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2 or len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tune__space": {}}, "tune.space is empty"),
        (
            {"tune__space": {"model.dropout": {"low": 0.0, "high": 1.5}}},
            "tune.space.model.dropout: `model.dropout` is 1.5",
        ),
        ({"tune__space": {"model.droput": [0.0, 0.1]}}, "unknown key `model.droput`: did you mean `model.dropout`"),
        ({"tune__objective": "test_accuracy"}, "the test split steers nothing"),
        ({"tune__objective": "accuracy"}, "tune.objective is 'accuracy': there are val_accuracy"),
        ({"tune__sampler": "grid"}, "tune.sampler is grid, but .* have no step"),
    ],
)
def test_bad_params_cost_one_line(reprolens: Reprolens, workspace: Path, changes: dict[str, Any], said: str) -> None:
    edit_yaml(workspace / "params.yaml", **changes)
    done = reprolens("tune")
    assert done.returncode == 1
    assert re.search(said, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (workspace / ".reprolens" / "tune.db").exists()
