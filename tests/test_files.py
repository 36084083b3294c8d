"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from pipeline.files import file_digest, replacing, replacing_folder, tree_digest, write_text


def fail_while_writing(target: Path) -> None:
    with replacing(target) as beside:
        beside.write_text("half")
        raise RuntimeError("power cut")


def fail_while_writing_folder(target: Path) -> None:
    with replacing_folder(target) as beside:
        (beside / "a").write_text("half")
        raise RuntimeError("power cut")


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(RuntimeError, match="power cut"):
        fail_while_writing(tmp_path / "a")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a", "old")]


def test_a_file_does_not_have_its_name_before_it_is_whole(tmp_path: Path) -> None:
    with replacing(tmp_path / "new" / "a") as beside:
        beside.write_text("all")
        assert not (tmp_path / "new" / "a").exists()
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a"]


def test_a_folder_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "f") as beside:
        (beside / "a").write_text("old")
    with pytest.raises(RuntimeError, match="power cut"):
        fail_while_writing_folder(tmp_path / "f")
    assert [str(file.relative_to(tmp_path)) for file in sorted(tmp_path.rglob("*"))] == ["f", "f/a"]
    assert (tmp_path / "f" / "a").read_text() == "old"


def test_a_new_folder_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with replacing_folder(tmp_path / "f") as beside:
            (beside / name).write_text(name)
    assert [file.name for file in (tmp_path / "f").iterdir()] == ["b"]


def test_text_is_written_alike_everywhere(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "ü\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xbc\n"


def test_the_digest_of_a_folder_sees_content_and_names_only(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_text(tmp_path / folder / "sub" / "a", "text")
    os.utime(tmp_path / "one" / "sub" / "a", (0, 0))
    same = tree_digest(tmp_path / "one")
    assert same == tree_digest(tmp_path / "two")
    (tmp_path / "two" / "sub" / "a").rename(tmp_path / "two" / "sub" / "b")
    assert same != tree_digest(tmp_path / "two")
    assert tree_digest(tmp_path / "one" / "sub" / "a") == file_digest(tmp_path / "one" / "sub" / "a")
