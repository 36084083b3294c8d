"""What a run is called and what it leads back to, from a workspace's own files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import naming, record
from pipeline.params import Params
from tests.tracked_runs import write_lock

SHORT = ("data", "split", "code", "packages", "network")


def facts(params: Params) -> dict[str, Any]:
    return record.start_facts(params)


def test_a_run_says_what_it_changes(workspace: Path, make_params: Callable[..., Params]) -> None:
    start = facts(make_params("model.dropout=0.3"))
    assert (start["experiment"], start["name"]) == ("digits", "dropout 0.3 (digits)")
    assert start["tags"]["reprolens.preset"] == "digits"
    assert start["tags"]["reprolens.changes"] == "model.dropout 0 -> 0.3"


def test_short_tags_tell_data_split_code_and_network_apart(workspace: Path, make_params: Callable[..., Params]) -> None:
    def differ(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
        return {name for name in SHORT if before["tags"][name] != after["tags"][name]}

    write_lock(workspace, "a")
    first = facts(make_params())
    assert differ(first, facts(make_params("train.epochs=3"))) == set()
    assert differ(first, facts(make_params("model.kernel=5"))) == {"network"}
    write_lock(workspace, "b")
    assert differ(first, facts(make_params())) == {"data", "split"}
    write_lock(workspace, "a")
    (workspace / "pipeline" / "optimizer.py").write_text("# changed\n")
    assert differ(first, facts(make_params())) == {"code"}


def test_short_tags_are_short(workspace: Path, make_params: Callable[..., Params]) -> None:
    tags = facts(make_params())["tags"]
    assert all(len(tags[name]) <= naming.SHORT for name in SHORT if name != "network")
    assert tags["data"] == "unknown"
