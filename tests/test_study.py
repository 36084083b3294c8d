"""What a study is of, and which trials are run again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline import machine, space, study
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.study_storage import open_storage

Make = Callable[..., Params]
SPACE = "tune.space={model.dropout: {low: 0.0, high: 0.5}, train.optimizer: [adam, adamw]}"


@pytest.fixture
def empty(tmp_path: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}", study_name="s", direction="maximize")


def add(opened: optuna.Study, state: TrialState, point: int = 1, value: float | None = None, **facts: Any) -> int:
    trial = optuna.trial.create_trial(
        state=state,
        value=value,
        params={"model.dropout": 0.1 * point},
        distributions={"model.dropout": optuna.distributions.FloatDistribution(0.0, 1.0)},
        user_attrs={"point": point, "params": {"model.dropout": 0.1 * point}, **facts},
    )
    opened.add_trial(trial)
    return opened.trials[-1]._trial_id


def waiting(opened: optuna.Study) -> list[FrozenTrial]:
    return opened.get_trials(deepcopy=False, states=(TrialState.WAITING,))


def test_a_new_study_begins_with_today(workspace: Path, make_params: Make, empty: optuna.Study) -> None:
    params = make_params(SPACE, "model.dropout=0.1")
    study.begin(empty, study.identity(params), {"experiment": "digits"}, space.space_of(params))
    (first,) = waiting(empty)
    assert first.system_attrs["fixed_params"] == {"model.dropout": 0.1, "train.optimizer": "adamw"}
    assert first.user_attrs["params"] == {"model.dropout": 0.1, "train.optimizer": "adamw"}
    assert (first.user_attrs["point"], empty.user_attrs["experiment"]) == (0, "digits")


def test_beginning_again_changes_nothing(workspace: Path, make_params: Make, empty: optuna.Study) -> None:
    params = make_params(SPACE)
    for _ in range(2):
        study.begin(empty, study.identity(params), {}, space.space_of(params))
    assert len(empty.trials) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            ["tune.space={model.dropout: {low: 0.0, high: 0.4}, train.optimizer: [adam, adamw]}"],
            "space of model.dropout",
        ),
        (["train.epochs=7"], "param train.epochs"),
        (["tune.objective=val_loss"], "objective"),
        (["model.filters=[[8, 8]]"], "param model.filters"),
    ],
)
def test_another_study_under_the_same_name_is_refused(
    workspace: Path, make_params: Make, empty: optuna.Study, changes: list[str], said: str
) -> None:
    params, other = make_params(SPACE), make_params(SPACE, *changes)
    study.begin(empty, study.identity(params), {}, space.space_of(params))
    with pytest.raises(UserError, match=rf"study 's' was begun with other settings \({said}.*take another --study"):
        study.begin(empty, study.identity(other), {}, space.space_of(other))


def test_a_study_goes_on_after_its_winner_was_applied(workspace: Path, make_params: Make) -> None:
    assert study.identity(make_params(SPACE)) == study.identity(
        make_params(SPACE, "model.dropout=0.3", "train.optimizer=adam", "tune.trials=99", "tune.sampler=random")
    )


def test_other_data_or_code_is_another_study(workspace: Path, make_params: Make) -> None:
    before = study.identity(make_params(SPACE))
    (workspace / "pipeline/model.py").write_text("# changed")
    after = study.identity(make_params(SPACE))
    assert {name for name in before if before[name] != after[name]} == {"file pipeline/model.py"}
    assert study.default_name("digits", before) != study.default_name("digits", after)


def test_running_trials_of_dead_processes_fail_and_others_go_on(empty: optuna.Study) -> None:
    add(empty, TrialState.RUNNING, host=machine.host(), process=machine.process_mark())
    add(empty, TrialState.RUNNING, host=machine.host(), process="999999@1.00")
    add(empty, TrialState.RUNNING, host="elsewhere", process="1@1.00")
    empty.ask()  # cut off before anything was written about it
    study.sweep(empty)
    states = [trial.state for trial in empty.trials]
    assert states == [TrialState.RUNNING, TrialState.FAIL, TrialState.RUNNING, TrialState.FAIL]
    assert empty.trials[1].user_attrs["reason"] == "killed: the process that ran it is gone"


def test_a_trial_of_a_host_that_fell_silent_fails_and_is_queued_again(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'study.db'}")
    opened = optuna.create_study(storage=storage)
    for point, seconds_ago in enumerate((301, 10), 1):
        number = add(opened, TrialState.RUNNING, point, host="elsewhere", process="1@1.00")
        RDBStorage.record_heartbeat(storage, number)  # the heart of another process
        with storage.engine.begin() as connection:
            connection.exec_driver_sql(
                f"UPDATE trial_heartbeats SET heartbeat = datetime('now', '-{seconds_ago} seconds') "
                f"WHERE trial_id = {number}"
            )
    study.sweep(opened)
    study.requeue(opened)
    assert [trial.state.name for trial in opened.trials] == ["FAIL", "RUNNING", "WAITING"]
    assert opened.trials[0].user_attrs["reason"] == "killed: nothing was heard from its host for minutes"


@pytest.mark.parametrize(
    ("facts", "again"),
    [
        ({"reason": "killed: its process ended by signal 9"}, True),
        ({"reason": "killed: by signal 9", "kills": 1}, False),
        ({"reason": "interrupted: it is queued again", "kills": 1}, True),
        ({}, True),  # its host died
        ({"reason": "ValueError: loss is nan"}, False),
    ],
)
def test_who_is_queued_again(empty: optuna.Study, facts: dict[str, Any], again: bool) -> None:
    add(empty, TrialState.FAIL, **facts)
    study.requeue(empty)
    assert len(waiting(empty)) == again


def test_a_trial_is_queued_again_only_once_with_its_point_and_params(empty: optuna.Study) -> None:
    add(empty, TrialState.FAIL, point=3, reason="killed: x")
    for _ in range(3):
        study.requeue(empty)
    (trial,) = waiting(empty)
    assert trial.system_attrs["fixed_params"] == pytest.approx({"model.dropout": 0.3})
    assert trial.user_attrs == {"point": 3, "params": {"model.dropout": 0.1 * 3}, "retry_of": 0, "kills": 1}


def test_what_was_cut_off_before_it_had_a_point_is_not_queued(empty: optuna.Study) -> None:
    empty.ask()
    study.sweep(empty)
    study.requeue(empty)
    assert not waiting(empty)


def test_complete_and_pruned_count(empty: optuna.Study) -> None:
    add(empty, TrialState.COMPLETE, value=0.5)
    add(empty, TrialState.PRUNED, value=0.1)
    add(empty, TrialState.FAIL)
    add(empty, TrialState.RUNNING)
    assert study.num_finished(empty.trials) == 2
