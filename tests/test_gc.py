"""`reprolens gc` on a real repository, DVC cache and remote, and a real MLflow store: what is needed stays."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths, registry, tracked_model, tracking_server
from pipeline.errors import UserError
from pipeline.lifecycle.gc import gc
from pipeline.params_file import read_yaml
from pipeline.retrain_lock import only_one
from tests.checkout import Checkout
from tests.promoting import PERFECT, save_model
from tests.small_graph import make_repository

pytestmark = pytest.mark.slow
DATA, MODEL_TAG = "reprolens.data", "reprolens.model"


@dataclass
class Place:
    """A repository that is the current folder, with a remote, and what can be in them."""

    checkout: Checkout
    client: Any

    def run(self, *words: str) -> str:
        done = self.checkout.run(*words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def add(self, name: str, folder: bool = False) -> str:
        """Puts a file, or a folder of two, into DVC's cache and remote; returns its hash."""
        target = self.checkout.folder / name
        for file in [target / "a", target / "b"] if folder else [target]:
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{name} {file.name}")
        self.run("dvc", "add", "--quiet", name)
        self.run("dvc", "push", "--quiet", name)
        return str(read_yaml(self.checkout.folder / f"{name}.dvc")["outs"][0]["md5"])

    def forget(self, name: str) -> None:
        """Takes it from the workspace; cache and remote have it still."""
        (self.checkout.folder / f"{name}.dvc").unlink()
        target = self.checkout.folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    def left_behind(self, name: str, folder: bool = False) -> str:
        """A hash that nothing of DVC's knows."""
        md5 = self.add(name, folder)
        self.forget(name)
        return md5

    def commit(self, name: str) -> str:
        """Adds it and commits that."""
        md5 = self.add(name)
        self.run("git", "add", f"{name}.dvc")
        self.run("git", "commit", "-qm", name)
        return md5

    def has(self, md5: str, where: str = ".dvc/cache") -> bool:
        return (self.checkout.folder / where / "files" / "md5" / md5[:2] / md5[2:]).exists()

    def run_of(self, name: str, **tags: str) -> str:
        """A finished run; returns its id."""
        experiment = self.client.get_experiment_by_name("gc")
        number = experiment.experiment_id if experiment else self.client.create_experiment("gc", _artifacts())
        run = self.client.create_run(number, run_name=name, tags=tags)
        self.client.set_terminated(run.info.run_id)
        return str(run.info.run_id)


def _artifacts() -> str:
    return (paths.tracking_store() / "artifacts").resolve().as_uri()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    checkout = make_repository(tmp_path_factory.mktemp("gc"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout.folder)
        patch.setenv("DVC_ROOT", str(checkout.folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("HOME", str(checkout.home))
        made = Place(checkout, tracking_server.connect())
        made.run("dvc", "remote", "add", "-q", "-d", "storage", str(checkout.folder.parent / "remote"))
        made.run("git", "add", "-A")
        made.run("git", "commit", "-qm", "with a remote")
        yield made


def test_what_a_branch_a_tag_a_remote_branch_or_the_workspace_needs_stays(place: Place) -> None:
    place.run("git", "checkout", "-qb", "other")
    on_branch = place.commit("on-branch")
    place.run("git", "checkout", "-q", "--detach")
    on_tag = place.commit("on-tag")
    place.run("git", "tag", "v1")
    on_remote = place.commit("on-remote")
    place.run("git", "update-ref", "refs/remotes/origin/theirs", "HEAD")
    place.run("git", "checkout", "-q", "master")
    here, nowhere = place.add("here"), place.left_behind("nowhere")
    assert "1 object" in gc(False, False, None)
    assert place.has(nowhere)
    gc(True, False, None)
    assert not place.has(nowhere)
    assert all(map(place.has, (on_branch, on_tag, on_remote, here)))
    assert place.run("dvc", "status").count("modified") == 0
    assert gc(False, False, None).startswith("nothing to remove")


def test_a_lock_that_cannot_be_read_stops_everything(place: Place) -> None:
    nowhere = place.left_behind("nowhere")
    place.run("git", "checkout", "-qb", "broken")
    (place.checkout.folder / "dvc.lock").write_text("stages: [")
    place.run("git", "commit", "-qam", "broken")
    place.run("git", "checkout", "-q", "master")
    with pytest.raises(UserError, match="DVC cannot tell what is needed"):
        gc(True, False, None)
    assert place.has(nowhere)
    place.run("git", "branch", "-D", "broken")


def test_what_a_run_leads_back_to_stays_until_the_run_is_deleted(place: Place) -> None:
    data, model = place.left_behind("run-data", folder=True), place.left_behind("run-model")
    run_id = place.run_of("a run", **{DATA: data, MODEL_TAG: model})
    gc(True, False, None)
    assert place.has(data) and place.has(model)
    place.client.delete_run(run_id)
    told = gc(False, False, None)
    assert "1 deleted run: a run" in told and "4 objects" in told  # a folder is its list and its two files
    gc(True, False, None)
    assert not place.has(data) and not place.has(model)
    with pytest.raises(Exception, match=run_id):
        place.client.get_run(run_id)


def test_a_registered_version_keeps_its_deleted_run_model_and_data(place: Place, tmp_path: Path) -> None:
    data = place.left_behind("version-data")
    run_id = place.run_of("served", **{DATA: data})
    tracked_model.log_model(place.client, run_id, save_model(tmp_path / "model.keras", PERFECT))
    version = registry.add(place.client, "served", place.client.get_run(run_id))
    place.client.delete_run(run_id)
    gc(True, False, None)
    assert place.has(data) and place.client.get_run(run_id)
    assert tracked_model.download(place.client, version.address, tmp_path).exists()
    place.client.delete_registered_model("served")
    gc(True, False, None)
    assert not place.has(data)


def test_a_model_that_a_newer_one_replaced_goes_and_its_files_too(place: Place, tmp_path: Path) -> None:
    run_id = place.run_of("trained twice")
    run = place.client.get_run(run_id)
    tracked_model.log_model(place.client, run_id, save_model(tmp_path / "a.keras", PERFECT))
    first = tracked_model.address_of(place.client, run)
    tracked_model.log_model(place.client, run_id, save_model(tmp_path / "b.keras", (7, 7)))
    second = tracked_model.address_of(place.client, run)
    folder = Path(
        place.client.get_logged_model(first.removeprefix("models:/")).artifact_location.removeprefix("file://")
    )
    assert folder.is_dir()
    assert "1 model " in gc(True, False, None)
    assert not folder.exists() and tracked_model.download(place.client, second, tmp_path).exists()


def test_the_remote_is_looked_at_where_that_is_asked_for(place: Place) -> None:
    nowhere = place.left_behind("remote-only")
    kept = place.add("remote-kept")
    gc(True, False, None)
    assert not place.has(nowhere) and place.has(nowhere, "../remote")
    assert "the remote" in gc(False, True, None)
    gc(True, True, None)
    assert not place.has(nowhere, "../remote") and place.has(kept, "../remote")


def test_a_deleted_experiment_with_a_registered_version_stops_everything(place: Place, tmp_path: Path) -> None:
    number = place.client.create_experiment("gone", _artifacts())
    run = place.client.create_run(number, run_name="needed")
    tracked_model.log_model(place.client, run.info.run_id, save_model(tmp_path / "model.keras", PERFECT))
    registry.add(place.client, "gone", place.client.get_run(run.info.run_id))
    place.client.delete_experiment(number)
    with pytest.raises(UserError, match="experiment gone is deleted, but a registered version needs its run needed"):
        gc(True, False, None)
    place.client.delete_registered_model("gone")
    place.client.restore_experiment(number)


def test_while_a_retraining_is_at_work_nothing_goes(place: Place) -> None:
    with only_one(paths.private()), pytest.raises(UserError, match="a retraining is at work"):
        gc(True, False, None)


def test_without_mlflow_nothing_goes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = place.left_behind("nobody-knows")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="is away"):
        gc(True, False, None)
    assert place.has(nowhere)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgresql://me:secret@127.0.0.1:9/mlflow", "--backend-store postgresql://me:***@127.0.0.1:9/mlflow: "),
        ("mysql://127.0.0.1/mlflow", "--backend-store mysql://...: neither SQLite nor PostgreSQL"),
        ("sqlite:///other.db", "other.db: no MLflow server keeps its runs there"),
    ],
)
def test_a_backend_store_that_is_none_costs_one_line(place: Place, address: str, reason: str) -> None:
    run_id = place.run_of("still there")
    place.client.delete_run(run_id)
    with pytest.raises(UserError) as refused:
        gc(True, False, address)
    assert reason in str(refused.value) and "secret" not in str(refused.value)
    assert place.client.get_run(run_id) and not Path("other.db").exists()
