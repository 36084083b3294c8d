"""Pruning: Optuna's decisions in a study without interruptions, and the same ones in a study with them."""

import math
from collections import Counter

import optuna
import pytest
from optuna.pruners import HyperbandPruner, SuccessiveHalvingPruner

from pipeline import pruning
from pipeline.pruning import bracket_of, bracket_shares
from tests.studies import EPOCHS, begin, interrupt, open_study, outcome, run

PRUNING: list[pruning.Name] = ["median", "halving", "hyperband"]


def ends(study: optuna.Study, value: float) -> list[int]:
    """Epochs after which a new trial with this value at each would be pruned."""
    trial = begin(study)
    for epoch in range(1, EPOCHS + 1):
        trial.report(value, epoch)
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return [epoch]
    study.tell(trial, value)
    return []


def test_none_prunes_nothing() -> None:
    study = open_study(pruner="none")
    assert [ends(study, value) for value in (0.9, 0.1, math.inf, 0.0)] == [[]] * 4


@pytest.mark.parametrize("name", PRUNING)
def test_what_is_far_behind_ends_early(name: pruning.Name) -> None:
    study = open_study(pruner=name)
    assert [ends(study, 0.9) for _ in range(12)] == [[]] * 12
    assert sum(ends(study, 0.1) != [] for _ in range(12)) >= 6


@pytest.mark.parametrize("name", PRUNING)
def test_the_start_is_never_pruned(name: pruning.Name) -> None:
    study = open_study(pruner=name)
    for point in (*range(1, 14), 0):
        study.enqueue_trial({}, user_attrs={"point": point})
    assert [ends(study, 0.9) for _ in range(12)] == [[]] * 12
    assert [ends(study, 0.0) == [] for _ in range(2)] == [False, True]


@pytest.mark.parametrize("name", PRUNING)
def test_a_trial_at_its_last_epoch_is_not_pruned(name: pruning.Name) -> None:
    study = open_study(pruner=name)
    run(study, 12)
    trial = begin(study)
    trial.report(-1.0, EPOCHS)
    assert not trial.should_prune()


def test_a_trial_with_epochs_of_its_own_is_not_pruned_at_the_last_of_them() -> None:
    study = open_study(pruner="halving")
    run(study, 12)
    for epochs, pruned in ((1, False), (2, True)):
        trial = begin(study)
        trial.set_user_attr("params", {"train.epochs": epochs})
        trial.report(-1.0, 1)
        assert trial.should_prune() == pruned


def test_the_last_epoch_is_noted_all_the_same() -> None:
    study = open_study(pruner="halving")
    assert ends(study, 0.9) == []
    rungs = [key for key in study.trials[0].system_attrs if key.startswith("completed_rung")]
    assert sorted(rungs) == ["completed_rung_0", "completed_rung_1", "completed_rung_2"]


@pytest.mark.parametrize("name", PRUNING)
def test_a_value_that_is_no_number_ends_a_trial_at_once(name: pruning.Name) -> None:
    study = open_study(pruner=name)
    ends(study, 0.9)
    assert ends(study, math.nan) == [1]


def test_median_waits_for_five_trials_and_for_a_quarter_of_the_epochs() -> None:
    study = open_study(pruner="median")
    assert [ends(study, value) for value in (0.9, 0.8, 0.7, 0.6, 0.5)] == [[]] * 5
    assert ends(study, 0.1) == [1 + EPOCHS // 4]


def test_halving_decides_as_that_of_optuna() -> None:
    ours, theirs = open_study(pruner="halving"), open_study()
    theirs.pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    values = [0.5, 0.2, 0.6, 0.3, 0.9, 0.8, 0.85, 0.1, 0.7]
    assert [ends(ours, value) for value in values] == [ends(theirs, value) for value in values]
    assert ended_early(ours) > 2


def ended_early(study: optuna.Study) -> int:
    return sum(row[1] == "PRUNED" for row in outcome(study))


@pytest.mark.parametrize("name", ["halving", "hyperband"])
def test_trials_that_failed_are_not_counted_twice(name: pruning.Name) -> None:
    study = open_study(pruner=name)
    for _ in range(20):
        interrupt(study, begin(study), epochs=EPOCHS)
        run(study, len(outcome(study)) + 1)
    assert outcome(study) == outcome(run(open_study(pruner=name), 20))
    assert ended_early(study) > 3


def test_hyperband_goes_by_point_and_not_by_the_name_of_the_study() -> None:
    first = run(open_study(pruner="hyperband", name="a"), 20)
    assert outcome(run(open_study(pruner="hyperband", name="b"), 20)) == outcome(first)


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 8, 9, 27, 30, 100])
def test_brackets_have_the_shares_of_optuna(max_epochs: int) -> None:
    theirs = HyperbandPruner(min_resource=1, max_resource=max_epochs, reduction_factor=3)
    theirs._try_initialization(open_study())
    assert bracket_shares(max_epochs) == theirs._trial_allocation_budgets


def test_points_fall_into_brackets_by_their_shares() -> None:
    shares = bracket_shares(EPOCHS)
    count = Counter(bracket_of(point, shares) for point in range(1000))
    assert [count[bracket] / 1000 for bracket in range(3)] == pytest.approx([share / 17 for share in shares], abs=0.05)
    assert len({bracket_of(point, shares) for point in range(10)}) == 3
