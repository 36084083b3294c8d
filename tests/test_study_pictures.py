"""Pictures of real studies in memory: what is drawn of which, the same bytes each time, never an empty plot."""

import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from PIL import Image

from pipeline.metrics import Metric
from pipeline.study_axes import limits, scales_of
from pipeline.study_curves import curve, running_best
from pipeline.study_facts import View, best_of, objectives_of, view_of
from pipeline.study_panels import parallel_coordinates, slices
from pipeline.study_pictures import draw, importances

ACCURACY, PARAMETERS = Metric("val_accuracy", True), Metric("parameters", False)
SPACE: dict[str, BaseDistribution] = {
    "model.dropout": FloatDistribution(0.0, 0.5),
    "train.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    "model.filters.first": IntDistribution(8, 64, step=8),
    "model.filters.growth": CategoricalDistribution([1.0, 1.5, 2.0]),
    "model.dense": CategoricalDistribution(["[]", "[128]", "[[32, 32], 64]"]),
    "model.batch_norm": CategoricalDistribution([True, False]),
    "train.label_smoothing": FloatDistribution(0.0, 0.2),
    "train.optimizer": CategoricalDistribution(["sgd", "adam", "adamw"]),
    "train.batch_size": IntDistribution(16, 256, log=True),
    "augment.rotation": FloatDistribution(0.0, 20.0),
    "augment.flip_horizontal": CategoricalDistribution([True, False]),
    "model.dense_dropout": FloatDistribution(0.0, 0.5, step=0.1),
}
SIZES = {
    "history.png": (990, 495),
    "slices.png": (814, 429),
    "parallel_coordinates.png": (770, 616),
    "learning_curves.png": (990, 550),
    "importances.png": (880, 217),
    "pareto.png": (880, 660),
}
ONE = ["history.png", "slices.png", "parallel_coordinates.png", "learning_curves.png", "importances.png"]


def place(distribution: Any, share: float) -> Any:
    """The value at this share of a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(share * len(distribution.choices))]
    value = distribution.low + share * (distribution.high - distribution.low)
    return distribution.low + round((value - distribution.low) / (distribution.step or 1e-9)) * (
        distribution.step or 1e-9
    )


def trial(values: Sequence[float], shares: Sequence[float] = (0.5, 0.5), **given: Any) -> FrozenTrial:
    """One whose params lie at these shares of the first distributions."""
    space = dict(list(SPACE.items())[: len(shares)])
    params = {name: place(distribution, share) for (name, distribution), share in zip(space.items(), shares)}
    return create_trial(**{"values": values, "params": params, "distributions": space} | given)


def pruned(*values: float, **given: Any) -> FrozenTrial:
    reports = dict(enumerate(values, start=1))
    return trial([values[-1]], (0.2, 0.3), state=TrialState.PRUNED, intermediate_values=reports, **given)


def study_of(trials: Sequence[FrozenTrial], *objectives: Metric) -> optuna.Study:
    chosen = objectives or (ACCURACY,)
    study = optuna.create_study(directions=["maximize" if metric.higher_is_better else "minimize" for metric in chosen])
    study.set_user_attr("objectives", [metric.name for metric in chosen])
    study.add_trials(trials)
    return study


def searched(num_trials: int, num_params: int, two: bool = False) -> optuna.Study:
    """A study whose value hangs on the first param, with every fourth trial pruned if it has one objective."""
    random = np.random.default_rng(0)
    trials = []
    for number in range(num_trials):
        shares = [float(share) for share in random.random(num_params)]
        value = 0.97 - 0.1 * (shares[0] - 0.4) ** 2
        reports = {epoch: value * (1 - 0.5 * math.exp(-epoch / 2)) for epoch in range(1, 11)} | {11: value}
        if two:
            trials.append(trial([value, 1000 + 90_000 * shares[1]], shares, user_attrs={"rows": []}))
        elif number % 4 == 3:
            trials.append(pruned(reports[1], reports[2]))
        else:
            trials.append(trial([value], shares, intermediate_values=reports))
    return study_of(trials, *((ACCURACY, PARAMETERS) if two else ()))


def names(files: Sequence[Path]) -> list[str]:
    return [file.name for file in files]


def is_blank(file: Path) -> bool:
    """Whether a picture has nothing but axes and text: those have no colour."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return int((np.ptp(pixels, axis=2) > 60).sum()) < 40


def test_a_large_study_with_one_objective_is_drawn_but_for_the_front(tmp_path: Path) -> None:
    files = draw(searched(200, 12), tmp_path)
    assert names(files) == ONE
    assert not [file.name for file in files if is_blank(file)]


def test_pictures_of_a_small_study_have_their_size_and_two_objectives_bring_the_front(tmp_path: Path) -> None:
    files = draw(searched(8, 2), tmp_path) + draw(searched(8, 2, two=True), tmp_path / "two")
    assert names(files) == [*ONE, *ONE[:3], "pareto.png", "importances.png"]
    for file in files:
        with Image.open(file) as picture:
            assert picture.size == SIZES[file.name] and not is_blank(file), file


def test_the_same_study_gives_the_same_bytes_without_a_date_also_from_a_thread(tmp_path: Path) -> None:
    study = searched(12, 3)
    files = draw(study, tmp_path / "here")
    thread = threading.Thread(target=draw, args=(study, tmp_path / "thread"))
    thread.start()
    thread.join()
    assert [file.read_bytes() for file in files] == [(tmp_path / "thread" / file.name).read_bytes() for file in files]
    with Image.open(files[0]) as picture:
        assert set(picture.info) == {"dpi"}


ODD: dict[str, tuple[Callable[[], optuna.Study], list[str]]] = {
    "no trial": (lambda: study_of([]), []),
    "only failures": (lambda: study_of([create_trial(state=TrialState.FAIL)]), []),
    "running and waiting": (
        lambda: study_of([create_trial(state=TrialState.RUNNING), create_trial(state=TrialState.WAITING)]),
        [],
    ),
    "one trial": (lambda: study_of([trial([0.5])]), ["history.png"]),
    "one trial of two values": (
        lambda: study_of([trial([0.5, 3])], ACCURACY, PARAMETERS),
        ["history.png", "pareto.png"],
    ),
    "only pruned": (lambda: study_of([pruned(0.4), pruned(0.3, 0.5)]), ["history.png", "learning_curves.png"]),
    "the same value always": (lambda: study_of([trial([0.5], (n / 9, 0.1)) for n in range(9)]), ONE[:3]),
    "the same params always": (lambda: study_of([trial([n / 9]) for n in range(9)]), ONE[:3]),
    "no finite value": (lambda: study_of([trial([math.inf]), trial([-math.inf])]), []),
    "reports that are no numbers": (lambda: study_of([pruned(math.nan, 0.4)]), ["history.png", "learning_curves.png"]),
    "huge values": (lambda: study_of([trial([value]) for value in (1e300, -1e300, 1e-300, 0.0)]), ONE[:3]),
    "no params": (lambda: study_of([create_trial(value=n / 9) for n in range(9)]), ["history.png"]),
    "params that come and go": (
        lambda: study_of([trial([n / 9], (0.1,) if n % 2 else (0.3, n / 9)) for n in range(9)]),
        [*ONE[:3], "importances.png"],
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_can_be_drawn_is_drawn_and_nothing_else(kind: str, tmp_path: Path) -> None:
    make, expected = ODD[kind]
    files = draw(make(), tmp_path)
    assert names(files) == expected
    assert not [file.name for file in files if is_blank(file)]


def test_a_picture_that_can_no_longer_be_drawn_goes(tmp_path: Path) -> None:
    draw(searched(8, 2, two=True), tmp_path)
    draw(study_of([trial([0.5])]), tmp_path)
    assert names(sorted(tmp_path.iterdir())) == ["history.png"]


def of(study: optuna.Study) -> View:
    return view_of(study.get_trials(), objectives_of(study))


def test_every_param_has_a_panel_under_its_dotted_name_with_its_scale() -> None:
    drawn = slices(of(searched(30, 12)))
    assert drawn is not None
    panels = {axes.get_xlabel(): axes for axes in drawn.axes if axes.get_xlabel()}
    assert list(panels) == list(SPACE)
    assert {name for name, axes in panels.items() if axes.get_xscale() == "log"} == {
        "train.learning_rate",
        "train.batch_size",
    }
    assert [text.get_text() for text in panels["model.dense"].get_xticklabels()] == ["none", "128", "32+32-64"]


def test_names_that_look_like_formulas_are_written_as_they_are(tmp_path: Path) -> None:
    odd: dict[str, BaseDistribution] = {"a$b$_c": CategoricalDistribution(["$x_{$", "[no json", None])}
    trials = [create_trial(value=v, params={"a$b$_c": c}, distributions=odd) for v, c in ((1, "$x_{$"), (2, None))]
    assert names(draw(study_of(trials), tmp_path)) == ONE[:3]


def test_parallel_coordinates_have_an_axis_per_value_and_param_and_say_which_is_best() -> None:
    study = searched(20, 3, two=True)
    drawn = parallel_coordinates(of(study))
    assert drawn is not None
    labels = [text.get_text() for text in drawn.axes[0].get_xticklabels()]
    assert labels == ["val_accuracy", "parameters", *list(SPACE)[:3]]
    best = max(study.trials, key=lambda trial: float(trial.values[0]))
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == [f"best (trial {best.number})"]


def test_the_param_that_the_value_hangs_on_is_the_most_important() -> None:
    for two in (False, True):
        study = searched(100, 3, two=two)
        drawn = importances(study, of(study))
        assert drawn is not None
        assert drawn.axes[0].get_yticklabels()[-1].get_text() == "model.dropout"


def test_a_value_that_is_far_worse_does_not_press_the_others_flat() -> None:
    low, high = limits([0.1, 0.95, 0.96, 0.97, 0.97], ACCURACY)
    assert 0.94 < low < 0.95 and 0.97 < high < 0.98
    assert limits([0.1, 0.95, 0.96, 0.97, 0.97], ACCURACY, kept=[0.1])[0] < 0.1
    assert limits([0.5], ACCURACY) == pytest.approx((0.47, 0.53))


def test_the_front_has_those_that_no_other_beats_in_both() -> None:
    values = [(0.9, 100), (0.9, 90), (0.95, 200), (0.8, 95), (0.99, 1000), (0.9, 90)]
    study = study_of([trial(list(pair)) for pair in values], ACCURACY, PARAMETERS)
    mine = best_of(study.get_trials(), [ACCURACY, PARAMETERS])
    assert [trial.number for trial in mine] == [4, 2, 1, 5]
    assert {trial.number for trial in study.best_trials} == {1, 2, 4, 5}


def test_the_best_of_equals_is_the_first_point() -> None:
    repeated = [trial([0.9], user_attrs={"point": 3}), trial([0.9], user_attrs={"point": 1}), trial([0.5])]
    best = best_of(study_of(repeated).get_trials(), [ACCURACY])
    assert [trial.number for trial in best] == [1]


def test_best_so_far_goes_the_way_of_the_metric() -> None:
    assert running_best([0.5, 0.7, 0.6], ACCURACY) == [0.5, 0.7, 0.7]
    assert running_best([3.0, 5.0, 2.0], PARAMETERS) == [3.0, 3.0, 2.0]


def test_curves_come_from_reports_or_else_from_the_rows() -> None:
    rows = [{"epoch": 1, "val_accuracy": 0.5}, {"epoch": 2, "val_accuracy": math.nan}]
    assert curve(trial([0.9], user_attrs={"rows": rows}), "val_accuracy") == {1: 0.5}
    assert curve(pruned(0.3, 0.4, user_attrs={"rows": rows}), "val_accuracy") == {1: 0.3, 2: 0.4}


def test_ticks_are_few_and_round_and_within_the_scale() -> None:
    found = {scale.name: scale for scale in scales_of(searched(30, 12).get_trials())}
    assert list(found["train.learning_rate"].ticks().values()) == ["0.0001", "0.001", "0.01"]
    assert list(found["train.batch_size"].ticks().values()) == ["20", "50", "100", "200"]
    assert all(len(scale.ticks()) <= 7 for scale in found.values())
