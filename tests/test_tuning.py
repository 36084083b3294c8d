"""A study loses no trial: kills, Ctrl-C, a server that restarts, many workers. Trials are light, but real processes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline import tracking_server
from pipeline.params import Params
from tests.conftest import REPOSITORY, edit_yaml
from tests.postgres import Server

Make = Callable[..., Params]
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
SPACE = {
    "model.filters": {"first": {"low": 4, "high": 64}, "growth": [1.0, 2.0]},
    "model.dropout": {"low": 0.0, "high": 0.5},
}


@pytest.fixture
def folder(workspace: Path) -> Path:
    edit_yaml(workspace / "params.yaml", tune__space=SPACE, train__epochs=3, tune__pruner="none")
    return workspace


class Parent:
    """The command at work, as a process of its own."""

    def __init__(self, url: str, trials: int, workers: int, seconds: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.tuning_parent", url, str(trials), str(workers)],
            env={**os.environ, "LIGHT_SECONDS": str(seconds), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def __enter__(self) -> "Parent":
        return self

    def __exit__(self, *failure: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def lines(self) -> Iterator[str]:
        assert self.process.stdout
        while line := self.process.stdout.readline():
            yield line

    def until(self, done: int) -> str:
        """Reads its output until so many trials are done."""
        for line in self.lines():
            if line.startswith(f"tune: {done} of "):
                return line
        raise AssertionError("it ended before")

    def end(self) -> str:
        """Waits for its end, which must be a good one; returns what it said since."""
        text = "".join(self.lines())
        assert self.process.wait(120) == 0, text
        return text

    def trials(self) -> list[psutil.Process]:
        """The processes of its trials."""
        found = []
        for server in psutil.Process(self.process.pid).children():
            found += server.children()
        return found


def study_of(url: str) -> list[FrozenTrial]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        return optuna.load_study(study_name="light", storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


def points(trials: list[FrozenTrial]) -> dict[int, tuple[Any, ...]]:
    """What was suggested, by point, and what came of it: of what counts."""
    counted = [trial for trial in trials if trial.state in FINISHED]
    return {trial.user_attrs["point"]: (trial.state, trial.params, trial.values) for trial in counted}


def kill_a_trial(parent: Parent) -> None:
    deadline = time.monotonic() + 60
    while not (running := parent.trials()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with_luck = random.Random(0).choice(running)
    try:
        with_luck.kill()
    except psutil.NoSuchProcess:  # it ended by itself just now
        kill_a_trial(parent)


def check_survivors(trials: list[FrozenTrial], wanted: int) -> None:
    states = Counter(trial.state for trial in trials)
    assert states[TrialState.COMPLETE] + states[TrialState.PRUNED] == wanted
    assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(failed) >= 5
    repeated = Counter(trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs)
    assert set(repeated.values()) == {1}
    assert {trial.number for trial in failed if "params" in trial.user_attrs} == set(repeated)
    counted = [tuple(sorted(trial.params.items())) for trial in trials if trial.state in FINISHED]
    assert len(set(counted)) == len(counted)


def check_mlflow(wanted: int) -> None:
    """No run says "running", and each trial that counts has one."""
    client = tracking_server.connect()
    experiment = client.get_experiment_by_name("digits-tune")
    assert experiment
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED", "FAILED"}
    states = Counter(run.data.tags.get("reprolens.state") for run in runs)
    assert states["complete"] + states["pruned"] == wanted


def survive(url: str, restart: Callable[[], None] = lambda: None) -> None:
    """30 trials by 2 workers: five kills of trials, one of the parent, and what else there is."""
    with Parent(url, 30, 2, seconds=0.3) as parent:
        for done in (2, 5, 8):
            parent.until(done)
            kill_a_trial(parent)
        restart()
        parent.until(12)
    with Parent(url, 30, 2, seconds=0.3) as parent:
        for done in (16, 20):
            parent.until(done)
            kill_a_trial(parent)
        parent.end()


@pytest.mark.slow
def test_a_study_on_sqlite_survives_kills(folder: Path) -> None:
    url = f"sqlite:///{folder / 'tune.db'}"
    survive(url)
    check_survivors(study_of(url), 30)
    check_mlflow(30)


@pytest.mark.slow
def test_a_study_on_postgresql_survives_kills_and_a_restart(folder: Path, postgres: Server) -> None:
    url = postgres.create("kills")
    survive(url, lambda: postgres.restart(away=3))
    check_survivors(study_of(url), 30)
    check_mlflow(30)


@pytest.mark.slow
def test_eight_workers_on_postgresql_take_no_point_twice(folder: Path, postgres: Server) -> None:
    url = postgres.create("eight")
    with Parent(url, 64, 8, seconds=0.1) as parent:
        parent.end()
    trials = study_of(url)
    assert len(trials) == len(points(trials)) == 64
    assert len({tuple(sorted(trial.params.items())) for trial in trials}) == 64


@pytest.mark.slow
def test_two_parents_join_a_study_by_its_address(folder: Path, postgres: Server) -> None:
    url = postgres.create("two")
    with Parent(url, 24, 2, seconds=0.2) as one, Parent(url, 24, 2, seconds=0.2) as other:
        one.end()
        other.end()
    trials = study_of(url)
    assert len(trials) == len(points(trials)) == 24
    assert len({trial.user_attrs["process"] for trial in trials}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_study_goes_on_as_if_nothing_had_happened(folder: Path, number: signal.Signals) -> None:
    whole, halves = f"sqlite:///{folder / 'whole.db'}", f"sqlite:///{folder / 'halves.db'}"
    edit_yaml(folder / "params.yaml", tune__pruner="halving")
    with Parent(whole, 10, 1, seconds=0.05) as parent:
        parent.end()
    for done in (2, 6):
        with Parent(halves, 10, 1, seconds=0.2) as parent:
            parent.until(done)
            parent.process.send_signal(number)
            said = "".join(parent.lines())
            assert parent.process.wait(60) == 130, said
            assert "Traceback" not in said
        assert not [trial for trial in study_of(halves) if trial.state == TrialState.RUNNING]
    with Parent(halves, 10, 1, seconds=0.05) as parent:
        parent.end()
    assert points(study_of(halves)) == points(study_of(whole))


def test_failures_in_a_row_stop_the_study_with_one_line(folder: Path) -> None:
    edit_yaml(folder / "params.yaml", train__batch_size=13)
    with Parent(f"sqlite:///{folder / 'tune.db'}", 30, 1, seconds=0.01) as parent:
        said = "".join(parent.lines())
        assert parent.process.wait(60) == 1
    assert "tune: error: 5 trials in a row failed, the last one: ValueError: thirteen. Mend its cause" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_space_that_is_used_up_ends_the_study(folder: Path) -> None:
    edit_yaml(folder / "params.yaml", tune__space={"model.dropout": [0.0, 0.1, 0.2]})
    url = f"sqlite:///{folder / 'tune.db'}"
    with Parent(url, 30, 2, seconds=0.01) as parent:
        said = parent.end()
    assert len(points(study_of(url))) == 3
    assert "all 3 points of tune.space were tried" in said
