"""Every format holds every kind of layer, and is read from the disk alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.export import Exported, compare, export
from pipeline.export_formats import FORMATS, PLAIN, QUANTISED, SMALLEST_FIRST, Source
from tests.exporting import IMAGES, fast, of_all_layers, place_of
from tests.small_model import LABELS


@pytest.fixture(scope="module")
def source() -> Source:
    return of_all_layers()


@pytest.fixture(scope="module")
def exports(source: Source, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    folder = tmp_path_factory.mktemp("exports")
    return {name: export(source, name, place_of(folder, name), IMAGES, within=1) for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_answers_as_its_source(exports: dict[str, Exported], name: str) -> None:
    compared = exports[name].compared
    assert compared.difference <= (QUANTISED if name in SMALLEST_FIRST else PLAIN) or name == "tflite_int8"
    assert (compared.num_images, compared.num_same) == (len(IMAGES), len(IMAGES))


def test_the_pictures_are_told_apart(source: Source) -> None:
    assert np.ptp(source.asked.likelihoods(IMAGES[:32]), axis=0).min() > 0.01


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in SMALLEST_FIRST])
def test_what_is_compared_comes_from_the_disk(source: Source, tmp_path: Path, name: str) -> None:
    """The file of another network, of equal weights but for one layer's, is found out."""
    other, place = of_all_layers(scale=0.02), place_of(tmp_path, name)
    if name == "weights":
        other.asked.model.layers[-1].kernel.assign(-other.asked.model.layers[-1].kernel)
    FORMATS[name].write(other, place)
    assert compare(source.asked, FORMATS[name].read(place, source.asked.model), IMAGES).difference > 0.01


def test_labels_come_along(exports: dict[str, Exported]) -> None:
    for name, done in exports.items():
        beside = name not in ("keras", "savedmodel")
        assert done.labels == (done.place.with_name(f"{name}.labels.json") if beside else None)
        if name != "keras":
            assert json.loads((done.labels or done.place / "labels.json").read_text()) == LABELS


def test_fewer_bits_are_fewer_bytes_and_no_longer_equal(exports: dict[str, Exported]) -> None:
    by_difference = [exports[name] for name in ("tflite", "tflite_int16", "tflite_float16", "tflite_int8")]
    differences = [done.compared.difference for done in by_difference]
    assert differences == sorted(differences) and len(set(differences)) == 4
    plain, int16, float16, int8 = (done.num_bytes for done in by_difference)
    assert int8 < float16 < plain - 5_000 and int8 < int16 < plain - 5_000


@pytest.mark.parametrize("name", FORMATS)
def test_a_network_that_answers_both_ways_keeps_its_answers(tmp_path: Path, name: str) -> None:
    found = export(fast(), name, place_of(tmp_path, name), IMAGES, within=1).compared
    assert found.difference <= (QUANTISED if name in SMALLEST_FIRST else PLAIN) or name == "tflite_int8"
    assert found.num_same == len(IMAGES) or name in SMALLEST_FIRST
