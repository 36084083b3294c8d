"""Which files are meant by files and folders."""

import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.picture_files import check_absent, check_labels, find, label_of


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_folders_are_searched_at_any_depth_in_the_order_of_names(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/z.jpg", "a/b/c/d", "A.gif")
    assert find([str(tmp_path)]) == [str(tmp_path / name) for name in ("A.gif", "a/b/c/d", "a/z.jpg", "b.png")]


def test_what_is_no_picture_of_a_person_is_passed_over_in_folders(tmp_path: Path) -> None:
    names = (".hidden.png", ".git/a.png", "__MACOSX/a.png", "Thumbs.db", "README", "notes.TXT", "answers.csv")
    touch(tmp_path, "a.png", *names)
    assert find([str(tmp_path)]) == [str(tmp_path / "a.png")]
    assert find([str(tmp_path / "notes.TXT")]) == [str(tmp_path / "notes.TXT")]


def test_a_file_given_twice_counts_once_where_it_came_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    assert find([str(tmp_path / "b.png"), str(tmp_path)]) == [str(tmp_path / "b.png"), str(tmp_path / "a.png")]


def test_files_here_have_no_folder_before_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path, "cats/a.png"))
    assert find(["."]) == find(["./cats"]) == ["cats/a.png"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "here/a.png", "there/b.png")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there")
    (tmp_path / "here" / "up").symlink_to(tmp_path / "here")
    assert find([str(tmp_path / "here")]) == [str(tmp_path / "here" / name) for name in ("a.png", "link/b.png")]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("missing.png", "missing.png does not exist: give pictures or folders"),
        ("empty", "empty holds no pictures: give pictures, or a folder with some"),
        ("papers", "papers holds no pictures: give pictures, or a folder with some"),
        ("pipe", "pipe is no plain file: give pictures or folders"),
    ],
)
def test_nothing_to_predict_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str) -> None:
    monkeypatch.chdir(touch(tmp_path, "a.png", "papers/notes.txt"))
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError) as caught:
        find(["a.png", name])
    assert str(caught.value) == line


@pytest.mark.parametrize("file", ["1.png", "./1.png", "../cats/1.png", "other/../1.png"])
def test_the_label_is_the_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.chdir(touch(tmp_path, "cats/1.png").joinpath("cats"))
    assert label_of(file) == "cats"


def test_folders_that_are_no_classes_are_named_with_the_classes() -> None:
    check_labels(["a/cat/1.png", "b/dog/2.png"], ["cat", "dog"], "m.keras")
    with pytest.raises(UserError) as caught:
        check_labels(["cat/1.png", "lion/2.png"], [f"class{number}" for number in range(9)] + ["cat"], "m.keras")
    assert str(caught.value) == (
        "m.keras is for other classes: it does not know the folder 'lion', but 'class0', 'class1', 'class2', 'class3', "
        "'class4' and 5 more. Give another --model, or leave out --labelled"
    )


def test_a_picture_is_never_written_over_one_that_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b/a.png")
    check_absent(tmp_path / "a.png", "--picture", [str(tmp_path / "b" / "a.png")])
    with pytest.raises(UserError, match=r"^--picture .*a.png is among the pictures to predict: give another place"):
        check_absent(tmp_path / "a.png", "--picture", [str(tmp_path / "b" / ".." / "a.png")])
