"""Which MLflow run a person means: by id, run key, the beginning of one, or a run's exact name.

Works on a client it is given; imports no MLflow.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KEY_TAG = "reprolens.run_key"
HEX = re.compile("[0-9a-f]{1,64}")
AT_ONCE = 50  # runs asked for; more than that is too many to be meant
SHOWN = 5


def matching(client: "MlflowClient", wanted: str) -> list["Run"]:
    """The runs that `wanted` may mean; an exact id or key means that run alone."""
    tag = f"tags.`{KEY_TAG}`"
    filters = [f"attributes.run_name = {quoted}"] if (quoted := _quoted(wanted)) else []
    if HEX.fullmatch(wanted):
        filters += [f"attributes.run_id LIKE '{wanted}%'", f"{tag} LIKE '{wanted}%'"]
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = {
        run.info.run_id: run
        for condition in filters
        for run in client.search_runs(experiments, condition, max_results=AT_ONCE)
    }
    exact = [run for run in found.values() if wanted in (run.info.run_id, run.data.tags.get(KEY_TAG))]
    return exact or list(found.values())


def one_run(client: "MlflowClient", wanted: str) -> "Run":
    """The one run that `wanted` means.

    Raises:
        UserError: there is none, or there are several.
    """
    runs = matching(client, wanted)
    if not runs:
        raise UserError(no_run(wanted))
    if len(runs) > 1:
        raise UserError(ambiguous(wanted, [f"{run.info.run_id} ({run.info.run_name})" for run in runs]))
    return runs[0]


def no_run(wanted: str) -> str:
    """What to say where no run is meant."""
    return f"no run {wanted!r}: give a run id, a run key, the beginning of one, or a run's exact name"


def ambiguous(wanted: str, called: Iterable[str]) -> str:
    """What to say where several are meant, by what each is called."""
    ids = list(called)
    shown = ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
    many = f"{AT_ONCE} or more" if len(ids) >= AT_ONCE else str(len(ids))
    return f"{wanted!r} means {many} runs: {shown}. Give more of one's id"


def _quoted(text: str) -> str | None:
    """A text as MLflow's filters take it; one with both kinds of quotes cannot be asked for."""
    return next((f"{mark}{text}{mark}" for mark in ("'", '"') if mark not in text), None)
