"""Equal models are equal bytes, and any Keras opens them."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import canonical, keras_setup
from pipeline.errors import UserError
from pipeline.model import build_model
from pipeline.params import Params

Make = Callable[..., Params]
NOTE: dict[str, Any] = {"labels": ["bücher", "b$"], "params": {"model": {"dropout": 0.2}}}
RICH = (
    "model.filters=[4]",
    "model.kernel=3",
    "model.padding=same",
    "model.pool=2",
    "model.dense=[8]",
    "model.dropout=0.2",
    "model.dense_dropout=0.2",
    "model.batch_norm=true",
)


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def build(make: Make, *overrides: str, seed: int = 0) -> Any:
    return build_model(make(*RICH, *overrides).model, (8, 8, 1), 2, seed)


def saved(folder: Path, name: str, model: Any, note: dict[str, Any] = NOTE) -> bytes:
    canonical.save(model, folder / name, note)
    return (folder / name).read_bytes()


def test_equal_models_are_equal_bytes_whatever_was_built_between(tmp_path: Path, make_params: Make) -> None:
    first = saved(tmp_path, "first.keras", build(make_params))
    build(make_params, "model.dense=[16,4]")
    build_model(make_params(*RICH).model, (12, 12, 3), 5, seed=9)
    assert saved(tmp_path, "second.keras", build(make_params)) == first


def test_one_model_saved_twice_is_equal_bytes(tmp_path: Path, make_params: Make) -> None:
    model = build(make_params)
    assert saved(tmp_path, "first.keras", model) == saved(tmp_path, "second.keras", model)


def test_other_weights_layers_or_notes_are_other_bytes(tmp_path: Path, make_params: Make) -> None:
    models = [build(make_params), build(make_params, seed=1), build(make_params, "model.dropout=0.3")]
    contents = {saved(tmp_path, f"{number}.keras", model) for number, model in enumerate(models)}
    contents.add(saved(tmp_path, "note.keras", build(make_params), NOTE | {"labels": ["a", "b"]}))
    assert len(contents) == 4


def test_no_time_and_no_address_is_inside(tmp_path: Path, make_params: Make) -> None:
    saved(tmp_path, "model.keras", build(make_params))
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert json.loads(archive.read("metadata.json"))["date_saved"] == canonical.SAVED_DATE
        config = archive.read("config.json").decode()
    numbers = [int(text.split(",")[0].split("}")[0]) for text in config.split('"shared_object_id": ')[1:]]
    assert all(number < 100 for number in numbers)


def test_labels_and_params_come_back(tmp_path: Path, make_params: Make) -> None:
    saved(tmp_path, "model.keras", build(make_params))
    assert canonical.load(tmp_path / "model.keras")[1] == NOTE


def test_plain_keras_opens_it_and_predicts_the_same(tmp_path: Path, make_params: Make) -> None:
    import keras

    model = build(make_params)
    saved(tmp_path, "model.keras", model)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    for opened in (keras.saving.load_model(tmp_path / "model.keras"), canonical.load(tmp_path / "model.keras")[0]):
        assert np.array_equal(opened.predict(images, verbose=0), model.predict(images, verbose=0))


@pytest.mark.parametrize("content", [None, b"", b"not a zip"])
def test_what_is_no_model_is_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(UserError, match="is missing or was not made by this pipeline: run `dvc repro`"):
        canonical.load(tmp_path / "model.keras")


def test_a_foreign_keras_model_is_refused(tmp_path: Path, make_params: Make) -> None:
    build(make_params).save(tmp_path / "model.keras")
    with pytest.raises(UserError, match="was not made by this pipeline"):
        canonical.load(tmp_path / "model.keras")


def test_a_failed_save_leaves_the_last_model(tmp_path: Path, make_params: Make) -> None:
    first = saved(tmp_path, "model.keras", build(make_params))
    with pytest.raises(TypeError):
        saved(tmp_path, "model.keras", build(make_params), {"labels": object()})
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [first]
