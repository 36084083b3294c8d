"""Small real studies for tests: a worker that trains nothing, and keeps to what the trials of a study hold."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from pipeline import pruning, suggest

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import Trial

Direction = Literal["minimize", "maximize"]
Distributions = dict[str, BaseDistribution]

EPOCHS = 9
MIXED: Distributions = {
    "train.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    "model.dropout": FloatDistribution(0.0, 0.5),
    "model.filters.first": IntDistribution(8, 64, step=8),
    "model.filters.growth": CategoricalDistribution([1.0, 1.5, 2.0]),
}
SMALL: Distributions = {
    "model.dropout": FloatDistribution(0.0, 0.4, step=0.1),
    "model.dense": IntDistribution(1, 3, log=True),
    "model.activation": CategoricalDistribution(["relu", "gelu"]),
}
START = {"model.dropout": 0.3, "model.dense": 2, "model.activation": "relu"}


def open_study(
    storage: "str | BaseStorage | None" = None,
    sampler: suggest.Name = "tpe",
    pruner: pruning.Name = "none",
    distributions: Distributions = MIXED,
    seed: int = 0,
    directions: Sequence[Direction] = ("maximize",),
    name: str = "study",
) -> "Study":
    """A study object of its own, of a study that may be there already."""
    return optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=storage is not None,
        directions=directions,
        sampler=suggest.sampler(sampler, seed, distributions),
        pruner=pruning.pruner(pruner, EPOCHS),
    )


def begin(study: "Study", distributions: Distributions = MIXED) -> "Trial":
    """Asks for a trial as a worker does: a point of its own, unless it is a repeat."""
    point = suggest.next_point(study.get_trials(deepcopy=False))
    trial = study.ask(distributions)
    trial.set_user_attr("params", trial.params)
    trial.set_user_attr("point", trial.user_attrs.get("point", point))
    return trial


def value_of(params: Mapping[str, Any], epoch: int) -> float:
    """A made-up accuracy that grows over the epochs; the curves of different points cross."""
    far = abs(params.get("model.dropout", 0.0) - 0.2) + abs(params.get("model.filters.first", 40) - 40) / 100
    return float(0.9 - far * (1 - 0.5**epoch) - 0.3 / (epoch + 100 * params.get("train.learning_rate", 0.0)))


def finish(study: "Study", trial: "Trial") -> FrozenTrial:
    """Trains a trial to its end; a study of two objectives has no epochs to judge."""
    params = trial.params
    if len(study.directions) > 1:
        return study.tell(trial, [value_of(params, EPOCHS), params["model.filters.first"]])
    for epoch in range(1, EPOCHS + 1):
        trial.report(value_of(params, epoch), epoch)
        if trial.should_prune():
            return study.tell(trial, state=TrialState.PRUNED)
    return study.tell(trial, value_of(params, EPOCHS))


def interrupt(study: "Study", trial: "Trial", epochs: int = 2) -> None:
    """Ctrl-C after some epochs: the trial fails, and its point waits to be trained again."""
    for epoch in range(1, epochs + 1 if len(study.directions) == 1 else 1):
        trial.report(value_of(trial.params, epoch), epoch)
        trial.should_prune()
    trial.set_user_attr("reason", "interrupted")
    study.tell(trial, state=TrialState.FAIL)
    again = {"point": trial.user_attrs["point"], "retry_of": trial.number, "kills": 0}
    study.enqueue_trial(trial.params, user_attrs=again)


def run(study: "Study", num_points: int, distributions: Distributions = MIXED) -> "Study":
    """Goes on until so many trials have ended."""
    while len(ended(study)) < num_points:
        finish(study, begin(study, distributions))
    return study


def ended(study: "Study") -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def outcome(study: "Study") -> list[tuple[Any, ...]]:
    """All that came out, by point."""
    rows = {
        trial.user_attrs["point"]: (trial.state.name, trial.params, trial.values, trial.intermediate_values)
        for trial in ended(study)
    }
    assert len(rows) == len(ended(study))
    return [(point, *rows[point]) for point in sorted(rows)]


def points(study: "Study") -> list[dict[str, Any]]:
    return [row[2] for row in outcome(study)]
