"""MLflow runs as a projection of journals, on a real local store; refusals from a real HTTP server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline import experiment_page, machine, tracking
from pipeline.completion import complete
from pipeline.journal import Journal
from pipeline.lifecycle.track import where
from pipeline.live import Live

ROW = {"epoch": 1, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7}
FACTS: dict[str, Any] = {
    "experiment": "digits",
    "name": "a run",
    "params": {"model.dropout": 0.2, "train.epochs": 2},
    "tags": {"reprolens.commit": "abc", "reprolens.host": machine.host()},
    "inputs": [{"name": "digits-training", "context": "training", "source": "data", "digest": "d" * 32}],
}


@pytest.fixture
def journal(store: Path, request: pytest.FixtureRequest) -> Journal:
    """A journal of its own for each test, of a training that ran to its end."""
    made = Journal(store / ".reprolens" / "runs" / f"key-of-{request.node.name}")
    made.write("start", pid=machine.process_mark(), **FACTS)
    made.write("epoch", row=ROW, seconds=1.0)
    made.write("epoch", row=ROW | {"epoch": 2}, seconds=1.0)
    made.write("end", status="FINISHED")
    return made


def test_completing_twice_changes_nothing(client: Any, journal: Journal) -> None:
    journal.write("test", metrics={"test/accuracy": 0.9})
    first = complete(client, journal, None)
    assert complete(client, journal, None) == first
    assert [point.step for point in client.get_metric_history(first, "val/loss")] == [1, 2]
    assert len(client.get_metric_history(first, "test/accuracy")) == 1
    assert len(client.get_run(first).inputs.dataset_inputs) == 1


def test_a_run_has_its_params_tags_and_status(client: Any, journal: Journal) -> None:
    run = client.get_run(complete(client, journal, None))
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a run")
    assert run.data.params == {"model.dropout": "0.2", "train.epochs": "2"}
    assert run.data.tags["reprolens.run_key"] == journal.run_key
    assert run.info.end_time == journal.events("end")[-1]["time"]


def test_what_the_compare_page_draws_first_is_logged_first(client: Any, journal: Journal) -> None:
    logged = list(tracking.epoch_metrics(journal.events("epoch")[0]))
    assert logged == ["val/accuracy", "val/loss", "train/accuracy", "train/loss", "seconds_per_epoch"]


def test_the_experiment_page_is_set_up_and_follows_the_runs(client: Any, journal: Journal) -> None:
    complete(client, journal, None)
    experiment = client.get_experiment_by_name("digits")
    before = experiment.tags[experiment_page.VIEW_TAG]
    other = Journal(journal.folder.with_name(journal.folder.name + "-other"))
    other.write("start", pid="1@0.00", **FACTS | {"params": {"model.dropout": 0.7}})
    complete(client, other, None)
    assert client.get_experiment_by_name("digits").tags[experiment_page.VIEW_TAG] != before
    assert list(tracking.views(client, "http://127.0.0.1:1")) == ["digits"]


def test_a_description_someone_wrote_stays(client: Any, journal: Journal) -> None:
    experiment = client.get_experiment(client.get_run(complete(client, journal, None)).info.experiment_id)
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "mine")
    complete(client, journal, None)
    assert client.get_experiment(experiment.experiment_id).tags["mlflow.note.content"] == "mine"


def test_the_pages_of_the_local_store_are_listed_under_the_address_of_its_ui(client: Any, journal: Journal) -> None:
    complete(client, journal, None)
    assert where("http://127.0.0.1:1")["digits"].startswith("http://127.0.0.1:1/#/experiments/")
    assert where(None) == {}


def test_kept_files_are_uploaded_once_and_let_go(client: Any, journal: Journal) -> None:
    journal.keep_text("code.diff", "a difference")
    run_id = complete(client, journal, None)
    assert [item.path for item in client.list_artifacts(run_id)] == ["code.diff"]
    assert not journal.artifacts.exists()


def test_a_run_of_a_dead_process_is_closed_and_one_of_a_live_process_is_not(client: Any, journal: Journal) -> None:
    live = tracking.begin(client, journal)
    dead_journal = Journal(journal.folder.with_name(journal.folder.name + "-dead"))
    dead_journal.write("start", pid="999999999@0.00", **FACTS)
    dead = tracking.begin(client, dead_journal)
    assert tracking.close_dead_runs(client) == 1
    assert client.get_run(dead).info.status == "KILLED"
    assert client.get_run(live).info.status == "RUNNING"
    tracking.set_status(client, live, "FINISHED")


def test_a_training_that_vanished_is_completed_as_killed(client: Any, journal: Journal) -> None:
    vanished = Journal(journal.folder.with_name(journal.folder.name + "-vanished"))
    vanished.write("start", pid="999999999@0.00", **FACTS)
    event = vanished.write("epoch", row=ROW, seconds=1.0)
    run = client.get_run(complete(client, vanished, None))
    assert (run.info.status, run.info.end_time) == ("KILLED", event["time"])


def test_live_epochs_appear_at_once(client: Any, journal: Journal) -> None:
    live = Live(Journal(journal.folder.with_name(journal.folder.name + "-live")))
    live.start(**FACTS)
    live.epoch(ROW, 1.0)
    run = client.get_run(live.run_id)
    assert (run.info.status, run.data.metrics["val/accuracy"]) == ("RUNNING", 0.7)
    live.end("FAILED")
    assert client.get_run(live.run_id).info.status == "FAILED"


def test_every_run_gets_the_provenance_tags_by_itself(
    client: Any, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.context import ReprolensRunContext, provenance_tags

    monkeypatch.setenv("DVC_EXP_NAME", "an-experiment")
    provider = ReprolensRunContext()
    assert provider.in_context()
    assert provider.tags()["reprolens.dvc_experiment"] == "an-experiment"
    assert {"reprolens.commit", "reprolens.branch", "reprolens.versions", "reprolens.cpu"} <= provenance_tags().keys()


def test_mlflow_knows_the_context_provider(client: Any, workspace: Path) -> None:
    from mlflow.tracking.context.registry import resolve_tags

    assert "keras" in resolve_tags()["reprolens.versions"]


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """A server that refuses everything."""

    class Refuse(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            self.send_error(403)

        do_GET = do_POST = refuse  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_refusing_server_costs_one_warning_per_run(
    refusing_server: str, journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing_server)
    for _ in range(2):
        live = Live(journal)
        live.start(**FACTS)
        live.epoch(ROW, 1.0)
        live.end("FINISHED")
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert "reprolens track" in warnings[0]
    assert journal.last("end") is not None
