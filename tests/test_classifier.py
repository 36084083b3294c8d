"""Which model is meant: a file, or an address or run in a real local MLflow store; what is said where there is none."""

import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import classifier, tracked_model, tracking_server
from pipeline.errors import UserError
from pipeline.runs import KEY_TAG
from tests.small_model import LABELS, save_model

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers
KEY = "abcdefabcdef12"  # longer than a random run id could agree with
PICTURES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A checkout with a run that logged a model twice, the second registered, and a run without one."""
    folder = tmp_path_factory.mktemp("checkout")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = tracking_server.connect()
        place = (folder / "mlruns" / "artifacts").as_uri()
        experiment = client.create_experiment("pets", artifact_location=place)
        run_id = client.create_run(experiment, run_name="a run", tags={KEY_TAG: KEY}).info.run_id
        for labels in (["old"] * 4, LABELS):
            tracked_model.log_model(client, run_id, save_model(folder / "model.keras", labels))
        address = tracked_model.address_of(client, client.get_run(run_id))
        client.create_registered_model("pets")
        client.create_model_version("pets", address, run_id, model_id=address.removeprefix("models:/"))
        client.set_registered_model_alias("pets", "champion", "1")
        empty = client.create_run(experiment, run_name="killed").info.run_id
    return {"checkout": str(folder), "run": run_id, "address": address, "empty": empty}


@pytest.fixture
def checkout(store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("DVC_ROOT", store["checkout"])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(store["checkout"])
    return store


def plain_likelihoods(file: Path) -> np.ndarray:
    import keras

    return np.asarray(keras.saving.load_model(file, compile=False).predict(PICTURES, verbose=0))


def test_a_model_is_found_by_file_run_key_name_and_address(checkout: dict[str, str]) -> None:
    wanted = ["model.keras", checkout["run"], checkout["run"][:12], KEY, "a run", checkout["address"]]
    expected = plain_likelihoods(Path("model.keras"))[:4]
    for one in [*wanted, "models:/pets/1", "models:/pets@champion", "models:/pets/latest"]:
        found = classifier.find(one)
        assert (found.labels, found.size, found.channels) == (LABELS, (8, 8), 3), one
        np.testing.assert_allclose(found.likelihoods(PICTURES[:4]), expected, atol=1e-6, err_msg=one)


def test_likelihoods_are_those_of_the_pyfunc_loader(checkout: dict[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own
        import mlflow

        mlflow.set_tracking_uri(tracking_server.tracking_uri())
        rows = mlflow.pyfunc.load_model(checkout["address"]).predict(pd.DataFrame({"picture": list(PICTURES)}))
    theirs = [list(row["likelihoods"].values()) for row in rows]
    found = classifier.find(checkout["address"])
    ours = np.concatenate([found.likelihoods(PICTURES[:32]), found.likelihoods(PICTURES[32:])])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert np.ptp(ours, axis=0).max() > 0.01  # the pictures are told apart


def test_likelihoods_of_a_picture_do_not_depend_on_its_company(checkout: dict[str, str]) -> None:
    found = classifier.find("model.keras")
    together = found.likelihoods(PICTURES[:32])
    alone = np.concatenate([found.likelihoods(PICTURES[[row]]) for row in range(32)])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ("gone.keras", "--model gone.keras does not exist: give a file, an MLflow run, or models:/NAME/VERSION"),
        ("nobody", "--model nobody: no such file, and no run 'nobody': give a run id, a run key, the beginning of one"),
        ("0" * 32, f"--model {'0' * 32}: no such file, and no run '{'0' * 32}'"),
        ("killed", r"run \w{32} \(killed\) has no model: it was not trained to its end, or `reprolens track`"),
        ("models:/cars/1", r"MLflow has no model models:/cars/1 \(Registered Model with name=cars not found\): give"),
        ("models:/pets/7", r"MLflow has no model models:/pets/7 \(Model Version \(name=pets, version=7\) not found\)"),
        ("models:/pets@best", r"MLflow has no model models:/pets@best \(Registered model alias best not found"),
        ("models:/m-123", r"MLflow has no model models:/m-123 \(.*not found.*\): give models:/NAME/VERSION, models:"),
        ("models:/", "--model models:/ is no address: give models:/NAME/VERSION, models:/NAME@ALIAS or models:/m-ID"),
        ("models:/pets/1/data", "--model models:/pets/1/data is no address: give models:/NAME/VERSION"),
    ],
)
def test_a_model_that_does_not_exist_is_one_clear_line(checkout: dict[str, str], wanted: str, line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}") as caught:
        classifier.find(wanted)
    assert "\n" not in str(caught.value)


def test_an_artifact_that_was_deleted_is_said(checkout: dict[str, str]) -> None:
    file = Path(checkout["checkout"], "mlruns/artifacts/models", checkout["address"][8:], "artifacts/data/model.keras")
    file.rename(file.with_name("aside"))
    with pytest.raises(
        UserError, match=r"^models:/m-\w+ has no data/model.keras: it was deleted, or logged by another"
    ):
        classifier.find(checkout["address"])
    file.with_name("aside").rename(file)


def test_a_server_that_is_away_is_said(checkout: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=f"^--model a run: no such file, and MLflow at {NOWHERE} is away"):
        classifier.find("a run")


def test_before_any_training_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        classifier.find(None)
    line = "models/model.keras does not exist, nothing was trained yet: run `make repro`, or give --model"
    assert str(caught.value) == line


def make_words(file: Path, whole: Path) -> None:
    file.write_text("these are words")


def make_cut(file: Path, whole: Path) -> None:
    file.write_bytes(whole.read_bytes()[:5_000])


def make_folder(file: Path, whole: Path) -> None:
    file.mkdir()


def make_flipped(file: Path, whole: Path) -> None:
    content = bytearray(whole.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = os.urandom(400)
    file.write_bytes(content)


def make_other_zip(file: Path, whole: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("reprolens.json", '{"labels": ["a", "b"]}')


def make_odd_note(file: Path, whole: Path) -> None:
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(file, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, b"[1, 2" if name == "reprolens.json" else source.read(name))


def make_plain_keras(file: Path, whole: Path) -> None:
    import keras

    keras.saving.load_model(whole, compile=False).save(file)


@pytest.mark.parametrize(
    "make", [make_words, make_cut, make_folder, make_flipped, make_other_zip, make_odd_note, make_plain_keras]
)
def test_what_is_no_model_of_ours_is_one_clear_line(tmp_path: Path, make: object) -> None:
    file = tmp_path / "other.keras"
    assert callable(make)
    make(file, save_model(tmp_path / "whole.keras"))
    with pytest.raises(UserError) as caught:
        classifier.find(str(file))
    assert str(caught.value) == f"{file} is broken or no model of this project: give a model.keras that it made"


def test_a_model_with_the_labels_of_another_is_refused(tmp_path: Path) -> None:
    file = save_model(tmp_path / "model.keras", ["a", "b", "c"], num_outputs=4)
    with pytest.raises(UserError, match="names 3 classes but tells 4 apart: its labels are those of another model"):
        classifier.find(str(file))
