"""MLflow runs, as a projection of journals: whatever is missing is added, so that it can be repeated.

One run key, one run: a resumed, forced or restored training reopens its run. If the server is away,
the run is completed later by `reprolens track`. Only this module,
`tracking_server` and `tracked_model` import MLflow.
"""

import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import experiment_page, machine, paths, tracking_server
from pipeline.journal import Event, Journal, Status
from pipeline.runs import KEY_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PID_TAG = "reprolens.pid"
HOST_TAG = "reprolens.host"
TEST_STEP = 0
Point = tuple[str, float, int, int]  # of a metric: name, value, milliseconds since 1970, step
RUNS_COMPARED = 200  # the newest; more lines cannot be told apart in a chart
# The order epoch metrics are first logged in: MLflow's compare page draws the first.
EPOCH_ORDER = ("val/accuracy", "val/loss", "train/accuracy", "train/loss")


def find_run(client: "MlflowClient", run_key: str) -> "Run | None":
    """The run of a run key, in whichever experiment it is."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{run_key}'", max_results=1)
    return found[0] if found else None


def begin(client: "MlflowClient", journal: Journal) -> str:
    """Finds or creates the run of a journal and gives it its params, tags and data sets; returns its id."""
    start = journal.events("start")[-1]
    run = find_run(client, journal.run_key) or _create(client, journal, start)
    params = {name: value for name, value in start["params"].items() if name not in run.data.params}
    log_facts(client, run.info.run_id, params, _tags(journal, start))
    _log_inputs(client, run, start["inputs"])
    set_up_page(client, run.info.experiment_id)
    return str(run.info.run_id)


def _create(client: "MlflowClient", journal: Journal, start: Event) -> "Run":
    first = journal.events("start")[0]
    return client.create_run(
        experiment_id(client, start["experiment"]),
        start_time=first["time"],
        run_name=start["name"],
        tags={KEY_TAG: journal.run_key},
    )


def experiment_id(client: "MlflowClient", name: str) -> str:
    """The id of an experiment, which is created where it is missing."""
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    local = tracking_server.tracking_uri().startswith("sqlite:")
    place = (paths.tracking_store().resolve() / "artifacts").as_uri() if local else None
    try:
        return str(client.create_experiment(name, artifact_location=place))
    except MlflowException:  # another process was first
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def set_up_page(client: "MlflowClient", experiment_id: str) -> None:
    """Sets up the experiment's page for the runs it has now; a description someone wrote stays."""
    experiment = client.get_experiment(experiment_id)
    runs = client.search_runs([experiment_id], max_results=RUNS_COMPARED)
    wanted = experiment_page.tags(experiment_id, [run.data.params for run in runs], experiment.creation_time)
    for name, value in wanted.items():
        have = experiment.tags.get(name)
        if have is None or (name == experiment_page.VIEW_TAG and have != value):
            client.set_experiment_tag(experiment_id, name, value)


def views(client: "MlflowClient", server: str) -> dict[str, str]:
    """Where the UI of `server` shows the runs of each experiment that has such a view: name -> address."""
    experiments = client.search_experiments(order_by=["last_update_time DESC"])
    return {
        experiment.name: experiment_page.view_address(server, experiment.experiment_id)
        for experiment in experiments
        if experiment_page.VIEW_TAG in experiment.tags
    }


def _tags(journal: Journal, start: Event) -> dict[str, Any]:
    model = (journal.last("model") or {}).get("tags", {})
    interval = experiment_page.interval_tag((journal.last("test") or {}).get("metrics", {}))
    return {KEY_TAG: journal.run_key, PID_TAG: start["pid"], **start["tags"], **model, **interval}


def _log_inputs(client: "MlflowClient", run: "Run", inputs: list[dict[str, str]]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    have = {item.dataset.name for item in run.inputs.dataset_inputs} if run.inputs else set()
    missing = [
        DatasetInput(
            Dataset(item["name"], item["digest"], "local", item["source"]),
            [InputTag("mlflow.data.context", item["context"])],
        )
        for item in inputs
        if item["name"] not in have
    ]
    if missing:
        client.log_inputs(run.info.run_id, missing)


def log_facts(client: "MlflowClient", run_id: str, params: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
    """Adds params, which must be new, and sets tags."""
    from mlflow.entities import Param, RunTag

    new = [Param(name, str(value)) for name, value in params.items()]
    client.log_batch(run_id, params=new, tags=[RunTag(name, str(value)) for name, value in tags.items()])


def log_points(client: "MlflowClient", run_id: str, points: Sequence[Point]) -> None:
    """Adds values of metrics."""
    from mlflow.entities import Metric

    for start in range(0, len(points), 1000):  # MLflow's limit per call
        client.log_batch(run_id, metrics=[Metric(*point) for point in points[start : start + 1000]])


def epochs_of(client: "MlflowClient", run_id: str, metric: str = "train/loss") -> set[int]:
    """The epochs, or other steps, that a run has a metric of."""
    return {int(point.step) for point in client.get_metric_history(run_id, metric)}


def log_epochs(client: "MlflowClient", run_id: str, events: list[Event], have: set[int]) -> None:
    """Adds the epochs that are not in `have` yet, at step = epoch, with the time they really had."""
    points = [
        (name, value, event["time"], int(event["row"]["epoch"]))
        for event in events
        if event["row"]["epoch"] not in have
        for name, value in epoch_metrics(event).items()
    ]
    log_points(client, run_id, points)
    have |= {int(event["row"]["epoch"]) for event in events}


def epoch_metrics(event: Event) -> dict[str, float]:
    """An epoch's numbers under the names they have in MLflow: `train/loss`, `val/accuracy`..."""
    row = {name: value for name, value in event["row"].items() if name != "epoch"}
    named = {f"val/{name[4:]}" if name.startswith("val_") else f"train/{name}": value for name, value in row.items()}
    ordered = {name: named[name] for name in sorted(named, key=_place)}
    return ordered | ({"seconds_per_epoch": event["seconds"]} if event.get("seconds") else {})


def _place(name: str) -> int:
    return EPOCH_ORDER.index(name) if name in EPOCH_ORDER else len(EPOCH_ORDER)


def log_test(client: "MlflowClient", run_id: str, metrics: dict[str, float], when: int) -> None:
    """Sets the test metrics; a value that is there already is not logged again."""
    have = client.get_run(run_id).data.metrics
    log_points(
        client, run_id, [(name, value, when, TEST_STEP) for name, value in metrics.items() if have.get(name) != value]
    )


def upload(client: "MlflowClient", run_id: str, journal: Journal) -> None:
    """Uploads the files that the journal keeps for MLflow, then lets go of them."""
    if journal.artifacts.exists():
        client.log_artifacts(run_id, str(journal.artifacts))
        shutil.rmtree(journal.artifacts)


def set_status(client: "MlflowClient", run_id: str, status: Status | None, when: int | None = None) -> None:
    """Ends a run, or with None opens it again."""
    if status is None:
        client.update_run(run_id, status="RUNNING")
    else:
        client.set_terminated(run_id, status, when)


def close_dead_runs(client: "MlflowClient") -> int:
    """Ends runs as KILLED that say "running" but whose process on this machine is gone; returns how many."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    running = client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000)
    dead = [
        run
        for run in running
        if run.data.tags.get(HOST_TAG) == machine.host() and not machine.process_lives(run.data.tags.get(PID_TAG, ""))
    ]
    for run in dead:
        set_status(client, run.info.run_id, "KILLED")
    return len(dead)
