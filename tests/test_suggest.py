"""Suggesting points: told by seed, ordinal and history alone, none twice, and as if nothing had been interrupted."""

import copy
import os
import subprocess
import sys
import tracemalloc
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline import suggest
from pipeline.errors import UserError
from pipeline.points import Points, permutation
from pipeline.suggest import Exhausted, grid, is_exhausted, next_point, tried
from tests.conftest import REPOSITORY
from tests.studies import MIXED, SMALL, START, begin, finish, interrupt, open_study, outcome, points, run

NUM_TRIALS = 30
NUM_IN_FILE = 13  # each write to the file takes its time; TPE begins after ten
TWO = {"directions": ("maximize", "minimize")}
KINDS: list[dict[str, Any]] = [
    {"pruner": "halving"},
    {"pruner": "hyperband"},
    {"pruner": "median", "sampler": "random"},
    TWO,
]
HUGE: dict[str, BaseDistribution] = {f"p{place}": IntDistribution(0, 10**9) for place in range(20)}
HASHED = """
from tests.conftest import REPOSITORY
from tests.studies import open_study, outcome, run
print(outcome(run(open_study(), 13)))
"""


def of_small(name: suggest.Name) -> optuna.Study:
    return open_study(sampler=name, distributions=SMALL)


def ended_trial(point: int, params: dict[str, Any], value: float) -> FrozenTrial:
    return create_trial(value=value, params=params, distributions=MIXED, user_attrs={"point": point})


@pytest.mark.parametrize("name", ["tpe", "random"])
def test_two_studies_of_one_seed_are_equal_under_any_name(name: suggest.Name) -> None:
    first = run(open_study(sampler=name), 15)
    assert outcome(run(open_study(sampler=name, name="other"), 15)) == outcome(first)
    assert points(run(open_study(sampler=name, seed=1), 15))[1:] != points(first)[1:]


def test_another_process_suggests_the_same_and_says_nothing_of_it() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    told = subprocess.run(
        [sys.executable, "-c", HASHED], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{outcome(run(open_study(), 13))}\n"
    assert len(told.stderr.splitlines()) == 1  # of Optuna, when it makes the study itself


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_study_interrupted_at_any_trial_equals_one_that_was_not(kind: dict[str, Any]) -> None:
    whole, stages = InMemoryStorage(), []
    for done in range(NUM_TRIALS):
        stages.append(copy.deepcopy(whole))
        run(open_study(whole, **kind), done + 1)
    expected = outcome(open_study(whole, **kind))
    assert kind == TWO or {row[1] for row in expected} == {"COMPLETE", "PRUNED"}
    for done, storage in enumerate(stages):
        study = open_study(storage, **kind)
        interrupt(study, begin(study), epochs=done % 5)
        assert outcome(run(open_study(storage, **kind), NUM_TRIALS)) == expected, done


def test_a_study_in_a_file_interrupted_at_every_trial_equals_one_that_was_not(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/tune.db"
    for done in range(NUM_IN_FILE):
        study = open_study(storage, pruner="hyperband")
        interrupt(study, begin(study), epochs=done % 5)
        run(open_study(storage, pruner="hyperband"), done + 1)
    assert outcome(study) == outcome(run(open_study(pruner="hyperband"), NUM_IN_FILE))
    assert [trial.state.name for trial in study.trials].count("FAIL") == NUM_IN_FILE


def test_the_order_of_trial_numbers_says_nothing() -> None:
    rows = [ended_trial(point, row, point % 7) for point, row in enumerate(points(run(open_study(), 14)))]
    first, second = open_study(), open_study()
    first.add_trials(rows)
    second.add_trials(rows[::-1])
    assert begin(first).params == begin(second).params


@pytest.mark.parametrize("written", [[], ["point"], ["params"]], ids=str)
def test_a_trial_that_died_before_all_was_written_leaves_no_trace(written: list[str]) -> None:
    study = run(open_study(), 12)
    died = study.ask(MIXED)
    for name in written:
        died.set_user_attr(name, {"point": 12, "params": died.params}[name])
    study.tell(died, state=TrialState.FAIL)
    assert begin(study).params == died.params
    assert study.trials[-1].user_attrs["point"] == 12


def test_every_parameter_is_suggested_with_the_others_from_the_first_trial_on() -> None:
    trial = open_study().ask()
    trial.suggest_float("model.dropout", 0.0, 0.5)
    assert trial.relative_params.keys() == MIXED.keys()


@pytest.mark.parametrize("name", ["tpe", "random", "grid"])
def test_no_point_comes_twice_until_none_is_left(name: suggest.Name) -> None:
    study = of_small(name)
    study.enqueue_trial(START)
    for _ in range(30):
        assert not is_exhausted(study.get_trials(), SMALL)
        finish(study, begin(study, SMALL))
    assert len({tuple(point.items()) for point in points(study)}) == 30
    assert is_exhausted(study.get_trials(), SMALL)
    with pytest.raises(Exhausted, match="all 30 points have been tried") as raised:
        begin(study, SMALL)
    assert raised.value.num_points == 30


@pytest.mark.parametrize("name", ["tpe", "random", "grid"])
def test_points_that_run_or_were_killed_do_not_come_again(name: suggest.Name) -> None:
    study = of_small(name)
    running, killed = begin(study, SMALL), begin(study, SMALL)
    study.tell(killed, state=TrialState.FAIL)
    others = [begin(study, SMALL).params for _ in range(28)]
    assert running.params not in others and killed.params not in others
    assert is_exhausted(study.get_trials(), SMALL)


def test_points_that_wait_are_tried() -> None:
    study = of_small("tpe")
    study.enqueue_trial(START)
    study.enqueue_trial(START | {"model.dense": 3})
    study.enqueue_trial({"model.dense": 3})
    assert tried(study.get_trials(), Points(SMALL)) == {(0, 1, 3), (0, 2, 3)}


def test_chance_goes_on_beyond_its_tries() -> None:
    assert len(points(run(open_study(sampler="random"), suggest.RANDOM_TRIES + 10))) == suggest.RANDOM_TRIES + 10


def test_a_suggestion_made_while_others_run_is_another_one() -> None:
    study = run(open_study(), 12)
    together = [begin(study).params for _ in range(8)]
    assert len({str(params) for params in together}) == 8


@pytest.mark.parametrize("name", ["tpe", "random", "grid"])
def test_steps_are_exact_and_the_start_is_recognised_among_them(name: suggest.Name) -> None:
    study = of_small(name)
    study.enqueue_trial(START)
    found = points(run(study, 30, SMALL))
    assert {point["model.dropout"] for point in found} == {0.0, 0.1, 0.2, 0.3, 0.4}
    assert found.count(START) == 1


def test_a_trial_that_was_enqueued_is_left_as_it_is() -> None:
    study = of_small("tpe")
    study.enqueue_trial(START)
    trial = begin(study, SMALL)
    assert trial.params == START
    assert study.sampler.sample_relative(study, study.trials[trial.number], SMALL) == {}


def test_what_an_enqueued_trial_lacks_is_drawn_by_its_point() -> None:
    def filled() -> dict[str, Any]:
        study = of_small("tpe")
        study.enqueue_trial({"model.dense": 2}, user_attrs={"point": 0})
        return begin(study, SMALL).params

    assert filled() == filled()
    assert filled().keys() == SMALL.keys() and filled()["model.dense"] == 2


def test_a_start_outside_of_the_space_is_no_guide() -> None:
    study = open_study()
    study.enqueue_trial({"model.filters.first": 40}, user_attrs={"point": 0})
    start = study.ask({"model.filters.first": MIXED["model.filters.first"]})
    study.tell(start, 0.5)
    assert [row.params.keys() for row in run(study, 14).trials[1:]] == [MIXED.keys()] * 13
    assert len(tried(study.trials, Points(MIXED))) == 13


def test_ordinals_go_on_from_the_largest() -> None:
    study = open_study()
    assert next_point(study.trials) == 0
    interrupt(study, begin(study))
    assert next_point(study.trials) == 1
    run(study, 2)
    assert next_point(study.trials) == 2


def test_tpe_gets_better_points_than_chance() -> None:
    mean = {name: fmean(row[3][0] for row in outcome(run(open_study(sampler=name), 40))) for name in ("tpe", "random")}
    assert mean["tpe"] > mean["random"] + 0.03


def test_a_grid_is_every_point_in_an_order_that_the_seed_tells() -> None:
    space = grid(SMALL)
    order = [tuple(point.items()) for point in space.shuffled(0)]
    assert len(set(order)) == len(order) == space.size == 30
    assert order != [tuple(point.items()) for point in space.shuffled(1)]
    assert points(run(of_small("grid"), 30, SMALL)) == [dict(point) for point in order]


def test_a_grid_takes_every_whole_number_and_every_choice_once() -> None:
    space = grid(
        {"a": IntDistribution(2, 5, log=True), "b": CategoricalDistribution([0.5, 0.5]), "c": IntDistribution(7, 7)}
    )
    assert sorted(point["a"] for point in space.shuffled(0)) == [2, 3, 4, 5]
    assert space.size == 4


def test_a_grid_without_an_end_to_its_points_takes_no_memory() -> None:
    tracemalloc.start()
    study = open_study(sampler="grid", distributions=HUGE)
    finish(study, begin(study, HUGE))
    first = list(islice(grid(HUGE).shuffled(0), 3))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first[0] == points(study)[0] != first[1]
    assert not is_exhausted(study.trials, HUGE) and peak < 4e6


@pytest.mark.parametrize("size", [1, 2, 3, 10, 64, 1000])
def test_a_permutation_has_every_number_once(size: int) -> None:
    assert sorted(permutation(size, 5)) == list(range(size))
    assert size < 10 or list(permutation(size, 5)) != list(permutation(size, 6))


def test_a_permutation_leaves_no_pattern() -> None:
    order = list(permutation(1000, 0))
    steps = {later - earlier for earlier, later in pairwise(order)}
    assert len(steps) > 600
    assert 400 < sum(order[:100]) / 100 < 600


@pytest.mark.parametrize(
    ("distributions", "said"),
    [
        ({"model.dropout": FloatDistribution(0, 1)}, "`model.dropout` has no step: give one, or a list of choices"),
        (
            MIXED,
            "`model.dropout`, `train.learning_rate` have no step: give one in place of log, or a list of choices",
        ),
    ],
)
def test_a_grid_needs_steps(distributions: dict[str, BaseDistribution], said: str) -> None:
    with pytest.raises(UserError) as raised:
        suggest.sampler("grid", 0, distributions)
    assert str(raised.value) == f"tune.sampler is grid, but {said}"


def test_numbers_without_steps_are_never_exhausted() -> None:
    assert not is_exhausted(run(open_study(sampler="random"), 5).trials, MIXED)
    one: dict[str, BaseDistribution] = {"a": FloatDistribution(0.5, 0.5)}
    assert is_exhausted([create_trial(value=1.0, params={"a": 0.5}, distributions=one)], one)
