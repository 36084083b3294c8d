"""The four stages run by DVC in a checkout of their own, as a user runs them; MLflow looked at afterwards."""

import json
import os
import re
import signal
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import packed, paths
from tests.checkout import Checkout, free_port, make_checkout, mlflow_server
from tests.conftest import write_pictures

EPOCHS = 3
SMALL = ("digits", f"train.epochs={EPOCHS}", "model.filters=[8]", "evaluate.bootstrap=100")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the pipeline ran once."""
    checkout = make_checkout(tmp_path_factory.mktemp("finished"), *SMALL)
    checkout.repro()
    return checkout


def runs_of(store: Path) -> list[dict[str, Any]]:
    """Every run of a SQLite tracking store, with what hangs on it."""
    with sqlite3.connect(store) as db:
        rows = db.execute("select run_uuid, name, status, artifact_uri from runs").fetchall()
        return [
            {
                "id": run,
                "name": name,
                "status": status,
                "artifacts": uri,
                "params": dict(db.execute("select key, value from params where run_uuid = ?", (run,)).fetchall()),
                "tags": dict(db.execute("select key, value from tags where run_uuid = ?", (run,)).fetchall()),
                "points": db.execute("select key, step, value from metrics where run_uuid = ?", (run,)).fetchall(),
                "inputs": db.execute("select destination_id from inputs where destination_id = ?", (run,)).fetchall(),
                "models": db.execute("select destination_id from inputs where source_id = ?", (run,)).fetchall(),
            }
            for run, name, status, uri in rows
        ]


def local_runs(checkout: Checkout) -> list[dict[str, Any]]:
    return runs_of(checkout.folder / "mlruns" / "mlflow.db")


def test_the_pipeline_makes_what_it_promises(finished: Checkout) -> None:
    metrics = json.loads((finished.folder / "reports" / "metrics.json").read_text())
    assert 0.3 < metrics["accuracy"] <= 1
    assert metrics["interval"]["accuracy"]["low"] <= metrics["accuracy"] <= metrics["interval"]["accuracy"]["high"]
    pictures = {file.name for file in (finished.folder / "reports").rglob("*.png")}
    assert pictures == {
        *("samples.png", "class_counts.png", "curves.png", "confusion.png", "reliability.png", "mistakes.png"),
    }


def test_a_second_repro_runs_nothing(finished: Checkout) -> None:
    output = finished.repro()
    assert "Running stage" not in output
    assert output.count("didn't change, skipping") == 4


def test_dvc_shows_metrics_and_plots(finished: Checkout) -> None:
    assert "macro_f1" in finished.run("dvc", "metrics", "show", "--md").stdout
    shown = finished.run("dvc", "plots", "show", "--out", "shown").stdout
    assert "index.html" in shown
    page = (finished.folder / "shown" / "index.html").read_text()
    assert page.count("vega") >= 3
    assert "confusion.png" in page
    assert f'<iframe src="../{paths.REPORT_PAGE}"' in page


def test_the_report_names_the_bytes_and_no_time(finished: Checkout) -> None:
    text = (finished.folder / paths.REPORT_PAGE).read_text(encoding="utf-8")
    hashes = re.findall(r"<code>([0-9a-f]{32}(?:\.dir)?)</code>", text)
    assert len(hashes) == 3 and all(f"md5: {digest}\n" in finished.lock().decode() for digest in hashes)
    commit = finished.run("git", "rev-parse", "HEAD").stdout.strip()
    assert commit[:10] not in text and str(finished.folder) not in text and f"{datetime.now():%Y-%m-%d}" not in text


def test_one_run_leads_back_to_everything(finished: Checkout) -> None:
    (run,) = local_runs(finished)
    lock = finished.lock().decode()
    assert run["status"] == "FINISHED"
    assert run["params"]["model.filters"] == "[8]"
    commit = finished.run("git", "rev-parse", "HEAD").stdout.strip()
    assert (run["tags"]["reprolens.commit"], run["tags"]["reprolens.dirty"]) == (commit, "no")
    for name in ("data", "split.train", "split.val", "split.test", "model", "package_lock"):
        assert run["tags"][f"reprolens.{name}"] in lock, name
    assert {step for key, step, _ in run["points"] if key == "val/accuracy"} == set(range(1, EPOCHS + 1))
    assert len(run["models"]) >= 1


def test_the_run_has_its_files(finished: Checkout) -> None:
    (run,) = local_runs(finished)
    folder = Path(run["artifacts"].removeprefix("file://"))
    assert (folder / "params.yaml").read_bytes() == (finished.folder / "params.yaml").read_bytes()
    assert (folder / "predictions.csv").read_bytes() == (
        finished.folder / "reports" / "evaluate" / "predictions.csv"
    ).read_bytes()
    assert {file.name for file in (folder / "pictures").iterdir()} >= {"curves.png", "confusion.png", "mistakes.png"}
    assert (folder / "code.diff").exists()
    assert "at commit" in (folder / "report.html").read_text(encoding="utf-8")
    assert (folder / "dvc.lock").exists()


def test_the_logged_model_is_the_one_dvc_keeps_and_loads(finished: Checkout) -> None:
    stored = list((finished.folder / "mlruns" / "artifacts" / "models").rglob("model.keras"))
    assert [file.read_bytes() for file in stored] == [(finished.folder / "models" / "model.keras").read_bytes()]
    needs = next((finished.folder / "mlruns" / "artifacts" / "models").rglob("requirements.txt")).read_text()
    assert "keras==" in needs


def test_force_leaves_the_lock_and_makes_no_second_run(finished: Checkout) -> None:
    before = finished.lock()
    assert "Running stage 'train'" in finished.repro("--force")
    assert finished.lock() == before
    (run,) = local_runs(finished)
    assert sorted(step for key, step, _ in run["points"] if key == "train/loss") == list(range(1, EPOCHS + 1))
    assert len({key for key, _, _ in run["points"] if key.startswith("test/")}) == len(
        [key for key, _, _ in run["points"] if key.startswith("test/")]
    )


@pytest.mark.slow
def test_two_checkouts_agree(finished: Checkout, tmp_path: Path) -> None:
    other = make_checkout(tmp_path, *SMALL)
    other.repro()
    assert other.lock() == finished.lock()


@pytest.mark.slow
def test_an_experiment_changes_one_thing(finished: Checkout) -> None:
    done = finished.run("dvc", "exp", "run", "-n", "drop", "-S", "model.dropout=0.3")
    assert done.returncode == 0, done.stdout
    runs = local_runs(finished)
    assert sorted(run["params"]["model.dropout"] for run in runs) == ["0.0", "0.3"]
    (changed,) = [run for run in runs if run["params"]["model.dropout"] == "0.3"]
    assert changed["tags"]["reprolens.dvc_experiment"] == "drop"
    assert "drop" in finished.run("dvc", "exp", "show", "--csv").stdout


@pytest.mark.slow
def test_a_restored_training_is_tracked_once(finished: Checkout, tmp_path: Path) -> None:
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'fresh.db'}"}
    for _ in range(2):
        done = finished.run("reprolens", "track", **store)
        assert done.returncode == 0, done.stdout
    (run,) = runs_of(tmp_path / "fresh.db")
    assert run["status"] == "FINISHED"
    assert len([key for key, _, _ in run["points"] if key == "val/loss"]) == EPOCHS


@pytest.mark.slow
def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, *SMALL, "train.epochs=5000")
    process = checkout.start("dvc", "repro", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch   3/" in line:
            os.killpg(process.pid, signal.SIGINT)
            break
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() != 0
    assert "train: interrupted" in rest
    assert "Traceback" not in rest


@pytest.mark.slow
def test_a_server_that_is_away_costs_one_warning_and_no_run(tmp_path: Path) -> None:
    port = free_port()
    checkout = make_checkout(tmp_path, *SMALL)
    away = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    output = checkout.repro(**away)
    assert output.count("warning:") == 1, output
    refused = checkout.run("reprolens", "track", **away)
    assert (refused.returncode, refused.stdout.count("\n")) == (1, 1), refused.stdout
    with mlflow_server(tmp_path / "server", port):
        for _ in range(2):
            done = checkout.run("reprolens", "track", **away)
            assert done.returncode == 0, done.stdout
        (run,) = runs_of(tmp_path / "server" / "server.db")
    assert run["status"] == "FINISHED"
    assert sorted(step for key, step, _ in run["points"] if key == "val/loss") == list(range(1, EPOCHS + 1))
    assert {"test/accuracy", "test/macro_f1"} <= {key for key, _, _ in run["points"]}
    assert len(run["models"]) == 1
    assert list((tmp_path / "server" / "store").rglob("confusion.png"))


@pytest.mark.slow
def test_one_new_picture_in_a_watched_folder_makes_repro_run(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "my pictures", count=30)
    small = ("train.epochs=1", "model.filters=[4]", "image.size=[12,12]", "evaluate.bootstrap=100")
    checkout = make_checkout(tmp_path, "folder", f"dataset.path={pictures}", *small)
    assert "Running stage 'download'" in checkout.repro()
    assert "Running stage" not in checkout.repro()
    write_pictures(pictures, ("dogs",), count=31)
    assert "Running stage 'download'" in checkout.repro("--dry")


@pytest.mark.slow
def test_another_image_size_alone_makes_other_splits_and_the_old_ones_come_back(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, "digits")
    for side in (8, 12, 8):
        assert checkout.run("reprolens", "use", "digits", f"image.size=[{side},{side}]").returncode == 0
        checkout.repro("split")
        assert packed.load(checkout.folder / "data/split/train").images.shape[1:] == (side, side, 1)
