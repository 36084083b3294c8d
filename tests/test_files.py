"""Files appear whole or not at all."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.errors import UserError
from pipeline.files import (
    at_home,
    file_digest,
    replacing,
    replacing_folder,
    require_room,
    reserve,
    scratch_folder,
    tree_digest,
    write_text,
)


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


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead, alive = ended_process(), os.getppid()
    kept = {f".a.{alive}.tmp", ".a.9999999999999999999.tmp", ".a.x.tmp", f".b.{dead}.tmp", f"a.{dead}.tmp"}
    for name in (*kept, f".a.{dead}.tmp", f".a.{os.getpid()}.tmp"):
        (tmp_path / name).write_text("half")
    write_text(tmp_path / "a", "whole")
    assert {file.name for file in tmp_path.iterdir()} == kept | {"a"}


def test_folders_that_a_killed_process_left_are_removed_too(tmp_path: Path) -> None:
    for name in ("f", "[f]"):
        left = tmp_path / f".{name}.{ended_process()}.tmp"
        left.mkdir()
        (left / "half").write_text("half")
        with replacing_folder(tmp_path / name) as beside:
            (beside / "a").write_text("whole")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["[f]", "f"]


def fail_in_a_scratch_folder(target: Path) -> None:
    with scratch_folder(target) as folder:
        (folder / "a").write_text("half")
        raise RuntimeError("power cut")


def test_a_scratch_folder_goes_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        fail_in_a_scratch_folder(tmp_path / "new" / "work")
    assert list((tmp_path / "new").iterdir()) == []


def test_room_is_asked_for_before_writing(tmp_path: Path) -> None:
    require_room(tmp_path, 1)
    with pytest.raises(UserError, match=r"has no room: 1,000,000,000,000.0 MB are needed and [\d,.]+ MB are free"):
        require_room(tmp_path, 10**18)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve room")
def test_reserved_room_is_taken_from_the_disk(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(1 << 20)
    reserve(tmp_path / "sparse")
    found = (tmp_path / "sparse").stat()
    assert found.st_size == 1 << 20 and found.st_blocks * 512 >= 1 << 20


def test_a_home_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert at_home("~/data", "dataset.path") == Path("/home/ada/data")
    with pytest.raises(UserError, match=r"dataset\.path '~nobody-here/a' names a home that cannot be found"):
        at_home("~nobody-here/a", "dataset.path")


def test_what_a_process_left_that_nobody_has_looked_at_yet_is_removed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        (tmp_path / f".a.{child.pid}.tmp").write_bytes(b"half")
        with replacing(tmp_path / "a") as beside:
            beside.write_bytes(b"whole")
    finally:
        child.wait()
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
