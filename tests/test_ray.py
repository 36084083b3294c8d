"""Studies on a real Ray cluster of two nodes on this machine, kept by a real PostgreSQL."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline import study
from pipeline.ray_workers import LOOPBACK
from pipeline.study_record import TRIAL_TAG
from pipeline.study_storage import open_storage
from tests.checkout import Checkout, free_port, make_checkout
from tests.conftest import REPOSITORY, edit_yaml
from tests.postgres import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

NUM_TRIALS = 64
SPACE = {"train.learning_rate": {"low": 0.0001, "high": 0.01, "log": True}, "model.dropout": {"low": 0.0, "high": 0.5}}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = make_checkout(
        tmp_path_factory.mktemp("ray"), "digits", "train.epochs=1", "model.filters=[4]", "train.threads=1"
    )
    edit_yaml(made.folder / "params.yaml", tune__space=SPACE, tune__pruner="none")
    return made


class TwoNodes:
    """A cluster of two nodes with one CPU each, in processes of their own; `port` is that of its client server."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_nodes", str(self.port)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.wait_for("ready")

    def wait_for(self, word: str) -> None:
        assert self.process.stdout
        assert any(line.strip() == word for line in self.process.stdout), "the cluster ended"

    def remove(self) -> None:
        """Kills the second node."""
        assert self.process.stdin
        self.process.stdin.write("remove\n")
        self.process.stdin.flush()
        self.wait_for("removed")

    def end(self) -> None:
        self.process.communicate(timeout=60)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the nodes keep their files: not below pytest's folders, whose names are too long for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv(LOOPBACK, "0")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def nodes(place: Path) -> Iterator[TwoNodes]:
    made = TwoNodes()
    try:
        yield made
    finally:
        made.end()


def trials_of(url: str) -> list[FrozenTrial]:
    storage = open_storage(url)
    try:
        (summary,) = optuna.get_all_study_summaries(storage)
        return optuna.load_study(study_name=summary.study_name, storage=storage).trials
    finally:
        storage.engine.dispose()


def tune(checkout: Checkout, url: str, nodes: TwoNodes, *words: str) -> "subprocess.Popen[str]":
    on = ("--on", f"ray://127.0.0.1:{nodes.port}", "--cpus", "1", "--workers", "2", "--storage", url)
    return checkout.start("reprolens", "tune", *on, *words)


def said_until(process: "subprocess.Popen[str]", start: str) -> list[str]:
    """Its lines up to one that starts so."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(start):
            return lines
    raise AssertionError("".join(lines))


def workers_here() -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if "pipeline.cluster_worker" in " ".join(_words(one))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_node_is_removed_and_no_trial_is_lost_or_repeated(
    checkout: Checkout, postgres: Server, nodes: TwoNodes
) -> None:
    url = postgres.create("ray_removed")
    with tune(checkout, url, nodes, "--trials", str(NUM_TRIALS)) as process:
        said_until(process, f"tune: {NUM_TRIALS // 2} of ")
        nodes.remove()
        assert process.stdout
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    trials = trials_of(url)
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    points = Counter(trial.user_attrs["point"] for trial in finished)
    assert sorted(points) == list(range(NUM_TRIALS)) and set(points.values()) == {1}
    (lost,) = [trial for trial in trials if trial.state != TrialState.COMPLETE]
    assert lost.state == TrialState.FAIL and study.is_lost(lost)
    assert sorted(tracked(checkout, "FINISHED")) == sorted(str(trial.number) for trial in finished)
    assert tracked(checkout, "RUNNING") == []


def tracked(checkout: Checkout, status: str) -> list[str]:
    """Numbers of the trials whose MLflow runs have this status."""
    question = "select value from tags join runs using (run_uuid) where key = ? and status = ?"
    with closing(sqlite3.connect(checkout.folder / "mlruns" / "mlflow.db")) as database:
        return [number for (number,) in database.execute(question, (TRIAL_TAG, status))]


def test_ctrl_c_queues_running_trials_again_and_leaves_no_process(
    checkout: Checkout, postgres: Server, nodes: TwoNodes
) -> None:
    url = postgres.create("ray_stopped")
    with tune(checkout, url, nodes, "--trials", "40") as process:
        said_until(process, "tune: 2 of ")
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout
        said = process.stdout.read()
    assert process.returncode == 1 and said.endswith("Aborted!\n"), said
    assert workers_here() == []
    states = Counter(trial.state.name for trial in trials_of(url))
    assert not states["RUNNING"] and states["WAITING"] == states["FAIL"]


def test_what_the_nodes_unpacked_is_gone_when_the_last_worker_has_ended(
    checkout: Checkout, postgres: Server, nodes: TwoNodes, place: Path
) -> None:
    url = postgres.create("ray_unpacked")
    with tune(checkout, url, nodes, "--trials", "2") as process:
        assert process.stdout
        said = process.stdout.read()
    assert process.returncode == 0 and "trial 1" in said, said
    (base,) = place.glob("reprolens-*")
    assert not [item for item in base.iterdir() if item.is_dir()]
    assert len(list(base.glob("*.unpacks"))) == 2


def test_without_an_address_a_cluster_of_this_machine_is_started_and_ended(
    checkout: Checkout, postgres: Server, place: Path
) -> None:
    url = postgres.create("ray_local")
    words = ("--on", "ray", "--cpus", "1", "--trials", "2", "--storage", url)
    done = checkout.run("reprolens", "tune", *words, RAY_TMPDIR=str(place), TMPDIR=str(place))
    assert done.returncode == 0 and "trial 1" in done.stdout, done.stdout
    assert not [one for one in psutil.process_iter() if str(place) in " ".join(_words(one))]
