"""`reprolens export` as a person types it, with a real MLflow store."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline import packed, paths, tracked_model, tracking_server
from pipeline.cli import cli
from pipeline.export_formats import FORMATS, SMALLEST_FIRST
from pipeline.files import file_digest, tree_digest
from pipeline.lifecycle import export_command
from pipeline.runs import KEY_TAG
from tests.exporting import IMAGES
from tests.small_model import LABELS, save_model

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a validation split and a model, which a run logged that has two registered versions."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "dvc.yaml").touch()
    (folder / paths.VAL).mkdir(parents=True)
    packed.write(folder / paths.VAL, IMAGES, range(40), [0] * 40)
    (folder / "models").mkdir()
    file = save_model(folder / paths.MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = tracking_server.connect()
        place = (folder / "mlruns" / "artifacts").as_uri()
        experiment = client.create_experiment("pets", artifact_location=place)
        run_id = client.create_run(experiment, run_name="a run", tags={KEY_TAG: "abcdefabcdef12"}).info.run_id
        tracked_model.log_model(client, run_id, file)
        address = tracked_model.address_of(client, client.get_run(run_id))
        client.create_registered_model("pets")
        client.create_model_version("pets", address, run_id, model_id=address.removeprefix("models:/"))
        client.set_registered_model_alias("pets", "champion", "1")
    (folder / "address").write_text(address)
    return folder


@pytest.fixture(autouse=True)
def here(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DVC_ROOT", str(checkout))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(checkout)
    before = set(checkout.iterdir())
    yield
    assert not [file for file in set(checkout.iterdir()) - before if file.name.endswith(".tmp")]


def export(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def the_run() -> Any:
    client = tracking_server.connect()
    return client.search_runs([client.get_experiment_by_name("pets").experiment_id])[0]


def test_the_formats_of_the_command_are_those_of_the_table() -> None:
    assert set(export_command.FORMATS) | set(SMALLEST_FIRST) == set(FORMATS)


def test_the_model_of_the_workspace_is_exported_and_its_run_told(tmp_path: Path) -> None:
    done = export("--format", "savedmodel", "--out", tmp_path / "served")
    assert done.exit_code == 0, done.output
    first, difference, logged = done.stdout.splitlines()
    digest = tree_digest(tmp_path / "served")
    assert first.startswith(f"export      {tmp_path}/served (savedmodel, ") and first.endswith(f"sha256 {digest})")
    assert "1e-05 allowed; the same class for 40 of 40 images of data/split/val" in difference
    assert logged == "logged      export/savedmodel_difference to run a run abcdefab"
    run = the_run()
    assert f"difference  {run.data.metrics['export/savedmodel_difference']:.1e} at most" in difference
    assert run.data.tags["reprolens.export.savedmodel"] == digest


@pytest.mark.parametrize("wanted", ["abcdefabcdef12", "a run", "address", "models:/pets/1", "models:/pets/latest"])
def test_a_model_in_mlflow_is_copied_byte_for_byte(tmp_path: Path, wanted: str) -> None:
    wanted = Path("address").read_text() if wanted == "address" else wanted
    done = export(wanted, "--format", "keras", "--out", tmp_path / "pets.keras")
    assert done.exit_code == 0 and "logged      export/keras_difference to run a run" in done.output
    assert file_digest(tmp_path / "pets.keras") == file_digest(paths.MODEL)


def test_quantising_takes_the_smallest_that_is_near_enough(tmp_path: Path) -> None:
    done = export("models:/pets@champion", "--format", "tflite", "--quantize", "--out", tmp_path / "a.tflite")
    assert done.exit_code == 0, done.output
    first, second, labels, difference, logged = done.stdout.splitlines()
    assert first.startswith("tflite_int8 differs by ") and first.endswith(", too much")
    assert "(tflite_float16, " in second and "at most, 0.001 allowed; the same class for 40 of 40" in difference
    assert labels == f"labels      {tmp_path}/a.labels.json"
    assert json.loads((tmp_path / "a.labels.json").read_text()) == LABELS
    assert "export/tflite_float16_difference" in logged


def test_how_near_is_enough_can_be_said(tmp_path: Path) -> None:
    done = export("--format", "tflite", "--quantize", "--within", 0, "--out", tmp_path / "a.tflite")
    assert done.exit_code == 1 and str(done.exception).startswith("tflite_int16_most differs from its source by up to ")
    assert "(tflite_int8 differs by " in str(done.exception) and "(tflite_float16 differs" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_file_of_no_run_is_exported_without_a_word_of_mlflow(tmp_path: Path) -> None:
    save_model(tmp_path / "other.keras", LABELS[::-1])
    done = export(tmp_path / "other.keras", "--format", "structure", "--images", tmp_path, "--out", tmp_path / "a.json")
    assert done.exit_code == 1 and "--images" in str(done.exception)  # a folder of models and no pictures
    done = export(tmp_path / "other.keras", "--format", "structure", "--out", tmp_path / "a.json")
    assert done.exit_code == 0 and "logged" not in done.output


def test_a_server_that_is_away_is_said_and_the_export_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = export("--format", "structure", "--out", tmp_path / "a.json")
    assert done.exit_code == 0 and f"not logged  MLflow at {NOWHERE} is away" in done.output
    assert (tmp_path / "a.json").exists()


def test_without_a_store_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert export("--format", "structure", "--out", tmp_path / "a.json").exit_code == 0
    assert {file.name for file in tmp_path.iterdir()} == {"a.json", "a.labels.json"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--format", "h5", "--quantize", "--out", "a.h5"),
            "--quantize is for --format tflite alone: leave it out for",
        ),
        (("--format", "savedmodel", "--out", "models"), "--out models is a folder that is not empty: give a new or an"),
        (("gone.keras", "--format", "h5", "--out", "a.h5"), "MODEL gone.keras does not exist: give a file, an MLflow"),
        (
            ("imagenet:foo", "--format", "h5", "--out", "a.h5"),
            "MODEL imagenet:foo: no such network; there are imagenet",
        ),
        (("--format", "h5", "--out", "a.h5", "--images", "gone"), "gone does not exist: give pictures or folders"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    done = export(*arguments)
    assert done.exit_code == 1 and str(done.exception).startswith(line)
    assert not Path("a.h5").exists()
