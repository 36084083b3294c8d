"""The data before training, as words and pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.errors import UserError
from pipeline.lifecycle import preview
from pipeline.stages import download, split
from tests.checkout import make_checkout
from tests.conftest import edit_yaml, write_pictures


@pytest.fixture
def divided(workspace: Path) -> Path:
    """A workspace whose pictures are downloaded and split."""
    write_pictures(workspace / "pictures", ("cats", "dogs", "o'wls $x$"), count=30)
    given = {"dataset__name": "folder", "dataset__path": "pictures", "dataset__watch": "pictures"}
    edit_yaml(workspace / "params.yaml", **given, image__size=[10, 12], image__channels=3)
    (workspace / "pictures" / "cats" / "0.png").write_bytes(b"words")
    download.main()
    split.main()
    return workspace


def test_shapes_classes_and_counts_are_told(divided: Path) -> None:
    lines = preview.overview().splitlines()
    assert lines[0] == "pictures: 89 images, 3 classes"
    assert lines[1].startswith("images   10 x 12 pixels, colour, uint8 ")
    assert lines[3] == "besides  1 unreadable: see reports/split/quarantine.csv"
    head = next(number for number, line in enumerate(lines) if line.startswith("class"))
    rows = [line.split() for line in lines[head + 1 : head + 4]]
    assert [sum(map(int, row[-3:])) for row in rows] == [29, 30, 30]
    assert lines[-1] == "pictures reports/split/samples.png"


def test_one_image_is_drawn_with_its_label(divided: Path) -> None:
    drawn = preview.image(3)
    assert drawn == paths.PREVIEW / "image_3.png"
    assert np.asarray(Image.open(drawn).convert("L")).std() > 20


def test_one_image_is_drawn_under_many_augmentations(divided: Path) -> None:
    edit_yaml(Path("params.yaml"), augment__rotation=90.0)
    drawn = preview.augmented(3)
    assert np.asarray(Image.open(drawn).convert("L")).std() > 20


def test_without_augmentation_there_is_one_line(divided: Path) -> None:
    off = {f"augment__{name}": 0.0 for name in ("rotation", "shift_height", "shift_width", "zoom")}
    edit_yaml(Path("params.yaml"), **off)
    with pytest.raises(UserError, match="every key of `augment` is off"):
        preview.augmented(0)


@pytest.mark.parametrize("number", [-1, 10_000])
def test_an_image_that_is_not_there_gives_one_line(divided: Path, number: int) -> None:
    with pytest.raises(UserError, match=f"there is no training image {number}: give a number from 0 to "):
        preview.image(number)


def test_the_command_makes_the_splits_first(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    done = checkout.run("reprolens", "preview", "--image", "5")
    assert done.returncode == 0, done.stdout
    assert "digits: 1,797 images, 10 classes" in done.stdout
    assert "pictures reports/preview/image_5.png" in done.stdout
    assert (checkout.folder / "reports/preview/image_5.png").exists()


def test_the_command_stops_with_one_line_where_the_data_is_wrong(tmp_path: Path) -> None:
    write_pictures(tmp_path / "one", ("cats",))
    checkout = make_checkout(tmp_path, "folder", f"dataset.path={tmp_path / 'one'}")
    done = checkout.run("reprolens", "preview")
    assert done.returncode == 1
    assert done.stdout.strip().endswith("the splits could not be made: mend what is said above, then run this again")
    assert "has only one class, 'cats'" in done.stdout and "Traceback" not in done.stdout
