"""`reprolens report [RUN]`: which page is meant, where it comes from, and what is said when there is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import machine, page, paths, record, tracking_server
from pipeline.about import About
from pipeline.completion import complete
from pipeline.errors import UserError
from pipeline.files import write_text
from pipeline.journal import Journal, open_journal
from pipeline.lifecycle.report import report
from tests.conftest import Program
from tests.judged import judged
from tests.test_page import numbers_of

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers
# Long enough that no random run id begins like them.
KEYS = {"aaaaaaaaa11": "first", "aaaaaaaaa22": "twin", "bbbbbbbbb33": "twin", "ccccccccc44": "don't"}


def page_for(key: str) -> str:
    return page.render(About("digits", key), numbers_of(judged(2)))


def trained(key: str, name: str) -> Journal:
    """The journal of a run that was trained, with nothing of its evaluation."""
    journal = open_journal(key)
    facts = {"experiment": "digits", "params": {}, "tags": {"reprolens.commit": "c" * 40}, "inputs": []}
    journal.write("start", pid=machine.process_mark(), name=name, **facts)
    journal.write("epoch", row={"epoch": 1, "loss": 1.0, "val_loss": 1.0}, seconds=2.0)
    journal.write("end", status="FINISHED")
    return journal


def evaluated(key: str, name: str) -> Journal:
    """The journal of a run whose page lies in the workspace and waits for MLflow."""
    journal = trained(key, name)
    write_text(paths.REPORT_PAGE, page_for(key))
    record.keep_evaluation(journal)
    return journal


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A checkout with four runs in MLflow and one that was never evaluated: run key -> run id."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("checkout")
        patch.chdir(folder)
        patch.setenv("DVC_ROOT", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = tracking_server.connect()
        ids = {key: complete(client, evaluated(key, name), None) for key, name in KEYS.items()}
        ids["ddddddddd55"] = complete(client, trained("ddddddddd55", "unjudged"), None)
        paths.REPORT_PAGE.unlink()
        yield ids


def test_a_run_is_found_by_id_key_beginning_or_name(store: dict[str, str]) -> None:
    run_id = store["aaaaaaaaa11"]
    for wanted in (run_id, run_id[:12], "aaaaaaaaa11", "aaaaaaaaa1", "first"):
        found = report(wanted)
        assert found == (paths.private() / "reports" / "aaaaaaaaa11.html").resolve()
        assert page.run_key_of(found.read_text()) == "aaaaaaaaa11"


def test_the_page_in_mlflow_has_times_and_commit(store: dict[str, str]) -> None:
    text = report("aaaaaaaaa11").read_text()
    assert " in 2 s, at commit cccccccccc." in text and "shown by <code>reprolens report</code>.<!--" not in text


def test_a_name_with_a_quote_is_found(store: dict[str, str]) -> None:
    assert report("don't").name == "ccccccccc44.html"


@pytest.mark.parametrize("wanted", ["twin", "aaaaaaaaa"])
def test_several_runs_are_named_and_none_is_taken(store: dict[str, str], wanted: str) -> None:
    with pytest.raises(UserError, match=f"'{wanted}' means 2 runs: .*, .*. Give more of one's id"):
        report(wanted)


@pytest.mark.parametrize("wanted", ["zz", "0" * 32, "", "a'b\"c", "%", "firs", "First"])
def test_an_unknown_run_is_one_line(store: dict[str, str], wanted: str) -> None:
    with pytest.raises(UserError, match=r"no run .*: give a run id, a run key"):
        report(wanted)


def test_a_run_that_was_not_evaluated_says_so(store: dict[str, str]) -> None:
    with pytest.raises(
        UserError, match=f"no report of run ddddddddd55 here .MLflow has none for run {store['ddddddddd55']}"
    ):
        report("ddddddddd55")


def test_a_page_that_mlflow_did_not_get_comes_from_its_journal(store: dict[str, str]) -> None:
    evaluated("eeeeeeeee66", "unsent")
    paths.REPORT_PAGE.unlink()
    assert page.run_key_of(report("unsent").read_text()) == "eeeeeeeee66"


def test_with_mlflow_away_a_journal_will_do(store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated("fffffffff77", "local")
    paths.REPORT_PAGE.unlink()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert page.run_key_of(report("fffffffff").read_text()) == "fffffffff77"
    with pytest.raises(UserError, match=f"^MLflow at {NOWHERE} is away .*, and this checkout knows no run 'zz'"):
        report("zz")
    with pytest.raises(UserError, match=r"no report of run aaaaaaaaa11 here .MLflow at .* is away"):
        report("aaaaaaaaa11")


def test_the_page_of_the_workspace_gets_its_facts(store: dict[str, str]) -> None:
    write_text(paths.REPORT_PAGE, page_for("aaaaaaaaa22"))
    found = report(None)
    assert found.name == "aaaaaaaaa22.html" and " in 2 s, at commit cccccccccc." in found.read_text()
    assert "Trained" not in paths.REPORT_PAGE.read_text()


def test_a_page_without_a_journal_says_that_nothing_is_known(store: dict[str, str]) -> None:
    write_text(paths.REPORT_PAGE, page_for("0123"))
    assert "Times and machine are not known here" in report(None).read_text()


def test_a_file_that_is_no_report_is_refused(store: dict[str, str]) -> None:
    write_text(paths.REPORT_PAGE, "<p>hello")
    with pytest.raises(UserError, match="is not a report of this project: run `dvc repro --force evaluate`"):
        report(None)


def test_the_command_prints_one_line_with_the_path(workspace: Path, reprolens: Program) -> None:
    write_text(workspace / paths.REPORT_PAGE, page_for("aaaaaaaaa11"))
    done: Any = reprolens("report", "--no-open")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"report: {workspace.resolve() / '.reprolens' / 'reports' / 'aaaaaaaaa11.html'}\n"


def test_before_anything_was_made_the_command_says_what_to_run(workspace: Path, reprolens: Program) -> None:
    done = reprolens("report", "--no-open")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "reprolens: error: reports/evaluate/report.html does not exist: nothing was made yet, run `dvc repro`\n"
    )
    assert not (workspace / ".reprolens").exists()
