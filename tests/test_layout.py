"""Which label and split the place of a file gives it."""

import pytest

from pipeline.errors import UserError
from pipeline.layout import place, wanted, without_wrapper


def placed(*names: str) -> dict[str, tuple[str, str | None]]:
    return {item.file: (item.label, item.split) for item in place(names, "here")}


def test_the_folder_is_the_label() -> None:
    assert placed("dogs/2.jpg", "cats/1.jpg") == {"cats/1.jpg": ("cats", None), "dogs/2.jpg": ("dogs", None)}


def test_folders_inside_a_class_belong_to_it() -> None:
    assert placed("cats/black/old/1.jpg", "dogs/2.jpg")["cats/black/old/1.jpg"] == ("cats", None)


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_given_splits_are_kept(val: str) -> None:
    found = placed("train/a/1", "train/b/2", f"{val}/a/3", "test/b/4")
    assert list(found.values()) == [("b", "test"), ("a", "train"), ("b", "train"), ("a", "val")]


def test_classes_may_have_the_names_of_splits_beside_others() -> None:
    assert placed("test/1", "exam/2") == {"exam/2": ("exam", None), "test/1": ("test", None)}


def test_records_come_sorted_whatever_the_order() -> None:
    names = ["b/1", "a/2", "a/10"]
    assert place(names, "here") == place(reversed(names), "here")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "here holds no files: expected class folders"),
        (["1.jpg", "2.jpg"], "'1.jpg' is in no class folder"),
        (["train/1.jpg", "test/2.jpg"], "'test/2.jpg' is in no class folder"),
        (["cats/1.jpg", "cats/2.jpg"], "only one class, 'cats'"),
        (["train/cats/1.jpg", "test/dogs/2.jpg"], "only one class, 'cats'"),
        (["test/cats/1.jpg", "val/dogs/2.jpg"], "no train/ folder"),
        (["train/a/1", "train/b/2", "test/c/3"], "class 'c' is in val/ or test/ but not in train/"),
        (["train/a/1", "train/b/2", "test/A/3"], "the classes 'A' and 'a', which differ only in upper and lower case"),
        (["stra\u00dfe/1", "STRASSE/2"], "which differ only in upper and lower case"),
        (["a /1", "A/2"], "which differ only in case, spaces or Unicode spelling"),
    ],
)
def test_what_is_no_data_set_is_refused_by_name(names: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        place(names, "here")
    assert str(caught.value).startswith("here")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("names", "shorter"),
    [
        (["flowers/rose/1", "flowers/tulip/2"], ["rose/1", "tulip/2"]),
        (["a/b/c/rose/1", "a/b/c/tulip/2"], ["rose/1", "tulip/2"]),
        (["data/train/a/1", "data/test/b/2"], ["train/a/1", "test/b/2"]),
        (["train/a/1", "train/b/2"], ["train/a/1", "train/b/2"]),
        (["rose/1", "rose/2"], ["rose/1", "rose/2"]),
        (["./rose/1", "./tulip/2"], ["rose/1", "tulip/2"]),
        (["x/rose/1", "y/tulip/2"], ["x/rose/1", "y/tulip/2"]),
    ],
)
def test_folders_that_wrap_everything_are_cut_off(names: list[str], shorter: list[str]) -> None:
    assert list(without_wrapper(names).values()) == shorter


@pytest.mark.parametrize(
    "names",
    [
        ["rose/1", "tulip/2", "LICENSE.txt"],
        ["photos/rose/1", "photos/tulip/2", "photos/LICENSE.txt", "README"],
        ["photos/rose/1", "photos/tulip/2", "docs/about.pdf", "docs/deep/down/about.html"],
        ["all/train/rose/1", "all/train/tulip/2", "all/train/labels.csv", "all/README.md"],
    ],
)
def test_documents_outside_of_class_folders_are_passed_over(names: list[str]) -> None:
    assert [name[-6:] for name in without_wrapper(names).values()] == ["rose/1", "ulip/2"]


def test_documents_in_class_folders_count_as_files() -> None:
    assert "rose/notes.txt" in without_wrapper(["x/rose/1", "x/rose/notes.txt", "x/tulip/2"]).values()


@pytest.mark.parametrize("name", ["1.jpg", "photo.png", "readme_photo"])
def test_loose_files_that_are_no_documents_are_kept_to_be_refused(name: str) -> None:
    assert name in without_wrapper(["rose/1", "tulip/2", name]).values()


@pytest.mark.parametrize(
    "name", [".git/config", "a/.DS_Store", "a/._1.jpg", "__MACOSX/a/1.jpg", "a/Thumbs.db", "a/desktop.ini"]
)
def test_what_systems_leave_behind_is_left_out(name: str) -> None:
    assert not wanted(name)
    assert wanted(name.replace(".", "_").replace("__MACOSX", "mac"))
