"""New data in a workspace, a champion in a real MLflow store, and its model asked about labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import classifier, params_file
from pipeline.lifecycle.data_guard import Guarded, asked_rows, guard, label_evidence, profile_of
from pipeline.picture_statistics import Pixels
from pipeline.profile import NAME, TEST, VAL, Profile
from pipeline.registry import Version
from tests.conftest import REPOSITORY
from tests.small_model import LABELS, save_model
from tests.splits import random_pictures, write_splits

RETRAIN = params_file.load(REPOSITORY / "params.yaml").retrain
BEFORE = {"train": random_pictures(120, 1), "val": random_pictures(40, 2), "test": random_pictures(40, 3)}
NEW = {"train": random_pictures(60, 4), "val": random_pictures(20, 5), "test": random_pictures(20, 6)}
AFTER = {name: np.concatenate([BEFORE[name], NEW[name]]) for name in BEFORE}


class Model:
    """An untrained network, and labels that are its own guesses."""

    def __init__(self, folder: Path) -> None:
        self.file = save_model(folder / "model.keras")
        self.asked = classifier.load(self.file, "model")

    def labels(self, pixels: Pixels) -> list[int]:
        size = self.asked.batch
        chunks = [self.asked.likelihoods(pixels[i : i + size]) for i in range(0, len(pixels), size)]
        found: list[int] = np.concatenate(chunks).argmax(axis=1).tolist()
        return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def split(model: Model, pixels: dict[str, Pixels], poison: float = 0.0, **counts: int) -> Profile:
    """Writes the splits; a share of the labels of new train and val images is wrong."""
    labels = {name: np.array(model.labels(pixels[name])) for name in pixels}
    for name in ("train", "val"):
        new = np.arange(len(BEFORE[name]), len(pixels[name]))
        wrong = new[: round(poison * len(new))]
        labels[name][wrong] = (labels[name][wrong] + 1) % len(LABELS)
    write_splits(pixels, {name: found.tolist() for name, found in labels.items()}, LABELS, **counts)
    return Profile.of_workspace()


def champion(client: Any, model: Model, folder: Path, before: Profile | None) -> Version:
    """A version whose run keeps a profile."""
    experiment = client.get_experiment_by_name("guard")
    number = experiment.experiment_id if experiment else client.create_experiment("guard")
    run_id = client.create_run(number).info.run_id
    if before is not None:
        before.save(folder / "profile.npz")
        client.log_artifact(run_id, str(folder / "profile.npz"), NAME.rpartition("/")[0])
    return Version("guard", 1, run_id, str(model.file), {}, ("champion",), 0)


def answers(found: Guarded) -> dict[str, str]:
    return {item.name: item.answer for item in found.results}


def test_honest_new_data_pass(client: Any, model: Model, folder: Path) -> None:
    version = champion(client, model, folder, split(model, BEFORE))
    split(model, AFTER)
    found = guard(client, RETRAIN, version)
    assert (found.verdict, found.new_images) == ("ok", 100)
    assert set(answers(found).values()) == {"ok"}
    assert found.text.startswith("data: ok, 100 new images\n") and len(found.text.splitlines()) == 10


def test_poisoned_labels_stop(client: Any, model: Model, folder: Path) -> None:
    version = champion(client, model, folder, split(model, BEFORE))
    split(model, AFTER, poison=0.3)
    found = guard(client, RETRAIN, version)
    assert found.verdict == "stop" and answers(found)["labels"] == "stop"
    assert "disagrees with 30.0% of 80 new labels, and with 0.0% of 40 in validation" in found.text
    assert found.as_dict()["results"][5]["name"] == "labels"


def test_without_a_champion_files_are_checked(client: Any, model: Model, folder: Path) -> None:
    split(model, BEFORE, unreadable=50)
    found = guard(client, RETRAIN, None)
    assert (found.verdict, found.new_images) == ("warn", 200)
    assert answers(found)["labels"] == "not possible"


def test_a_champion_that_keeps_nothing_is_as_none(client: Any, model: Model, folder: Path) -> None:
    version = champion(client, model, folder, None)
    split(model, BEFORE)
    assert profile_of(client, version.run_id) is None
    assert answers(guard(client, RETRAIN, version))["features"] == "not possible"


def test_the_test_split_is_never_asked_about(model: Model, folder: Path) -> None:
    before, after = split(model, BEFORE), split(model, AFTER)
    new, known = asked_rows(before, after)
    assert (len(new), len(known)) == (80, 40)
    assert not (after.splits[new] == TEST).any()
    assert set(after.splits[known]) == {VAL}


def test_images_whose_label_changed_are_no_standard_to_compare_with(model: Model, folder: Path) -> None:
    before, after = split(model, BEFORE), split(model, AFTER)
    rows = np.flatnonzero(after.splits == VAL)[:30]
    after.labels[rows] = (after.labels[rows] + 1) % 4
    changed = np.isin(before.hashes[before.splits == VAL], after.hashes[rows]).sum()
    assert len(asked_rows(before, after)[1]) == 40 - changed


def test_images_of_a_class_the_champion_has_not_are_not_asked_about(model: Model, folder: Path) -> None:
    before, after = split(model, BEFORE), split(model, AFTER)
    fresh = np.flatnonzero(~before.knows(after.hashes) & (after.splits != TEST))
    grown = Profile(**{**vars(after), "classes": (*after.classes, "elk")})
    grown.labels[fresh[:25]] = 4
    assert len(asked_rows(before, grown)[0]) == 55


def test_no_more_are_asked_than_agreed(model: Model, folder: Path) -> None:
    before, after = split(model, BEFORE), split(model, AFTER)
    assert [len(rows) for rows in asked_rows(before, after, most=15)] == [15, 15]


@pytest.mark.parametrize("shape", [(16, 16, 3), (12, 9, 1)])
def test_pictures_of_another_size_are_fitted_to_the_champion(
    model: Model, folder: Path, shape: tuple[int, int, int]
) -> None:
    before = {name: random_pictures(len(BEFORE[name]), 9 + i, shape) for i, name in enumerate(BEFORE)}
    after = {name: np.concatenate([before[name], random_pictures(10, 20 + i, shape)]) for i, name in enumerate(BEFORE)}
    labels = {name: [0] * len(pixels) for name, pixels in before.items()}
    write_splits(before, labels, LABELS)
    known = Profile.of_workspace()
    write_splits(after, {name: [0] * len(pixels) for name, pixels in after.items()}, LABELS)
    found = label_evidence(known, Profile.of_workspace(beyond=known), str(model.file))
    assert found is not None and found.resized
    assert (found.count, found.count_before) == (20, 40)


def test_nothing_new_asks_nobody(model: Model, folder: Path) -> None:
    before = split(model, BEFORE)
    assert label_evidence(before, before, "no such model") is None
