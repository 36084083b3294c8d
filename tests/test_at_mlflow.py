"""What MLflow has of the model in the workspace: whether it is judged, and whether there is anything to add."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import at_mlflow, paths, tracking_server
from pipeline.files import write_text
from pipeline.journal import open_journal
from pipeline.lifecycle.promote import promote
from pipeline.params import Params
from tests.promoting import PERFECT, add_run, open_checkout, save_model

KEY = "5a" * 10


@pytest.fixture
def params(tmp_path: Path) -> Iterator[Params]:
    """A checkout whose model is tracked, whole, under `KEY`."""
    with open_checkout(tmp_path) as made:
        paths.MODEL.parent.mkdir()
        add_run(made, KEY, save_model(paths.MODEL, PERFECT))
        write_text(paths.RUN_KEY, f"{KEY}\n")
        yield made


def test_a_model_is_judged_once_there_is_a_decision(params: Params) -> None:
    client = tracking_server.connect()
    assert not at_mlflow.is_judged(client, params)
    promote(client, params)
    assert at_mlflow.is_judged(client, params)
    write_text(paths.RUN_KEY, f"{'0' * 20}\n")
    assert not at_mlflow.is_judged(client, params)


def test_a_run_is_whole_until_something_waits_or_the_model_is_another(params: Params) -> None:
    client = tracking_server.connect()
    assert at_mlflow.is_whole(client)
    journal = open_journal(KEY)
    for waiting in (journal.warned, journal.model):
        waiting.touch()
        assert not at_mlflow.is_whole(client)
        waiting.unlink()
    assert at_mlflow.is_whole(client)
    save_model(paths.MODEL, (3, 3))
    assert not at_mlflow.is_whole(client)
    write_text(paths.RUN_KEY, f"{'0' * 20}\n")
    assert not at_mlflow.is_whole(client)
