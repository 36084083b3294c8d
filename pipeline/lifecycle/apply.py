"""The winner of a study as a change of `params.yaml`, and whether it is better or was lucky."""

import difflib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import gain, params_file, paths, start_weights, study, study_facts
from pipeline.errors import UserError, os_errors
from pipeline.files import write_text
from pipeline.gain import Gain
from pipeline.lifecycle.use import merge, plain
from pipeline.metrics import Metric
from pipeline.params import Params
from pipeline.progress import say
from pipeline.space import Space
from pipeline.study_plan import Plan
from pipeline.trainer import Failed, Trainer
from pipeline.trial import Task

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

AGAIN = "retrained"  # user attribute of the study: values of trainings with other seeds, so that none is made twice


def applied(plan: Plan, opened: "Study") -> list[str]:
    """Writes the winner into `params.yaml`; what it gains, and the difference."""
    winner = _winner(plan, opened)
    if study_facts.is_start(winner):
        return ["Today's params stayed the best: params.yaml is as it was"]
    start = study_facts.start_of(study.complete(opened))
    told = "the start never finished, so that there is nothing to compare the winner with"
    if start:
        again = Retraining(opened, plan.space, plan.metrics[0], Trainer(), plan.wishes.workers, plan.logs)
        found = gain_over_seeds(again, start, winner)
        told = found.text() if found else ""
    difference = write_winner(winner.user_attrs["params"])
    wrote = f"trial {winner.number} is written into params.yaml:\n{difference}\nNext: dvc repro"
    held_already = f"params.yaml holds trial {winner.number} already"
    return [text for text in (told, wrote if difference else held_already) if text]


def _winner(plan: Plan, opened: "Study") -> "FrozenTrial":
    complete, number = study.complete(opened), plan.wishes.winner
    if number is None:
        if best := study_facts.best_of(complete, plan.metrics):
            return best[0]
        raise UserError("no trial is complete, so that there is none to apply: run more, or mend tune.space")
    found = next((trial for trial in complete if trial.number == number), None)
    if found is None:
        numbers = ", ".join(str(trial.number) for trial in complete[:20])
        raise UserError(
            f"--winner {number} is no complete trial of {opened.study_name!r}: there are {numbers or 'none'}"
        )
    return found


@dataclass(frozen=True)
class Retraining:
    """What it takes to train start and winner again."""

    study: "Study"
    space: Space
    objective: Metric
    trainer: Trainer
    workers: int
    logs: Path


def write_winner(params: Mapping[str, Any]) -> str:
    """Writes dotted params into `params.yaml`, its comments and order kept; returns the difference."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    before = paths.PARAMS.read_text(encoding="utf-8")
    values = yaml.load(before)
    merge(values, dict(params))
    params_file.parse(plain(values), str(paths.PARAMS))
    text = io.StringIO()
    yaml.dump(values, text)
    with os_errors("cannot write params.yaml", paths.PARAMS):
        write_text(paths.PARAMS, text.getvalue())
    lines = difflib.unified_diff(
        before.splitlines(), text.getvalue().splitlines(), "before", "params.yaml", n=0, lineterm=""
    )
    return "\n".join(lines)


def gain_over_seeds(again: Retraining, start: "FrozenTrial", winner: "FrozenTrial") -> Gain | None:
    """Trains start and winner again with the seeds after today's; None where none are wanted.

    Trainings that were made before, by a call that was cut off, are not made again.

    Raises:
        UserError: one of them failed.
    """
    train = again.space.params.train
    seeds = [train.seed + 1 + number for number in range(again.space.params.tune.retrain)]
    jobs = [(trial, seed) for seed in seeds for trial in (start, winner)]
    if not jobs:
        return None
    say(f"tune: training the start and the winner again, with {len(seeds)} other seeds each")
    with ThreadPoolExecutor(again.workers) as pool:
        values = list(pool.map(lambda job: _value(again, *job), jobs))
    return gain.gain_of(again.objective, values[0::2], values[1::2])


def _value(again: Retraining, trial: "FrozenTrial", seed: int) -> float:
    key = f"{trial.number}:{seed}"
    if (known := again.study.user_attrs.get(f"{AGAIN}:{key}")) is not None:
        return float(known)
    params = with_seed(again.space.params_at(trial.user_attrs["params"]), seed)
    log = again.logs / f"trial-{trial.number}-seed-{seed}.log"
    task = Task(params, (again.objective.name,), log, start_weights.find(params.backbone))
    try:
        result = again.trainer.train(task, lambda row, seconds: True)
    except Failed as error:
        raise UserError(
            f"trial {trial.number} with train.seed {seed} failed: {error}. Run the same command again"
        ) from error
    assert result is not None
    value = result.values[again.objective.name]
    again.study.set_user_attr(f"{AGAIN}:{key}", value)
    say(f"tune: trial {trial.number}, seed {seed}: {again.objective.name} {value:.4f}")
    return value


def with_seed(params: Params, seed: int) -> Params:
    """The same params with another `train.seed`."""
    return params.model_copy(update={"train": params.train.model_copy(update={"seed": seed})})
