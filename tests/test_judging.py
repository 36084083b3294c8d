"""Two models on the same test images, from a real registry and real splits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import packed, params_file, paths, registry, tracked_model, tracking_server
from pipeline.errors import UserError
from pipeline.files import scratch_folder
from pipeline.gate import Evidence
from pipeline.lifecycle import judging
from pipeline.lifecycle.judging import open_model
from pipeline.params import Params
from pipeline.registry import Version
from tests.conftest import edit_yaml
from tests.promoting import FAIR, MODEL, PERFECT, add_run, open_checkout, save_model, split_again
from tests.tracked_runs import make_run


@dataclass(frozen=True)
class Here:
    """A checkout that is the current folder, and versions by what their models are.

    `seen` are the pixel hashes that `reseeded` was trained and validated on.
    """

    folder: Path
    params: Params
    client: Any
    versions: dict[str, Version]
    seen: set[str]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("checkout")
    with open_checkout(folder) as params:
        client, versions = tracking_server.connect(), {}
        models = {
            "fair": save_model(folder / "fair.keras", FAIR),
            "large": save_model(folder / "large.keras", PERFECT, side=16),
            "other": save_model(folder / "other.keras", PERFECT, labels=["dark", "grey"]),
        }
        for number, (name, file) in enumerate(models.items()):
            run = client.get_run(add_run(params, f"{number}" * 20, file))
            versions[name] = registry.add(client, MODEL, run)
        edit_yaml(paths.PARAMS, split__seed=5)
        split_again("b")
        run = client.get_run(add_run(params_file.load(paths.PARAMS), "e" * 20, models["fair"]))
        versions["reseeded"] = registry.add(client, MODEL, run)
        seen = {digest for place in (paths.TRAIN, paths.VAL) for digest in packed.load_manifest(place)["pixel_hash"]}
        edit_yaml(paths.PARAMS, split__seed=0)
        split_again("a")
        yield Here(folder, params, client, versions, seen)


def judge(here: Here, candidate: str, champion: str | None) -> Evidence:
    with scratch_folder(here.folder / "judging") as folder:
        first = open_model(here.client, here.params, here.versions[candidate], folder)
        second = open_model(here.client, here.params, here.versions[champion], folder) if champion else None
        return judging.evidence(here.client, here.params, first, second, folder)


def test_a_champion_of_another_size_answers_the_same_images(here: Here) -> None:
    evidence = judge(here, "fair", "large")
    manifest = packed.load_manifest(paths.TEST)
    assert evidence.champion is not None and evidence.candidate.called.startswith("version 1 (")
    assert list(evidence.hashes) == list(manifest["pixel_hash"])
    assert [evidence.classes[label] for label in evidence.candidate.labels] == list(manifest["label"])
    assert (evidence.champion.probabilities.argmax(axis=1) == evidence.champion.labels).all()
    assert 0.6 < (evidence.candidate.probabilities.argmax(axis=1) == evidence.candidate.labels).mean() < 0.95
    assert evidence.candidate.megabytes == (here.folder / "fair.keras").stat().st_size / 1e6
    assert not [file for file in here.folder.rglob("judging*") if file.is_dir()]


@pytest.mark.parametrize(("candidate", "champion"), [("reseeded", "fair"), ("fair", "reseeded")])
def test_images_that_a_model_was_trained_on_are_left_out_and_counted(here: Here, candidate: str, champion: str) -> None:
    tested = list(packed.load_manifest(paths.TEST)["pixel_hash"])
    expected = [digest for digest in tested if digest not in here.seen]
    evidence = judge(here, candidate, champion)
    assert list(evidence.hashes) == expected and len(evidence.candidate.labels) == len(expected) < len(tested)
    counted = {"champion": 0, "candidate": 0, "both": 0}
    counted["candidate" if candidate == "reseeded" else "champion"] = len(tested) - len(expected)
    assert evidence.left_out == counted


def test_without_a_champion_only_the_candidate_counts(here: Here) -> None:
    evidence = judge(here, "reseeded", None)
    assert evidence.champion is None and evidence.left_out["candidate"] > 0
    assert judge(here, "reseeded", "reseeded").left_out["both"] == evidence.left_out["candidate"]


def test_other_classes_are_one_line(here: Here) -> None:
    with pytest.raises(UserError, match=r"version 3 \(.*different classes \('light'\): nothing can be compared"):
        judge(here, "fair", "other")


def test_a_run_that_kept_no_profile_is_one_line(here: Here) -> None:
    run_id = make_run(here.params, "f" * 20, accuracy=0.9, num_epochs=1)
    tracked_model.log_model(here.client, run_id, here.folder / "fair.keras")
    here.versions["old"] = registry.add(here.client, MODEL, here.client.get_run(run_id))
    with pytest.raises(UserError, match=r"has no data/profile.npz, so nobody knows which images it was trained on"):
        judge(here, "old", None)


def test_a_version_made_by_hand_is_told_apart_by_what_it_lacks(here: Here) -> None:
    here.versions["by hand"] = replace(here.versions["fair"], run_id="", tags={})
    with pytest.raises(UserError, match=r"the run of version 1 \(of no run\) has no data/profile.npz"):
        judge(here, "large", "by hand")


def test_a_model_that_is_not_the_registered_one_is_refused(here: Here) -> None:
    changed = replace(here.versions["fair"], tags={registry.MODEL_TAG: "0" * 32})
    with (
        scratch_folder(here.folder / "judging") as folder,
        pytest.raises(UserError, match="another model than the one"),
    ):
        judging.fetch(here.client, changed, folder)


def test_splits_of_other_params_are_refused(here: Here) -> None:
    judging.require_fresh(here.params)
    lock = paths.GRAPH_LOCK.read_text()
    made = {"params.yaml": {"split": {**here.params.split.model_dump(), "seed": 7}, "image": {"channels": 1}}}
    with paths.GRAPH_LOCK.open("w") as stream:
        YAML().dump({"stages": {"split": {"params": made}}}, stream)
    with pytest.raises(UserError, match=r"data/split was made with split.seed 7, params.yaml has 0: run `dvc repro`"):
        judging.require_fresh(here.params)
    paths.GRAPH_LOCK.write_text(lock)


def test_the_digest_of_the_test_images_follows_their_labels(here: Here) -> None:
    manifest, before = paths.TEST / "manifest.csv", judging.test_digest()
    text = manifest.read_text()
    manifest.write_text(text.replace(",dark,", ",grey,", 1))
    changed = judging.test_digest()
    manifest.write_text(text)
    assert changed != before == judging.test_digest()
