"""Folders and archives of class folders become one canonical tar, or one clear line."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.archives import pack_pictures
from pipeline.errors import UserError
from pipeline.raw_tar import in_memory, write_tar
from tests.conftest import write_pictures

Pack = Callable[[Path], bytes]
ODD = ["a b.png", "q\"uo'te.png", "new\nline.png", "tür猫.png", "NA"]


@pytest.fixture
def packed(tmp_path: Path) -> Pack:
    """The bytes of the canonical tar of a folder or archive."""

    def pack(source: Path) -> bytes:
        pack_pictures(source, tmp_path / "packed.tar", tmp_path)
        return (tmp_path / "packed.tar").read_bytes()

    return pack


def archived(folder: Path, kind: str, top: str = "") -> Path:
    """The folder as an archive, its files in no good order."""
    target = folder.with_name(f"{folder.name}.{kind}")
    files = [(file, str(Path(top, file.relative_to(folder)))) for file in sorted(folder.rglob("*"), reverse=True)]
    if kind == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, name in files:
                archive.write(file, name)
    else:
        with tarfile.open(str(target), f"w:{kind.partition('.')[2]}") as tar:  # type: ignore[call-overload]
            for file, name in files:
                tar.add(file, name, recursive=False)
    return target


def names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("top", ["", "wrapped/twice"])
def test_equal_pictures_give_equal_bytes_however_they_come(tmp_path: Path, packed: Pack, kind: str, top: str) -> None:
    folder = write_pictures(tmp_path / "pictures", count=3)
    assert packed(archived(folder, kind, top)) == packed(folder)


def test_neither_times_nor_modes_nor_owners_matter(tmp_path: Path, packed: Pack) -> None:
    folder = write_pictures(tmp_path / "pictures", count=2)
    before = packed(folder)
    os.utime(folder / "cats" / "1.png", (0, 0))
    (folder / "cats" / "0.png").chmod(0o600)
    assert packed(folder) == before


def test_given_splits_are_kept_and_the_wrapper_goes(tmp_path: Path, packed: Pack) -> None:
    for part in ("train", "val", "test"):
        write_pictures(tmp_path / "pictures" / "deep" / part, count=1)
    found = names(packed(tmp_path / "pictures"))
    assert found == [f"{part}/{label}/0.png" for part in ("test", "train", "val") for label in ("cats", "dogs")]


def test_what_systems_leave_behind_is_left_out(tmp_path: Path, packed: Pack) -> None:
    folder = write_pictures(tmp_path / "pictures", count=1)
    before = packed(folder)
    write_pictures(folder, ("__MACOSX", ".git", "cats/.cache"), count=1)
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "cats" / "Thumbs.db").write_bytes(b"")
    assert packed(folder) == before


@pytest.mark.parametrize("kind", ["", "zip", "tar", "tar.xz"])
def test_odd_names_are_kept(tmp_path: Path, packed: Pack, kind: str) -> None:
    folder = write_pictures(tmp_path / "pictures", ("a 'cat'", "hünd\n"), count=1)
    for name in ODD:
        (folder / "a 'cat'" / name).write_bytes(b"x")
    found = names(packed(archived(folder, kind) if kind else folder))
    assert {f"a 'cat'/{name}" for name in ODD} | {"hünd\n/0.png"} <= set(found)


@pytest.mark.skipif(os.name != "posix", reason="names are text here")
@pytest.mark.parametrize("kind", ["", "tar"])
def test_names_that_tables_cannot_hold_are_spelt_out(tmp_path: Path, packed: Pack, kind: str) -> None:
    folder = write_pictures(tmp_path / "pictures", count=1)
    (folder / "cats" / os.fsdecode(b"\xff\r.png")).write_bytes(b"x")
    found = names(packed(archived(folder, kind) if kind else folder))
    assert found == ["cats/0.png", "cats/\\xff\\r.png", "dogs/0.png"]


def test_links_to_folders_are_followed_but_never_round(tmp_path: Path, packed: Pack) -> None:
    folder = write_pictures(tmp_path / "pictures", count=1)
    before = packed(folder)
    (folder / "cats").rename(tmp_path / "elsewhere")
    (folder / "cats").symlink_to(tmp_path / "elsewhere")
    (folder / "dogs" / "up").symlink_to(folder)
    assert packed(folder) == before


def test_two_links_to_one_folder_both_count(tmp_path: Path, packed: Pack) -> None:
    folder = write_pictures(tmp_path / "pictures", count=1)
    (folder / "pets").symlink_to(folder / "cats")
    assert names(packed(folder)) == ["cats/0.png", "dogs/0.png", "pets/0.png"]


def zip_with(name: str, kind: int) -> bytes:
    stream, info = io.BytesIO(), zipfile.ZipInfo(name)
    info.external_attr = kind << 16
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, "x")
    return stream.getvalue()


def tar_with(name: str, kind: bytes) -> bytes:
    stream, info = io.BytesIO(), tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(info)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zip_with("../a/1.png", stat.S_IFREG), "'../a/1.png', a path that leads out of the archive"),
        (zip_with("/a/1.png", 0), "'/a/1.png', a path that leads out of the archive"),
        (zip_with("a/1.png", stat.S_IFLNK), "'a/1.png', a link or device"),
        (zip_with("a/1.png", stat.S_IFCHR), "'a/1.png', a link or device"),
        (tar_with("a/../../1.png", tarfile.REGTYPE), "'a/../../1.png', a path that leads out of the archive"),
        (tar_with("/a/1.png", tarfile.REGTYPE), "'/a/1.png', a path that leads out of the archive"),
        (tar_with("a/1.png", tarfile.SYMTYPE), "'a/1.png', a link or device"),
        (tar_with("a/1.png", tarfile.LNKTYPE), "'a/1.png', a link or device"),
        (tar_with("a/1.png", tarfile.CHRTYPE), "'a/1.png', a link or device"),
        (tar_with("a/1.png", tarfile.FIFOTYPE), "'a/1.png', a link or device"),
    ],
)
def test_what_leads_out_of_an_archive_is_refused(tmp_path: Path, packed: Pack, content: bytes, message: str) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(UserError) as caught:
        packed(tmp_path / "archive")
    assert f"dataset.path '{tmp_path}/archive' holds {message}" in str(caught.value)


def test_members_are_written_sorted_without_times(tmp_path: Path) -> None:
    write_tar({"b": in_memory(b"2"), "a": in_memory(b"1")}, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert [(info.name, info.mtime, info.uid, info.uname) for info in tar] == [("a", 0, 0, ""), ("b", 0, 0, "")]
