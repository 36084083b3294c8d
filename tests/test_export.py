"""An export is there once it answers as its source does; otherwise nothing is, and one line says why."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.export import TooFar, check_place, compare, export
from pipeline.files import file_digest
from tests.exporting import IMAGES, own, saved, source_of


def test_the_canonical_file_keeps_its_bytes(tmp_path: Path) -> None:
    source = saved(tmp_path)
    done = export(source, "keras", tmp_path / "copy.keras", IMAGES)
    assert source.file and done.place.read_bytes() == source.file.read_bytes()
    assert (done.digest, done.num_bytes) == (file_digest(done.place), done.place.stat().st_size)
    assert done.compared.difference == 0


def test_the_largest_difference_is_told_and_equal_classes_are_counted() -> None:
    asked = own().asked

    def answer(pixels: np.ndarray) -> np.ndarray:
        likelihoods = asked.likelihoods(pixels).copy()
        likelihoods[3] = np.roll(likelihoods[3], 1) + 0.125
        return likelihoods

    found, expected = compare(asked, answer, IMAGES), asked.likelihoods(IMAGES[[3, 35]])
    assert (found.num_images, found.num_same) == (40, 38)
    assert found.difference == np.abs(np.roll(expected, 1, axis=1) + 0.125 - expected).max()


def test_an_export_that_differs_is_gone_and_said(tmp_path: Path) -> None:
    with pytest.raises(TooFar) as caught:
        export(own(), "tflite", tmp_path / "model.tflite", IMAGES, within=0)
    said, compared = str(caught.value), caught.value.compared
    assert 0 < compared.difference < 1e-5
    assert said.startswith(f"tflite differs from its source by up to {compared.difference:.1e}, more than 0, and has ")
    assert said.endswith("model.tflite was not written: give another --format, or allow more with --within")
    assert not list(tmp_path.iterdir())


def test_likelihoods_that_are_no_numbers_are_not_taken_for_equal(tmp_path: Path) -> None:
    source = own()
    source.asked.model.set_weights([np.full_like(weights, np.nan) for weights in source.asked.model.get_weights()])
    with pytest.raises(TooFar, match="keras differs from its source by up to nan, more than 1e-05"):
        export(source, "keras", tmp_path / "model.keras", IMAGES)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_export_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(steps: int) -> None:
        assert len(list(tmp_path.iterdir())) == 1  # what is written so far lies beside
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(own(), "h5", tmp_path / "model.h5", IMAGES, advance=interrupt)
    assert not list(tmp_path.iterdir())


def test_what_came_to_the_place_meanwhile_stays(tmp_path: Path) -> None:
    place = tmp_path / "model.json"

    def write_mine(steps: int) -> None:
        place.write_text("mine")

    with pytest.raises(UserError, match=r"model.json exists already"):
        export(own(), "structure", place, IMAGES, advance=write_mine)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


def test_an_empty_folder_is_filled_and_labels_are_shared(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    assert export(own(), "savedmodel", tmp_path / "served", IMAGES[:1]).num_bytes > 1000
    assert (tmp_path / "served" / "saved_model.pb").exists()
    for name, ending in (("structure", "json"), ("weights", "weights.h5")):
        assert export(own(), name, tmp_path / f"pets.{ending}", IMAGES[:1]).labels == tmp_path / "pets.labels.json"


def test_labels_of_another_network_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.labels.json").write_text('["x"]')
    with pytest.raises(
        UserError, match=r"a.labels.json holds other labels than those of a network: give another --out"
    ):
        export(own(), "structure", tmp_path / "a.json", IMAGES)
    assert [file.name for file in tmp_path.iterdir()] == ["a.labels.json"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "tflite",
            "this network cannot be written as tflite, which lacks something that it computes .*rfinv.*: give",
        ),
        (
            "h5",
            "this network cannot be written as h5, which has no layer for its operation 'erfinv.*': give another --f",
        ),
    ],
)
def test_a_network_that_a_format_cannot_hold_is_one_line(tmp_path: Path, name: str, line: str) -> None:
    import keras

    pixels = keras.Input((8, 8, 3), dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 510)(pixels))
    strange = keras.Model(pixels, keras.layers.Dense(4, activation="softmax")(keras.ops.erfinv(flat)))
    with pytest.raises(UserError, match=line) as caught:
        export(source_of(strange), name, tmp_path / f"model.{name}", IMAGES)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "place", "line"),
    [
        ("keras", "model.h5", "--out model.h5 must end in .keras"),
        ("tflite", ".tflite", "--out .tflite must end in .tflite"),
        ("weights", "model.h5", "--out model.h5 must end in .weights.h5"),
        ("h5", "a.weights.h5", "--out a.weights.h5 must end in .h5, and not in .weights.h5, by which Keras knows"),
        ("structure", "gone/model.json", "--out gone/model.json: there is no folder gone: make it first, or give"),
        ("structure", "full.json", "--out full.json is a folder: give the name of a file"),
        ("keras", "here.keras", "--out here.keras exists already: give another name"),
        ("keras", "nowhere.keras", "--out nowhere.keras exists already: give another name"),
        ("savedmodel", "here.keras", "--out here.keras exists already: give another name"),
        ("savedmodel", "full.json", "--out full.json is a folder that is not empty: give a new or an empty one"),
        ("savedmodel", ".", "--out . is a folder that is not empty: give a new or an empty one"),
    ],
)
def test_a_place_that_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full.json").mkdir()
    for file in ("here.keras", "full.json/a"):
        Path(file).touch()
    Path("nowhere.keras").symlink_to("gone")
    with pytest.raises(UserError) as caught:
        check_place(Path(place), name)
    assert str(caught.value).startswith(line)
