"""What a run stored to be made again, and what is said where something is missing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import UserError
from pipeline.journal import open_journal
from pipeline.origin import origin_of

if TYPE_CHECKING:
    from mlflow.entities import Run

KEY = "f" * 20
TAGS = {
    "reprolens.run_key": KEY,
    "reprolens.commit": "c" * 40,
    "reprolens.dirty": "no",
    "reprolens.model": "m1",
    "reprolens.data": "d1",
    "reprolens.split.train": "t1",
    "reprolens.versions": '{"python": "3.12.1"}',
    "reprolens.cpu": "A",
    "reprolens.threads": "2",
}
LOCK = """
stages:
  download: {outs: [{path: data/download/images.tar, md5: d2}]}
  split: {outs: [{path: data/split/train, md5: %s}, {path: reports/split, md5: r}]}
  train: {deps: [{path: data/split/train, md5: t1}, {path: pipeline/model.py, md5: c1}]}
"""
FILES = {"params.yaml": "train: {threads: 2}", "metrics.json": '{"accuracy": 0.9, "interval": {"low": 0.8}}'}


def make(client: Any, files: dict[str, str], **changes: str) -> "Run":
    """A run with these files and tags."""
    run = client.create_run(
        "0", run_name="small", tags=TAGS | {f"reprolens.{key}": tag for key, tag in changes.items()}
    )
    for name, text in files.items():
        client.log_text(run.info.run_id, text, name)
    return client.get_run(run.info.run_id)


def test_a_run_leads_back_to_what_it_was_made_of(client: Any, tmp_path: Path) -> None:
    found = origin_of(client, make(client, FILES | {"dvc.lock": LOCK % "t1"}), tmp_path)
    assert (found.called, found.commit, found.diff) == ("small ffffffff", "c" * 40, None)
    assert (found.made.data, found.made.parts, found.made.model) == ("d2", {"data/split/train": "t1"}, "m1")
    assert found.made.metrics == {"accuracy": 0.9, "interval.low": 0.8}
    assert found.made.environment == {"python": "3.12.1", "processor": "A", "threads": "2"}
    assert found.code() == {"pipeline/model.py": "c1"} and found.lock_text() == LOCK % "t1"


def test_a_lock_of_a_newer_split_gives_way_to_the_tags(client: Any, tmp_path: Path) -> None:
    found = origin_of(client, make(client, FILES | {"dvc.lock": LOCK % "t2"}), tmp_path)
    assert (found.made.data, found.made.parts["data/split/train"]) == ("d1", "t1")
    assert "md5: d1" in found.lock_text() and "md5: d2" not in found.lock_text()


def test_changed_code_comes_along(client: Any, tmp_path: Path) -> None:
    files = FILES | {"dvc.lock": LOCK % "t1", "code.diff": "diff"}
    found = origin_of(client, make(client, files, dirty="yes"), tmp_path)
    assert found.diff is not None and found.diff.read_text() == "diff"


def test_what_waits_for_mlflow_is_newer(client: Any, tmp_path: Path) -> None:
    key = "e" * 20
    open_journal(key).keep_text("metrics.json", '{"accuracy": 0.5}')
    found = origin_of(client, make(client, FILES | {"dvc.lock": LOCK % "t1"}, run_key=key), tmp_path)
    assert found.made.metrics == {"accuracy": 0.5}


def test_a_run_that_was_not_evaluated_is_one_line(client: Any, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"run small ffffffff has no dvc\.lock, metrics\.json: only a run that was trai"
    ):
        origin_of(client, make(client, {"params.yaml": "a: 1"}), tmp_path)


def test_a_run_without_a_commit_is_one_line(client: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run small ffffffff was made outside a git repository"):
        origin_of(client, make(client, FILES, commit="unknown"), tmp_path)
