"""`reprolens trace`: what a run, commit, file, version or hash is connected with."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import decision, packed, paths, registry, tracking_server
from pipeline.errors import UserError
from pipeline.files import file_digest, write_text
from pipeline.lifecycle.trace import trace
from pipeline.lifecycle.use import use
from tests.checkout import IDENTITY
from tests.conftest import Program, write_pictures
from tests.tracked_runs import checkout, make_run, params_of, write_lock

DROP, WIDE = "d" * 20, "e" * 20
VARIANTS = {DROP: ("model.dropout=0.3",), WIDE: ("model.filters=[48]",)}
MODEL_LOCK = "  train:\n    outs:\n    - {path: models/model.keras, md5: %s}\n    - {path: reports/train, md5: 5.dir}\n"


@dataclass(frozen=True)
class Known:
    """A checkout with two runs, of which one is a model version and the champion."""

    folder: Path
    ids: dict[str, str]
    commit: str


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    folder = tmp_path_factory.mktemp("checkout")
    with checkout(folder, f"sqlite:///{folder}/mlruns/mlflow.db"):
        git = {"cwd": folder, "env": {"PATH": "/usr/bin:/bin", "HOME": str(folder), **IDENTITY}, "check": True}
        (folder / ".gitignore").write_text("/mlruns\n/.reprolens\n/models\n/data\n/reports\n/pets\n")
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "the start"]):
            subprocess.run(["git", *words], **git)  # type: ignore[call-overload]
        write_text(paths.MODEL, "not really a model")
        with paths.GRAPH_LOCK.open("a") as lock:
            lock.write(MODEL_LOCK % file_digest(paths.MODEL, "md5"))
        ids = {key: make_run(params_of(*changes), key, 0.95) for key, changes in VARIANTS.items()}
        client = tracking_server.connect()
        client.set_tag(ids[DROP], "reprolens.model", file_digest(paths.MODEL, "md5"))
        client.set_tag(ids[WIDE], "reprolens.dvc_experiment", "wide-one")
        client.create_registered_model("digits")
        client.create_model_version("digits", f"runs:/{ids[DROP]}/model", ids[DROP])
        client.set_registered_model_alias("digits", "champion", "1")
        _decide(registry.version_of(client, "digits", "champion"))
        write_text(paths.RUN_KEY, f"{WIDE}\n")
        yield Known(folder, ids, client.get_run(ids[DROP]).data.tags["reprolens.commit"])


def _decide(version: registry.Version) -> None:
    when, facts = datetime(2026, 1, 31, 12, tzinfo=UTC), decision.VersionFacts(1, "dropout 0.3", {})
    occasion = decision.Occasion("force", "digits", when, "ann", facts, None, None, "t", "it had to be")
    registry.keep_tag(tracking_server.connect(), version, decision.to_record(occasion, None))


@pytest.fixture
def told(known: Known, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], str]:
    """`trace`, in that checkout."""
    monkeypatch.chdir(known.folder)
    return lambda wanted: trace(str(wanted))


def test_a_run_is_told_in_full(known: Known, told: Callable[[object], str]) -> None:
    text = told(known.ids[DROP])
    assert f"run        dropout 0.3 (digits), key {DROP}" in text
    assert "changes: model.dropout 0 -> 0.3" in text
    assert f'commit     {known.commit} "the start" on main' in text
    assert f"data       raw images {'a' * 32}: not at hand" in text and "accuracy 0.9500" in text
    assert f"model      {file_digest(paths.MODEL, 'md5')}: models/model.keras" in text
    assert "version    models:/digits/1 (champion)" in text
    assert "decisions  2026-01-31 12:00 UTC  version 1 was made the champion by force" in text


@pytest.mark.parametrize("wanted", [DROP, "dddddddd", "dropout 0.3 (digits)", "digits@champion", "models:/digits/1"])
def test_a_run_has_many_names(known: Known, told: Callable[[object], str], wanted: str) -> None:
    assert f"MLflow id {known.ids[DROP]}" in told(wanted) and known.ids[WIDE] not in told(wanted)


def test_a_commit_has_its_runs(known: Known, told: Callable[[object], str]) -> None:
    for wanted in (known.commit, known.commit[:9], "HEAD", "main"):
        head, _, rest = told(wanted).partition("\n")
        assert head == f'{wanted}: commit {known.commit} "the start" of 2 runs'
        assert DROP in rest and WIDE in rest


def test_a_hash_has_its_runs(told: Callable[[object], str]) -> None:
    assert told("aaaaa").splitlines()[0] == "aaaaa: raw images of 2 runs"
    assert told("2" + "a" * 31 + ".dir").splitlines()[0].endswith("train split of 2 runs")


def test_a_dvc_experiment_has_its_run(known: Known, told: Callable[[object], str]) -> None:
    assert told("wide-one").startswith("wide-one: DVC experiment\n") and known.ids[WIDE] in told("wide-one")


def test_a_model_file_has_its_run_wherever_it_lies(known: Known, told: Callable[[object], str], tmp_path: Path) -> None:
    md5 = file_digest(paths.MODEL, "md5")
    assert told(paths.MODEL).startswith(f"models/model.keras: an out of `dvc repro` (MD5 {md5})\n")
    elsewhere = tmp_path / "copy.keras"
    elsewhere.write_bytes(paths.MODEL.read_bytes())
    assert known.ids[DROP] in told(elsewhere) and known.ids[WIDE] not in told(elsewhere)


def test_a_model_file_that_no_run_made_says_so(told: Callable[[object], str], tmp_path: Path) -> None:
    (tmp_path / "foreign.keras").write_text("foreign")
    assert told(tmp_path / "foreign.keras").endswith("; no run in MLflow is of it")


def test_a_report_has_its_run(known: Known, told: Callable[[object], str], tmp_path: Path) -> None:
    write_text(tmp_path / "any.html", f'<meta name="run-key" content="{DROP}">')
    assert "the report of a run" in told(tmp_path / "any.html") and known.ids[DROP] in told(tmp_path / "any.html")
    write_text(paths.TRAIN_REPORT / "curves.png", "")
    assert "part of reports/train" in told(paths.TRAIN_REPORT / "curves.png")
    assert known.ids[WIDE] in told(paths.TRAIN_REPORT / "curves.png")


def test_the_params_have_the_runs_of_the_same_values(known: Known, told: Callable[[object], str]) -> None:
    use("digits", ["model.dropout=0.3"])
    assert told("params.yaml").startswith("params.yaml: the params of this folder\n")
    assert known.ids[DROP] in told("params.yaml") and known.ids[WIDE] not in told("params.yaml")
    use("digits", ["model.dropout=0.4"])
    assert told("params.yaml").endswith("the params of this folder; no run in MLflow is of it")


def test_code_has_the_commit_that_changed_it_last(known: Known, told: Callable[[object], str]) -> None:
    assert told("pipeline/model.py").startswith(
        f'pipeline/model.py: code, last changed in commit {known.commit} "the start" of 2 runs'
    )


def test_a_picture_has_the_split_it_went_to(known: Known, told: Callable[[object], str]) -> None:
    import pandas as pd

    pets = write_pictures(known.folder / "pets", count=2)
    use("folder", [f"dataset.path={pets}"])
    row = pd.DataFrame({"file": ["cats/0.png"], "label": ["cats"], "split": ["val"], "pixel_hash": ["0"]})
    paths.VAL.mkdir(parents=True)
    packed.write_table(paths.VAL / "manifest.csv", row)
    assert "a picture of the data set, in the validation split: label cats" in told(pets / "cats" / "0.png")
    assert known.ids[WIDE] in told(pets / "cats" / "0.png")
    assert "that no split has" in told(pets / "dogs" / "1.png")


def test_what_nobody_knows_is_one_line(told: Callable[[object], str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is known of 'no such thing': give a run"):
        told("no such thing")
    with pytest.raises(UserError, match="model digits has no alias 'best'"):
        told("digits@best")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"notes\.txt is not of a run"):
        told(tmp_path / "notes.txt")


def test_a_server_that_is_away_is_one_line(workspace: Path, reprolens: Program) -> None:
    write_lock(workspace, "a")
    done = reprolens("trace", "digits", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("reprolens: error: MLflow at http://127.0.0.1:9 is away")
