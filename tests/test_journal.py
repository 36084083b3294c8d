"""The journal of a run outlives kills."""

from pathlib import Path

import pytest

from pipeline.journal import Journal, all_journals, open_journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "runs" / "0123abcd")


def test_events_come_back_by_kind_in_order(journal: Journal) -> None:
    for kind, number in (("a", 1), ("b", 2), ("a", 3)):
        journal.write(kind, number=number)
    assert [event["number"] for event in journal.events("a")] == [1, 3]
    last = journal.last("a")
    assert last is not None and last["number"] == 3


def test_an_empty_journal_has_no_events(journal: Journal) -> None:
    assert journal.events("a") == [] and journal.last("a") is None and journal.epochs() == []


@pytest.mark.parametrize("cut", ['{"event": "a", "ti', "{", '{"event": "a", "number": 2}', "\0\0\0"])
def test_a_cut_off_last_line_is_passed_over_and_spoils_no_later_one(journal: Journal, cut: str) -> None:
    journal.write("a", number=1)
    with (journal.folder / "journal.jsonl").open("a") as stream:
        stream.write(cut)
    assert [event["number"] for event in journal.events("a")][:1] == [1]
    journal.write("a", number=3)
    assert [event["number"] for event in journal.events("a")][-1] == 3


@pytest.mark.parametrize("line", ["5", "null", '"a"', "[1]", ""])
def test_a_line_that_is_no_event_is_passed_over(journal: Journal, line: str) -> None:
    journal.write("a", number=1)
    with (journal.folder / "journal.jsonl").open("a") as stream:
        stream.write(f"{line}\n")
    assert [event["number"] for event in journal.events("a")] == [1]


def test_an_epoch_that_ran_twice_counts_once_and_keeps_its_place(journal: Journal) -> None:
    for epoch, loss in ((1, 0.9), (2, 0.8), (2, 0.7), (3, 0.6)):
        journal.write("epoch", row={"epoch": epoch, "loss": loss})
    assert [tuple(event["row"].values()) for event in journal.epochs()] == [(1, 0.9), (2, 0.7), (3, 0.6)]


def test_kept_files_have_the_names_they_get_and_missing_ones_are_passed_over(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("here")
    journal.keep({"a/b.txt": tmp_path / "here.txt", "c.txt": tmp_path / "missing.txt"})
    files = [file.relative_to(journal.artifacts) for file in journal.artifacts.rglob("*") if file.is_file()]
    assert files == [Path("a/b.txt")]
    assert (journal.artifacts / "a/b.txt").read_text() == "here"


def test_what_was_kept_stays_when_its_source_goes(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("weights")
    journal.keep({"model": tmp_path / "model"})
    (tmp_path / "model").unlink()
    journal.keep({"model": tmp_path / "model"})
    assert (journal.artifacts / "model").read_text() == "weights"


def test_kept_text_may_hold_odd_file_names(journal: Journal) -> None:
    journal.keep_text("code.diff", "b\udcffcher ü\n")
    assert (journal.artifacts / "code.diff").read_bytes() == b"b\xffcher \xc3\xbc\n"


def test_journals_are_found_by_their_run_key(workspace: Path) -> None:
    assert all_journals() == []
    for key in ("b2", "a1"):
        open_journal(key).write("start")
    assert [journal.run_key for journal in all_journals()] == ["a1", "b2"]
