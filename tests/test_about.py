"""What the report says besides numbers: the same wherever a run is made, apart from times and machine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import params_file
from pipeline.about import PLACES, data_name, folder_digest, last_part, shown_params
from pipeline.backbone_params import Backbone
from pipeline.facts import UNKNOWN, duration, facts_of
from pipeline.journal import Journal
from pipeline.params import Params
from tests.conftest import REPOSITORY

TAGS = {"reprolens.commit": "0123456789abcdef", "reprolens.cpu": "a processor", "reprolens.versions": '{"python": "3"}'}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "aa11")


def trained(journal: Journal, **tags: str) -> Journal:
    journal.write("start", name="a run", tags=TAGS | tags)
    for epoch in (1, 2, 3):
        journal.write("epoch", row={"epoch": epoch}, seconds=2.0 * epoch)
    journal.write("end", status="FINISHED")
    return journal


def test_facts_tell_when_how_long_and_where(journal: Journal) -> None:
    facts = facts_of(trained(journal))
    rows = dict(facts.rows)
    assert facts.line.startswith("Trained 20") and facts.line.endswith(" in 12 s, at commit 0123456789.")
    assert facts.commit == rows["Commit"] == "0123456789abcdef"
    assert rows["Time"] == "12 s, 4 s per epoch (median of 3)"
    assert (rows["Run"], rows["Processor"], rows["Versions"]) == ("a run", "a processor", "python 3")


def test_changed_code_is_told(journal: Journal) -> None:
    facts = facts_of(trained(journal, **{"reprolens.dirty": "yes"}))
    assert facts.line.endswith("at commit 0123456789 with changes.")
    assert dict(facts.rows)["Commit"].endswith("with changes that are in its code.diff")


def test_a_restored_run_claims_no_time(journal: Journal) -> None:
    facts = facts_of(trained(journal, **{"reprolens.restored": "yes"}))
    assert facts.line.startswith("Restored from DVC's cache") and "Trained" not in dict(facts.rows)


def test_a_run_without_a_journal_has_no_facts(journal: Journal) -> None:
    assert facts_of(journal) == UNKNOWN


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2134, "0.213 s"), (59.4, "59.4 s"), (61, "1 min 1 s"), (3599.6, "1 h 0 min"), (7800, "2 h 10 min")],
)
def test_durations_are_told_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("", ""),
        ("/data/flowers.zip", "flowers.zip"),
        ("../pictures/", "pictures"),
        ("https://me:secret@host/a/flowers.zip?token=x/y", "flowers.zip"),
        ("s3://bucket/flowers", "flowers"),
        ("/data/what?.zip", "what?.zip"),
    ],
)
def test_of_a_place_only_its_name_is_told(place: str, name: str) -> None:
    assert last_part(place) == name


def test_data_is_called_by_its_source_or_its_own_name(make_params: Callable[..., Params], tmp_path: Path) -> None:
    (tmp_path / "pictures.v2").mkdir()
    folder = make_params(f"dataset.path={tmp_path / 'pictures.v2'}", preset="folder")
    assert (data_name(make_params()), data_name(folder)) == ("digits", "pictures")
    assert str(tmp_path) not in str(shown_params(folder))


def test_evaluate_runs_again_for_every_parameter_it_shows(make_params: Callable[..., Params]) -> None:
    listed = params_file.read_yaml(REPOSITORY / "dvc.yaml")["stages"]["evaluate"]["params"]
    shown = shown_params(make_params())
    assert not shown.keys() & set(PLACES)
    assert [name for name in shown if name not in listed and name.partition(".")[0] not in listed] == []


def test_training_and_evaluation_run_again_for_the_same_parameters_of_the_backbone() -> None:
    stages = params_file.read_yaml(REPOSITORY / "dvc.yaml")["stages"]
    listed = [
        {name for name in stages[stage]["params"] if name.startswith("backbone")} for stage in ("train", "evaluate")
    ]
    assert listed[0] == listed[1] == {f"backbone.{name}" for name in Backbone.model_fields if name != "mirror"}


def test_a_folder_has_the_digest_that_dvc_gives_it(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, text in {"a": "1", "b/c": "2", "a.b": "3", "é": "4"}.items():
        (tmp_path / name).write_text(text)
    assert folder_digest(tmp_path) == "72b3b7cc266a8c5092475831c01adce2.dir"  # by `dvc add`
