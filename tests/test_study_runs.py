"""The MLflow runs of an Optuna study, on a real local store: nested, complete after any cut-off, no point twice."""

import itertools
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from pipeline import machine, runs, study_runs, tracking, tracking_server
from pipeline.errors import UserError
from pipeline.lifecycle.compare import compare
from pipeline.lifecycle.track import track
from pipeline.study_tracker import StudyTracker
from tests.checkout import free_port
from tests.conftest import REPOSITORY

BASE = {"model.dropout": 0.0, "model.filters": [16, 32], "train.epochs": 3}
SETTINGS = {"tune.sampler": "tpe", "tune.space.model.dropout": "0.0 to 0.5"}
SPACE: dict[str, BaseDistribution] = {"model.dropout": FloatDistribution(0.0, 0.5)}
NUMBERS = itertools.count()
VANISHED = "999999999@0.00"


def new_study(*objectives: str, storage: Any = None) -> optuna.Study:
    """A study of its own for each test, with what `reprolens tune` says of it."""
    names = objectives or ("val_accuracy",)
    directions = [StudyDirection.MINIMIZE if name == "parameters" else StudyDirection.MAXIMIZE for name in names]
    made = optuna.create_study(study_name=f"study-{next(NUMBERS)}", directions=directions, storage=storage)
    made.set_user_attr("experiment", "digits")
    made.set_user_attr("objectives", list(names))
    return made


def row_of(epoch: int, accuracy: float) -> dict[str, Any]:
    losses = {"loss": 1 / epoch, "val_loss": 2 / epoch}
    return {"epoch": epoch, "accuracy": 0.9, "val_accuracy": accuracy, **losses, "seconds": 1.5, "time": 10**12 + epoch}


def add(study: optuna.Study, state: TrialState, accuracy: float, epochs: int = 3, **attrs: Any) -> None:
    """Adds a trial that has ended."""
    failed = state == TrialState.FAIL
    curve = {epoch: accuracy - 0.01 * (epochs - epoch) for epoch in range(1, epochs + 1)}
    known = {
        "point": len(study.trials),
        "host": machine.host(),
        "process": machine.process_mark(),
        "params": {"model.dropout": 0.25},
        "parameters": 5000,
        **({} if failed else {"rows": [row_of(epoch, value) for epoch, value in curve.items()]}),
    }
    study.add_trial(
        create_trial(
            state=state,
            values=None if failed else [accuracy, 5000.0][: len(study.directions)],
            params={"model.dropout": 0.25},
            distributions=SPACE,
            intermediate_values=curve if len(study.directions) == 1 else {},
            user_attrs=known | attrs,
        )
    )


def ask(study: optuna.Study, process: str) -> optuna.Trial:
    """A trial that runs, and whose process is `process`."""
    trial = study.ask(SPACE)
    facts = {"point": trial.number, "host": machine.host(), "process": process, "params": dict(trial.params)}
    for name, value in facts.items():
        trial.set_user_attr(name, value)
    return trial


def runs_of(client: Any, study: optuna.Study) -> tuple[Any, list[Any]]:
    """The run of a study and those of its trials, in their order."""
    experiment = client.get_experiment_by_name("digits-tune").experiment_id
    found = client.search_runs([experiment], f"tags.`reprolens.study` = '{study.study_name}'")
    (parent,) = [run for run in found if "reprolens.trial" not in run.data.tags]
    children = [run for run in found if run is not parent]
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in children)
    return parent, sorted(children, key=lambda run: int(run.data.tags["reprolens.trial"]))


def points(client: Any, run: Any, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric)]


@pytest.fixture
def study() -> optuna.Study:
    """One trial of each end, the last of them a repetition."""
    made = new_study()
    add(made, TrialState.COMPLETE, 0.8)
    add(made, TrialState.FAIL, 0.7, epochs=2, reason="killed by signal 9")
    add(made, TrialState.PRUNED, 0.5, epochs=1)
    add(made, TrialState.COMPLETE, 0.9, retry_of=1, point=1)
    return made


def test_each_trial_is_a_run_below_the_study(client: Any, study: optuna.Study) -> None:
    study_runs.project(client, study, BASE, SETTINGS)
    _, trials = runs_of(client, study)
    assert [run.info.run_name for run in trials] == ["trial 0", "trial 1", "trial 2", "trial 3, again point 1"]
    assert [run.info.status for run in trials] == ["FINISHED", "FAILED", "KILLED", "FINISHED"]
    assert [run.data.tags["reprolens.state"] for run in trials] == ["complete", "failed", "pruned", "complete"]
    assert trials[1].data.tags["reprolens.reason"] == "killed by signal 9"
    assert trials[0].info.end_time == int(study.trials[0].datetime_complete.timestamp() * 1000)  # type: ignore[union-attr]


def test_a_trial_has_all_params_epochs_and_its_value(client: Any, study: optuna.Study) -> None:
    study_runs.project(client, study, BASE, SETTINGS)
    _, (first, killed, *_) = runs_of(client, study)
    assert first.data.params == {"model.dropout": "0.25", "model.filters": "[16, 32]", "train.epochs": "3"}
    assert [step for step, _ in points(client, first, "train/loss")] == [1, 2, 3]
    history = client.get_metric_history(first.info.run_id, "val/accuracy")
    assert [point.timestamp for point in history] == [10**12 + epoch for epoch in (1, 2, 3)]
    assert (points(client, first, "val_accuracy"), first.data.metrics["parameters"]) == ([(0, 0.8)], 5000)
    assert points(client, killed, "val/accuracy") == [(1, 0.69), (2, 0.7)]
    assert "val_accuracy" not in killed.data.metrics and "train/loss" not in killed.data.metrics


def test_the_study_has_its_settings_history_and_counts(client: Any, study: optuna.Study) -> None:
    study_runs.remember(study, BASE, SETTINGS)
    study.set_user_attr(study_runs.ENDED, {"status": "FINISHED", "time": 10**12, "pictures": []})
    study_runs.project(client, study, BASE, SETTINGS)
    parent, _ = runs_of(client, study)
    assert (parent.info.run_name, parent.info.status, parent.info.end_time) == (study.study_name, "FINISHED", 10**12)
    assert parent.data.params == SETTINGS
    assert points(client, parent, "best/val_accuracy") == [(1, 0.8), (2, 0.8), (3, 0.9)]
    counts = {name: parent.data.metrics[f"trials/{name}"] for name in ("complete", "pruned", "failed")}
    assert counts == {"complete": 2, "pruned": 1, "failed": 1}
    assert f"`reprolens tune --study {study.study_name}`" in parent.data.tags["mlflow.note.content"]
    assert {"reprolens.commit", "mlflow.user"} <= parent.data.tags.keys()


def test_two_objectives_are_two_values(client: Any) -> None:
    study = new_study("val_accuracy", "parameters")
    add(study, TrialState.COMPLETE, 0.8)
    study_runs.project(client, study, BASE, SETTINGS)
    parent, (trial,) = runs_of(client, study)
    assert (trial.data.metrics["val_accuracy"], trial.data.metrics["parameters"]) == (0.8, 5000)
    assert (parent.data.metrics["best/val_accuracy"], parent.data.metrics["best/parameters"]) == (0.8, 5000)


def everything(client: Any, study: optuna.Study) -> list[Any]:
    """All that MLflow has of a study."""
    parent, trials = runs_of(client, study)
    return [
        [run.info.run_id, run.info.status, run.info.end_time, run.data.params, run.data.tags]
        + [(name, points(client, run, name)) for name in sorted(run.data.metrics)]
        for run in (parent, *trials)
    ]


def test_projecting_twice_changes_nothing(client: Any, study: optuna.Study) -> None:
    study_runs.project(client, study, BASE, SETTINGS)
    before = everything(client, study)
    study_runs.project(client, study, BASE, SETTINGS)
    assert everything(client, study) == before


def test_what_a_cut_off_left_out_is_added(client: Any) -> None:
    study = new_study()
    trial = ask(study, machine.process_mark())
    study_runs.StudyRuns(client, study, {}, {}, at_work=True).bring(study.trials[0], [row_of(1, 0.6)])
    trial.set_user_attr("rows", [row_of(epoch, 0.6) for epoch in (1, 2, 3)])
    study.tell(trial, 0.6)
    study_runs.project(client, study, BASE, SETTINGS)
    parent, (run,) = runs_of(client, study)
    assert points(client, run, "val/accuracy") == [(1, 0.6), (2, 0.6), (3, 0.6)]
    assert (run.info.status, run.data.params["train.epochs"]) == ("FINISHED", "3")
    assert parent.data.params == SETTINGS


def test_what_a_killed_process_left_running_is_closed(client: Any) -> None:
    study = new_study()
    trial = ask(study, VANISHED)
    left = study_runs.StudyRuns(client, study, BASE, SETTINGS, at_work=True)
    left.bring(study.trials[0], [row_of(1, 0.6)])
    client.set_tag(left.parent.run_id, tracking.PID_TAG, VANISHED)
    study_runs.project(client, study, BASE, SETTINGS)
    parent, (run,) = runs_of(client, study)
    assert (parent.info.status, run.info.status) == ("KILLED", "FAILED")
    assert run.data.tags["reprolens.reason"].startswith("killed")
    study.tell(trial, state=TrialState.FAIL)  # Optuna hears of it later
    study_runs.project(client, study, BASE, SETTINGS)
    assert runs_of(client, study)[1][0].info.status == "FAILED"


@pytest.mark.parametrize("host", [machine.host(), "elsewhere"])
def test_a_trial_that_another_process_runs_is_left_alone(client: Any, host: str) -> None:
    with subprocess.Popen(["sleep", "100"]) as other:
        study = new_study()
        trial = ask(study, mark_of(other.pid))
        trial.set_user_attr("host", host)
        study_runs.StudyRuns(client, study, BASE, SETTINGS, at_work=True).bring(study.trials[0])
        study_runs.project(client, study, BASE, SETTINGS)
        parent, (run,) = runs_of(client, study)
        other.kill()
    assert (parent.info.status, run.info.status) == ("RUNNING", "RUNNING")
    study.tell(trial, state=TrialState.FAIL)
    study_runs.project(client, study, BASE, SETTINGS)
    assert [item.info.status for item in (runs_of(client, study)[0], *runs_of(client, study)[1])] == [
        "KILLED",
        "FAILED",
    ]


def mark_of(pid: int) -> str:
    """As `machine.process_mark`, of another process."""
    return f"{pid}@{psutil.Process(pid).create_time():.2f}"


def test_runs_made_twice_become_one(client: Any, study: optuna.Study) -> None:
    """As when two processes find no run and both make one."""
    study_runs.project(client, study, BASE, SETTINGS)
    parent, trials = runs_of(client, study)
    for run in (parent, trials[0]):
        tags = {name: value for name, value in run.data.tags.items() if name.startswith(("reprolens.", "mlflow.par"))}
        client.create_run(run.info.experiment_id, tags=tags | {"reprolens.created": str(10**14)})
    study_runs.project(client, study, BASE, SETTINGS)
    assert [run.info.run_id for run in runs_of(client, study)[1]] == [run.info.run_id for run in trials]
    assert runs_of(client, study)[0].info.run_id == parent.info.run_id


def test_a_new_study_of_an_old_name_gets_runs_of_its_own(client: Any, study: optuna.Study) -> None:
    study_runs.project(client, study, BASE, SETTINGS)
    again = optuna.create_study(study_name=study.study_name)
    for name, value in study.user_attrs.items():
        again.set_user_attr(name, value)
    add(again, TrialState.COMPLETE, 0.6)
    study_runs.project(client, again, BASE, SETTINGS)
    experiment = client.get_experiment_by_name("digits-tune").experiment_id
    found = client.search_runs([experiment], f"tags.`reprolens.study` = '{study.study_name}'")
    assert len(found) == 5 + 2


def test_many_trials_without_news_cost_little(client: Any) -> None:
    study, seconds = new_study(), []
    for number in range(20):
        add(study, TrialState.COMPLETE, number / 100)
    for _ in range(2):
        began = time.perf_counter()
        study_runs.project(client, study, BASE, SETTINGS)
        seconds.append(time.perf_counter() - began)
    assert seconds[1] < seconds[0] / 4
    assert len(runs_of(client, study)[1]) == 20


def tracker_of(study: optuna.Study, **more: float) -> StudyTracker:
    return StudyTracker(study, BASE, SETTINGS, **more)


def run_trial(study: optuna.Study, tracker: StudyTracker, accuracy: float, epochs: int = 2) -> None:
    """What a worker does with the tracker, trial and epochs included."""
    trial = ask(study, machine.process_mark())
    tracker.trial_started(study.trials[trial.number])
    rows = [row_of(epoch, accuracy) for epoch in range(1, epochs + 1)]
    for row in rows:
        tracker.epoch(trial.number, row)
    trial.set_user_attr("rows", rows)
    study.tell(trial, accuracy)
    tracker.trial_ended(study.trials[trial.number])


def until(found: Callable[[], Any]) -> Any:
    """What `found` returns as soon as it is something."""
    for _ in range(600):
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_epochs_appear_while_a_trial_runs(client: Any) -> None:
    study = new_study()
    tracker = tracker_of(study)
    tracker.start()
    trial = ask(study, machine.process_mark())
    tracker.trial_started(study.trials[0])
    tracker.epoch(0, row_of(1, 0.6))
    until(lambda: client.get_experiment_by_name("digits-tune"))
    run = until(lambda: [run for run in tracked(client, study) if "val/accuracy" in run.data.metrics])[0]
    assert (run.info.status, run.data.tags["reprolens.state"]) == ("RUNNING", "running")
    study.tell(trial, 0.6)
    tracker.finish([], "FINISHED")
    parent, (run,) = runs_of(client, study)
    assert (parent.info.status, run.info.status) == ("FINISHED", "FINISHED")


def tracked(client: Any, study: optuna.Study) -> Any:
    experiment = client.get_experiment_by_name("digits-tune").experiment_id
    return client.search_runs([experiment], f"tags.`reprolens.study` = '{study.study_name}'")


def test_live_and_projection_together_log_nothing_twice(client: Any, tmp_path: Path) -> None:
    study, picture = new_study(), tmp_path / "front.png"
    picture.write_bytes(b"a picture")
    for accuracy in (0.6, 0.8):  # the second goes on with the study of the first
        tracker = tracker_of(study)
        tracker.start()
        run_trial(study, tracker, accuracy)
        study_runs.project(client, study, BASE, SETTINGS)
        tracker.finish([picture], "FINISHED")
    study_runs.project(client, study, BASE, SETTINGS)
    parent, trials = runs_of(client, study)
    assert [points(client, run, "val/accuracy") for run in trials] == [[(1, 0.6), (2, 0.6)], [(1, 0.8), (2, 0.8)]]
    assert points(client, parent, "best/val_accuracy") == [(1, 0.6), (2, 0.8)]
    assert parent.info.status == "FINISHED"
    assert [item.path for item in client.list_artifacts(parent.info.run_id, "pictures")] == ["pictures/front.png"]


def test_a_study_is_completed_though_mlflow_was_away(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, back = new_study(), tracking_server.tracking_uri()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    tracker = tracker_of(study, retry=0.1)
    tracker.start()
    run_trial(study, tracker, 0.6)
    warning = until(lambda: capsys.readouterr().err)
    time.sleep(0.5)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", back)
    run_trial(study, tracker, 0.8)
    until(lambda: len(tracked(client, study)) == 3)
    tracker.finish([], "FINISHED")
    assert [points(client, run, "val_accuracy") for run in runs_of(client, study)[1]] == [[(0, 0.6)], [(0, 0.8)]]
    assert len(warning.splitlines()) == 1 and "`reprolens track`" in warning
    assert capsys.readouterr().err == ""


def test_a_server_that_hangs_holds_up_the_end_for_a_while_only(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    study = new_study()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        tracker = tracker_of(study, patience=0.5)
        tracker.start()
        run_trial(study, tracker, 0.6)
        began = time.perf_counter()
        tracker.finish([], "FINISHED")
        assert time.perf_counter() - began < 4
        tracker.thread.join()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    study_runs.project(client, study, BASE, SETTINGS)
    parent, (trial,) = runs_of(client, study)
    assert (parent.info.status, trial.data.metrics["val_accuracy"]) == ("FINISHED", 0.6)


PARENT = """
import os, signal, sys, time
import optuna
sys.path.insert(0, {repository!r})
from tests.test_study_runs import BASE, SETTINGS, ask, row_of
from pipeline import machine
from pipeline.study_tracker import StudyTracker

study = optuna.load_study(study_name={name!r}, storage={storage!r})
tracker = StudyTracker(study, BASE, SETTINGS)
tracker.start()
ask(study, machine.process_mark())
tracker.trial_started(study.trials[-1])
tracker.epoch(study.trials[-1].number, row_of(1, 0.6))
while not (tracker.news.empty() and tracker.runs and not tracker.due):
    time.sleep(0.1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_parent_leaves_nothing_running(client: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its watcher closes its runs; `reprolens track` then says of them what is known, once."""
    (store / ".reprolens").mkdir(exist_ok=True)
    storage = f"sqlite:///{store / '.reprolens' / 'tune.db'}"
    study = new_study(storage=storage)
    code = PARENT.format(repository=str(REPOSITORY), name=study.study_name, storage=storage)
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    until(lambda: [run.info.status for run in tracked(client, study)] == ["KILLED", "KILLED"])
    monkeypatch.chdir(store)
    assert track() == [study.study_name]
    assert runs_of(client, study)[1][0].info.status == "FAILED"
    assert track() == []


def test_runs_of_studies_are_no_runs_to_other_commands(client: Any, study: optuna.Study) -> None:
    study_runs.project(client, study, BASE, SETTINGS)
    parent, trials = runs_of(client, study)
    with pytest.raises(UserError, match="no run yet"):
        compare([], None, None, None)
    assert "not evaluated" in compare([parent.info.run_id, trials[0].info.run_id], None, None, None)
    assert runs.one_run(client, study.study_name).info.run_id == parent.info.run_id
    assert tracking.find_run(client, "") is None
    assert tracking.views(client, "http://127.0.0.1:1") == {}
