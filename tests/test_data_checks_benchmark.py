"""The benchmark of the data checks, made small: honest growth passes, and each kind of trouble is what it is called."""

import numpy as np
import pytest

from benchmarks import data_checks
from benchmarks.data_checks import CHANGES, Images, summary
from tests.test_data_checks import RETRAIN


@pytest.fixture(scope="module")
def digits() -> Images:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return Images((pixels.reshape(-1, 8, 8, 1) * 15).astype(np.uint8), labels.astype(np.int32))


def changed(digits: Images, kind: str) -> Images:
    return CHANGES[kind](digits, np.random.default_rng(0))


def test_a_share_of_the_labels_is_wrong_and_no_more(digits: Images) -> None:
    for share in (5, 30):
        wrong = changed(digits, f"{share}% of the labels").labels != digits.labels
        assert wrong.mean() == pytest.approx(share / 100, abs=0.001)


def test_repainted_pictures_keep_size_and_labels(digits: Images) -> None:
    for kind in ("inverted", "noise, sd 20", "blurred 3x3", "turned by 90"):
        found = changed(digits, kind)
        assert found.pixels.shape == digits.pixels.shape and found.pixels.dtype == np.uint8
        assert not np.array_equal(found.pixels, digits.pixels) and found.labels is digits.labels


def test_one_class_comes_first(digits: Images) -> None:
    found = changed(digits, "one class much")
    assert len(set(found.labels[:150])) == 1 and len(found.labels) == len(digits.labels)


def test_a_round_of_each(digits: Images) -> None:
    sizes = data_checks.Sizes(known=700, val=200, new=200)
    found = {
        kind: summary([data_checks.one(digits, CHANGES[kind], RETRAIN, 0, sizes)])
        for kind in ("honest", "30% of the labels", "inverted")
    }
    assert found["honest"]["by"] == {} and found["honest"]["alarms"] == 0
    assert found["30% of the labels"]["by"] == {"labels": 1}
    assert {"statistics", "features"} <= set(found["inverted"]["by"])
