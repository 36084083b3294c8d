"""The split stage: what stands on disk afterwards, and what stops it."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import cifar, packed, paths, sources
from pipeline.decode import decode, fit, pixel_hash
from pipeline.errors import run_main
from pipeline.params import Dataset
from pipeline.stages import download, split
from tests import official
from tests.conftest import Program, edit_yaml, snapshot, write_pictures
from tests.test_archives import ODD, archived
from tests.test_download import without_rights

PARTS = {"train": paths.TRAIN, "val": paths.VAL, "test": paths.TEST}
Prepare = Callable[..., Path]


@pytest.fixture
def prepare(workspace: Path) -> Prepare:
    """Sets params, as in `image__size=[6, 5]`, and downloads `pictures`."""

    def run(**changes: object) -> Path:
        given = {"dataset__name": "folder", "dataset__path": "pictures", "dataset__watch": "pictures"}
        shares = {"image__channels": 3, "split__train": 0.5, "split__val": 0.25, "split__test": 0.25}
        edit_yaml(workspace / "params.yaml", **(given | shares | changes))
        download.main()
        return workspace

    return run


def stopped() -> str:
    with pytest.raises(SystemExit) as caught:
        run_main("split", split.main)
    line = caught.value.code  # text: Python prints it and exits with 1
    assert isinstance(line, str) and "\n" not in line
    return line.removeprefix("split: error: ")


def manifest() -> pd.DataFrame:
    return pd.concat([packed.load_manifest(folder) for folder in PARTS.values()], ignore_index=True)


def sides() -> dict[str, str]:
    found = manifest()
    return dict(zip(found["pixel_hash"], found["split"], strict=True))


def quarantine() -> dict[str, str]:
    with (paths.SPLIT_REPORT / "quarantine.csv").open(newline="") as stream:
        return {row["file"]: row["reason"] for row in csv.DictReader(stream)}


def counts() -> dict[str, int]:
    found: dict[str, int] = json.loads((paths.SPLIT_REPORT / "counts.json").read_text())
    return {name: found[name] for name in ("unreadable", "conflicting_labels", "copies_kept")}


def test_arrays_and_manifest_belong_together(workspace: Path, prepare: Prepare) -> None:
    write_pictures(workspace / "pictures", count=20)
    prepare()
    split.main()
    assert packed.load_classes(paths.CLASSES) == ["cats", "dogs"]
    for name, folder in PARTS.items():
        part, table = packed.load(folder), packed.load_manifest(folder)
        assert table.columns.tolist() == ["file", "label", "split", "pixel_hash"]
        assert len(part) == len(table) > 0 and set(table["split"]) == {name}
        assert [("cats", "dogs")[number] for number in part.labels] == table["label"].tolist()
        for image, file, digest in zip(part.images, table["file"], table["pixel_hash"], strict=True):
            pixels = decode((workspace / "pictures" / file).read_bytes())
            np.testing.assert_array_equal(image, fit(pixels, (8, 8), 3))
            assert digest == pixel_hash(pixels)


def test_two_runs_give_the_same_bytes(workspace: Path, prepare: Prepare) -> None:
    write_pictures(workspace / "pictures", count=12)
    prepare()
    split.main()
    before = snapshot(workspace)
    shutil.rmtree(workspace / "data" / "split")
    split.main()
    assert snapshot(workspace) == before
    made = {name for name in before if name.startswith(("data/split/", "reports/"))}
    parts = {f"data/split/{part}/{name}" for part in PARTS for name in ("images.npy", "labels.npy", "manifest.csv")}
    pictures = {f"reports/split/{name}" for name in ("samples.png", "class_counts.png", "counts.json")}
    assert made == parts | pictures | {"data/split/classes.json", "reports/split/quarantine.csv"}


def test_neither_growth_nor_names_nor_size_move_an_image(workspace: Path, prepare: Prepare) -> None:
    folder = write_pictures(workspace / "pictures", count=20)
    prepare()
    split.main()
    before = sides()
    for number, file in enumerate(sorted((folder / "cats").iterdir(), reverse=True)):
        file.rename(file.with_name(f"renamed {number}.png"))
    write_pictures(folder, count=4)  # names 0 to 3 in cats are free again, those in dogs are overwritten
    prepare(image__size=[6, 5], image__channels=1)
    split.main()
    after = sides()
    assert len(before.keys() & after.keys()) == 36
    assert {item: after[item] for item in before.keys() & after.keys()}.items() <= before.items()


def test_what_is_left_out_is_listed_with_reasons_and_counted(
    workspace: Path, prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pictures(workspace / "pictures", count=25)
    (folder / "cats" / "empty.png").write_bytes(b"")
    (folder / "dogs" / "words.png").write_bytes(b"words")
    shutil.copy(folder / "cats" / "0.png", folder / "dogs" / "cat.png")
    Image.open(folder / "dogs" / "1.png").save(folder / "dogs" / "again.bmp")
    prepare()
    split.main()
    conflict = {"cats/0.png": "equal pixels as dogs", "dogs/cat.png": "equal pixels as cats"}
    assert quarantine() == {"cats/empty.png": "empty file", "dogs/words.png": "not a picture"} | conflict
    assert counts() == {"unreadable": 2, "conflicting_labels": 2, "copies_kept": 1}
    assert "split: 2 unreadable, 2 conflicting labels, 1 copies kept; see reports/split/q" in capsys.readouterr().out
    assert len(manifest()) == 50
    sides_of_copies = manifest().groupby("pixel_hash")["split"].nunique()
    assert sides_of_copies.max() == 1


def test_given_splits_stay_and_their_copies_leave_training(workspace: Path, prepare: Prepare) -> None:
    for count, part in enumerate(("train", "valid", "test"), start=5):
        write_pictures(workspace / "pictures" / part, count=count)
    shutil.copy(workspace / "pictures/test/cats/3.png", workspace / "pictures/train/cats/copy.png")
    prepare()
    split.main()
    assert quarantine() == {"train/cats/copy.png": "also in test"}
    found = manifest()
    assert found["file"].str.split("/").str[0].replace("valid", "val").tolist() == found["split"].tolist()
    assert found["split"].value_counts().to_dict() == {"train": 10, "val": 12, "test": 14}


@pytest.mark.parametrize("kind", ["", "zip", "tar"])
def test_odd_names_of_files_and_classes_work_to_the_end(workspace: Path, prepare: Prepare, kind: str) -> None:
    labels = ["a 'cat'", 'q"uo$te_^', "hünd\n", "猫"]
    folder = write_pictures(workspace / "pictures", labels, count=15)
    latin = [] if kind == "zip" or os.name != "posix" else [os.fsdecode(b"t\xfcr.png")]  # a zip holds text only
    for number, name in enumerate([*ODD, *latin]):
        (folder / "猫" / f"{number}.png").rename(folder / "猫" / name)
    source = str(archived(folder, kind) if kind else folder)
    prepare(dataset__path=source, dataset__watch=source)
    split.main()
    assert packed.load_classes(paths.CLASSES) == sorted(labels)
    assert {f"猫/{name}" for name in ODD} | {r"猫/t\xfcr.png" for _ in latin} <= set(manifest()["file"])
    assert set(manifest()["label"]) == set(labels)


def test_too_many_unreadable_files_stop_it(workspace: Path, prepare: Prepare) -> None:
    folder = write_pictures(workspace / "pictures", count=10)
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (folder / "cats" / name).write_bytes(b"")
    before = snapshot(prepare(split__max_unreadable=0.1))
    line = stopped()
    assert line.startswith("4 of 24 files are unreadable, more than split.max_unreadable 0.1 allows ('cats/a.png': ")
    assert "'cats/c.png': empty file; ...). Mend or remove them, or raise split.max_unreadable" in line
    assert snapshot(workspace) == before


def test_a_tiny_class_stops_it_and_the_seed_that_is_named_works(workspace: Path, prepare: Prepare) -> None:
    write_pictures(workspace / "pictures", ("cats", "dogs"), count=15)
    write_pictures(workspace / "pictures", ("rare",), count=3)
    before = snapshot(prepare())
    line = stopped()
    assert line.startswith("class 'rare' has no image in ") and snapshot(workspace) == before
    edit_yaml(workspace / "params.yaml", split__seed=int(line.split("set split.seed to ")[1].split(",")[0]))
    split.main()
    assert set(manifest().query("label == 'rare'")["split"]) == set(PARTS)


def test_without_the_right_to_write_there_is_one_line(workspace: Path, prepare: Prepare) -> None:
    write_pictures(workspace / "pictures", count=12)
    before = snapshot(prepare())
    with without_rights(workspace / "data"):
        line = stopped()
    assert line == "cannot write the splits: Permission denied (data/split). Check permissions and free space there"
    assert snapshot(workspace) == before


def test_the_program_ends_with_one_line_and_exit_code_1(program: Program, workspace: Path) -> None:
    before = snapshot(workspace)
    done = program("pipeline.stages.split")
    assert (done.returncode, done.stdout) == (1, "")
    missing = "data/download/images.tar is missing or broken: run `dvc repro --force download`"
    assert done.stderr == f"split: error: {missing}\n"
    assert snapshot(workspace) == before


def lookalikes(workspace: Path) -> None:
    """Smooth pictures, each with a smaller copy, so that a pair looks alike but has other pixels."""
    random = np.random.default_rng(5)
    for label in ("cats", "dogs"):
        (workspace / "pictures" / label).mkdir(parents=True)
        for number in range(30):
            coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
            scene = coarse.resize((60, 60), Image.Resampling.BICUBIC)
            scene.save(workspace / "pictures" / label / f"{number}.png")
            scene.resize((40, 40)).save(workspace / "pictures" / label / f"{number}_small.png")


@pytest.mark.parametrize("distance", [0, 6])
def test_near_duplicates_stay_on_one_side_where_that_is_wanted(
    workspace: Path, prepare: Prepare, distance: int
) -> None:
    lookalikes(workspace)
    prepare(split__near_duplicates=distance)
    split.main()
    table = manifest()
    pairs = table.groupby(table["file"].str.replace("_small", ""))["split"].nunique()
    assert (pairs.max() == 1) == (distance == 6)
    assert ("near_duplicates" in table) == (distance == 6)
    assert (paths.SPLIT_REPORT / "near_duplicates.png").exists() == (distance == 6)
    if distance:
        said = json.loads((paths.SPLIT_REPORT / "counts.json").read_text())["groups_of_near_duplicates"]
        assert said == table["near_duplicates"].nunique() == 60


def test_colour_arrays_keep_their_names_and_superclasses(workspace: Path) -> None:
    archive = workspace / "cifar-100-binary.tar.gz"
    archive.write_bytes(official.cifar100(per_class=12))
    params = Dataset(name="cifar100", path="", sha256="", mirror=str(workspace), watch="")
    row = official.archive_of(archive.read_bytes(), sources.CIFAR100, "unused")
    paths.RAW.parent.mkdir(parents=True)
    sources.cifar_records(row, cifar.CIFAR100, params, paths.RAW, workspace / "kept")
    edit_yaml(workspace / "params.yaml", image__size=[32, 32], image__channels=3, split__val=0.3, split__train=0.55)
    split.main()
    table = packed.load_manifest(paths.TEST)
    assert len(table) == 1200 and table["superclass"].nunique() == 20
    number = {name: position for position, name in enumerate(packed.load_classes(paths.CLASSES))}
    coarse = table["label"].map(lambda label: f"coarse_{int(label[-2:]) // 5:02d}")
    assert (table["superclass"] == coarse).all()
    held = packed.load(paths.TEST)
    assert [number[label] for label in table["label"]] == held.labels.tolist()
    assert held.images.shape[1:] == (32, 32, 3)
