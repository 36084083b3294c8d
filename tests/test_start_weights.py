"""Weights to begin with are the bytes that the params name, wherever they lie by then."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import paths, start_weights, tracking_server
from pipeline.errors import UserError
from pipeline.lifecycle.promote import promote
from pipeline.params import Params
from tests.promoting import PERFECT, add_run, open_checkout, save_model

Make = Callable[..., Params]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_a_file_is_kept_and_found_again_when_it_is_gone(tmp_path: Path, make_params: Make) -> None:
    file = tmp_path / "mine.h5"
    file.write_bytes(b"weights")
    params = make_params(f"backbone.weights={file}").backbone
    assert params.sha256 == hashlib.sha256(b"weights").hexdigest()
    file.unlink()
    kept = start_weights.find(params)
    assert kept and (kept.suffix, kept.read_bytes()) == (".h5", b"weights")


def test_a_changed_file_is_one_line(tmp_path: Path, make_params: Make) -> None:
    file = tmp_path / "mine.keras"
    file.write_bytes(b"weights")
    params = make_params(f"backbone.weights={file}").backbone
    kept = start_weights.find(params)
    assert kept
    kept.unlink()
    file.write_bytes(b"others")
    with pytest.raises(UserError, match=rf"backbone.weights {file} was changed: its SHA-256 is"):
        start_weights.find(params)


def test_what_is_not_there_is_one_line(tmp_path: Path, make_params: Make) -> None:
    for wanted in (tmp_path / "none.h5", tmp_path):
        with pytest.raises(UserError, match=rf"backbone.weights {wanted} is no file"):
            make_params(f"backbone.weights={wanted}")
    with pytest.raises(UserError, match="is no model version"):
        make_params("backbone.weights=models:/digits")


def test_without_weights_there_is_no_file(make_params: Make) -> None:
    assert start_weights.find(make_params().backbone) is None


def test_an_alias_becomes_the_version_of_today(tmp_path: Path) -> None:
    with open_checkout(tmp_path) as params:
        paths.MODEL.parent.mkdir()
        add_run(params, "5a" * 10, save_model(paths.MODEL, PERFECT))
        paths.RUN_KEY.write_text("5a" * 10 + "\n")
        with pytest.raises(UserError, match="has no version yet"):
            start_weights.pinned("models:/digits@champion")
        client = tracking_server.connect()
        promote(client, params)
        name = client.search_registered_models()[0].name
        address, digest = start_weights.pinned(f"models:/{name}@champion")
        assert address == f"models:/{name}/1"
        assert digest == hashlib.sha256(paths.MODEL.read_bytes()).hexdigest()
