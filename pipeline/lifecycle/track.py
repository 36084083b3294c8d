"""`reprolens track`: completes MLflow runs from journals, studies and what DVC restored; can be repeated."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import machine, params_file, paths, record, study_runs, tracking, tracking_server
from pipeline.completion import complete
from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.journal import Journal, all_journals, open_journal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.study import Study


def track() -> list[str]:
    """Completes every run of this checkout that MLflow does not have whole, and the local studies.

    Returns:
        The names of the runs and studies it worked on.

    Raises:
        UserError: the tracking server is away.
    """
    current = _current()
    waiting = [journal for journal in all_journals() if _is_waiting(journal)]
    if current and current.run_key not in {journal.run_key for journal in waiting}:
        waiting.append(current)
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            for journal in waiting:
                complete(client, journal, _model_of(journal))
            studies = _studies(client)
            tracking.close_dead_runs(client)
    except tracking_server.Away as error:
        raise UserError(
            f"MLflow at {tracking_server.tracking_uri()} is away ({error}): run this again once that is mended"
        ) from error
    return [*(journal.events("start")[-1]["name"] for journal in waiting), *studies]


def _studies(client: "MlflowClient") -> list[str]:
    """Completes the studies of the local storage that MLflow may miss something of; returns their names."""
    if not (paths.private() / "tune.db").exists():
        return []
    import optuna

    from pipeline.study_storage import open_storage

    storage = open_storage(None)
    names = optuna.get_all_study_names(storage)
    return [name for name in names if _complete(client, optuna.load_study(study_name=name, storage=storage))]


def _complete(client: "MlflowClient", study: "Study") -> bool:
    """Completes a study, unless it was never tracked, or is whole, or is tuned right now; whether it did."""
    facts = study.user_attrs.get(study_runs.FACTS)
    if not facts or study.user_attrs.get(study_runs.WHOLE) or _is_tuned(study):
        return False
    study_runs.project(client, study, facts["params"], facts["settings"])
    return True


def _is_tuned(study: "Study") -> bool:
    """Whether a process of this machine runs a trial of it."""
    marks = [
        str(trial.user_attrs.get("process", ""))
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name == "RUNNING" and trial.user_attrs.get("host") == machine.host()
    ]
    return any(machine.process_lives(mark) for mark in marks)


def where(server: str | None) -> dict[str, str]:
    """Where the runs can be seen, experiment by experiment: name -> address.

    Args:
        server: address of the UI on the local store; not asked where `MLFLOW_TRACKING_URI` names a server.
    """
    uri = tracking_server.tracking_uri()
    address = uri if uri.startswith(("http://", "https://")) else server
    if not address:
        return {}
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            return tracking.views(client, address)
    except tracking_server.Away:  # gone since the runs were completed; they are what counts
        return {}


def _current() -> Journal | None:
    """The journal of the run whose outs lie in the workspace, made from them where there is none."""
    if not paths.RUN_KEY.exists() or not paths.MODEL.exists():
        return None
    journal = open_journal(paths.RUN_KEY.read_text(encoding="utf-8").strip())
    if not journal.events("start"):
        record.rebuild(journal, params_file.load(paths.PARAMS))
    if paths.METRICS.exists() and record.lock_is_of_one_run():
        _add_evaluation(journal)
    return journal


def _add_evaluation(journal: Journal) -> None:
    metrics = record.test_metrics(params_file.read_yaml(paths.METRICS))
    if (journal.last("test") or {}).get("metrics") != metrics:
        journal.write("test", metrics=metrics)
    record.keep_evaluation(journal)


def _is_waiting(journal: Journal) -> bool:
    """Whether MLflow may miss something of a run; one that trains right now is left to itself."""
    starts, end = journal.events("start"), journal.last("end")
    if not starts or (machine.process_lives(starts[-1]["pid"]) and not end):
        return False
    return journal.warned.exists() or journal.artifacts.exists() or journal.model.exists()


def _model_of(journal: Journal) -> Path | None:
    """The trained model, if it is at hand: kept with the journal, or the one in the workspace."""
    made = (journal.last("model") or {}).get("tags", {}).get("reprolens.model")
    places = (journal.model, paths.MODEL)
    return next((place for place in places if place.exists() and file_digest(place, "md5") == made), None)
