"""What MLflow has of a run, and the steps that bring it to what it should be: only differences are written."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import tracking
from pipeline.journal import Event
from pipeline.tracking import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CREATED_TAG = "reprolens.created"  # milliseconds since 1970: of two runs made for the same thing the first counts
PAGE = 500  # runs of one answer


@dataclass
class RunState:
    """What MLflow has of a run; `end` in milliseconds since 1970, `epochs` None as long as nobody asked."""

    run_id: str
    status: str
    end: int | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    epochs: set[int] | None = None


def search(client: "MlflowClient", experiment_id: str, condition: str) -> list[RunState]:
    """Every run of an experiment that meets an MLflow filter."""
    found: list[RunState] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=PAGE, page_token=token)
        found += [_state(run) for run in page]
        token = page.token
        if not token:
            return found


def read(client: "MlflowClient", run_id: str) -> RunState:
    """One run as it is now."""
    return _state(client.get_run(run_id))


def _state(run: "Run") -> RunState:
    info, data = run.info, run.data
    return RunState(info.run_id, info.status, info.end_time, dict(data.params), dict(data.tags), dict(data.metrics))


def create(client: "MlflowClient", experiment_id: str, name: str, start: int, tags: Mapping[str, str]) -> RunState:
    """A new run, which says that it runs."""
    known = {**tags, CREATED_TAG: str(int(time.time() * 1000))}
    made = _state(client.create_run(experiment_id, start_time=start, run_name=name, tags=known))
    made.epochs = set()
    return made


def first_of(client: "MlflowClient", states: Iterable[RunState]) -> RunState:
    """The run that counts of those that several processes made for the same thing; the others are deleted."""
    first, *others = sorted(states, key=lambda state: (int(state.tags.get(CREATED_TAG, 0)), state.run_id))
    for other in others:
        client.delete_run(other.run_id)
    return first


def add_epochs(client: "MlflowClient", state: RunState, events: Sequence[Event]) -> None:
    """Adds the epochs that are missing."""
    if state.epochs is None:
        names = {next(iter(tracking.epoch_metrics(event))) for event in events}
        state.epochs = {epoch for name in names for epoch in tracking.epochs_of(client, state.run_id, name)}
    tracking.log_epochs(client, state.run_id, list(events), state.epochs)


def add_points(client: "MlflowClient", state: RunState, points: Sequence[Point]) -> None:
    """Adds values of metrics that are not the newest ones yet."""
    new = [point for point in points if state.metrics.get(point[0]) != point[1]]
    tracking.log_points(client, state.run_id, new)
    state.metrics |= {name: value for name, value, _, _ in new}


def add_facts(client: "MlflowClient", state: RunState, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Adds missing params, which stay for ever in MLflow as who is first writes them, and sets tags that differ."""
    new = {name: str(value) for name, value in params.items() if name not in state.params}
    other = {name: value for name, value in tags.items() if state.tags.get(name) != value}
    while new or other:
        try:
            tracking.log_facts(client, state.run_id, new, other)
            break
        except Exception:
            # Another process may have been first with some of them, and MLflow takes none twice.
            state.params = read(client, state.run_id).params
            left = {name: value for name, value in new.items() if name not in state.params}
            if left == new:
                raise
            new = left
    state.params |= new
    state.tags |= other


def set_status(client: "MlflowClient", state: RunState, status: str, end: int | None = None) -> None:
    """Ends a run, with RUNNING opens it again; without `end` one that has ended keeps its time.

    Args:
        end: when it ended, in milliseconds since 1970.
    """
    if state.status == status and end in (None, state.end):
        return
    if status == "RUNNING":
        client.update_run(state.run_id, status=status)
    else:
        client.set_terminated(state.run_id, status, end or state.end)
    state.status, state.end = status, end or state.end
