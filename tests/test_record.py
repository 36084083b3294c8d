"""What a run is called and what it leads back to, from a workspace's own files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import paths, profile, record, wording
from pipeline.journal import open_journal
from pipeline.params import Params
from tests.conftest import REPOSITORY
from tests.splits import hash_of, random_pictures, write_splits
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
    assert all(len(tags[name]) <= wording.SHORT for name in SHORT if name != "network")
    assert tags["data"] == "unknown"


def test_an_evaluated_run_keeps_which_images_it_is_made_of(workspace: Path) -> None:
    pixels = {name: random_pictures(count, count) for name, count in (("train", 9), ("val", 3), ("test", 4))}
    write_splits(pixels, {name: [0] * len(found) for name, found in pixels.items()}, ["ant"])
    journal = open_journal("0" * 20)
    record.keep_evaluation(journal)
    kept = profile.Profile.load(journal.artifacts / profile.NAME)
    hashes = [hash_of(pixels[name][0]) for name in pixels]
    assert kept.in_training(hashes).tolist() == [True, True, False]


def test_but_not_where_only_the_test_split_was_fetched(workspace: Path) -> None:
    pixels = {name: random_pictures(3, seed) for seed, name in enumerate(("train", "val", "test"))}
    write_splits(pixels, {name: [0] * 3 for name in pixels}, ["ant"])
    shutil.rmtree(paths.TRAIN)
    journal = open_journal("0" * 20)
    record.keep_evaluation(journal)
    assert not (journal.artifacts / profile.NAME).exists()


def test_a_lock_of_which_only_some_stages_ran_on_other_data_is_of_no_one_run(workspace: Path) -> None:
    shutil.copyfile(REPOSITORY / "dvc.lock", workspace / "dvc.lock")
    assert record.lock_is_of_one_run()
    text = (workspace / "dvc.lock").read_text()
    val = record.locked_hashes()[paths.VAL]
    (workspace / "dvc.lock").write_text(text.replace(val, "0" * 32 + ".dir", 1))
    assert not record.lock_is_of_one_run()
