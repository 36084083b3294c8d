"""The download stage: the tar appears whole, or one clear line and nothing changed."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import run_main
from pipeline.stages import download
from tests.conftest import Program, edit_yaml, snapshot, write_pictures
from tests.test_archives import archived
from tests.test_fetch import closed_port, serving

RAW = "data/download/images.tar"
TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def earlier(workspace: Path) -> Path:
    """A workspace in which an earlier download stands."""
    (workspace / RAW).parent.mkdir(parents=True)
    (workspace / RAW).write_bytes(b"earlier")
    return workspace


def use_folder(workspace: Path, path: str) -> None:
    edit_yaml(workspace / "params.yaml", dataset__name="folder", dataset__path=path, dataset__watch=path)


def use_mirror(workspace: Path, mirror: str) -> None:
    edit_yaml(workspace / "params.yaml", dataset__name="mnist", dataset__mirror=mirror)


def stopped() -> str:
    """The one line with which the stage stops."""
    with pytest.raises(SystemExit) as caught:
        run_main("download", download.main)
    line = caught.value.code  # text: Python prints it and exits with 1
    assert isinstance(line, str) and "\n" not in line and line.startswith("download: error: ")
    return line.removeprefix("download: error: ")


def refused(workspace: Path) -> str:
    """The same; nothing in the workspace may have changed."""
    before = snapshot(workspace)
    line = stopped()
    assert snapshot(workspace) == before
    return line


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Nothing can be written to `folder`; root, whom modes do not stop, becomes nobody."""
    mode, root = folder.stat().st_mode, os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(mode)


@pytest.mark.parametrize(
    ("files", "cuts", "message"),
    [
        ({}, (), "HTTP 404 Not Found"),
        ({TRAIN_IMAGES: b"<html>"}, (), "not a whole gzip file (Not a gzipped file"),
        ({TRAIN_IMAGES: gzip.compress(b"other")}, (), "has md5 795f3202b17cb6bc3d4b771d8c6c9eaf, expected 6bbc9ace89"),
        ({TRAIN_IMAGES: gzip.compress(b"other")}, (20, 0), "connection cut"),
    ],
)
def test_a_bad_server_gives_one_line(
    earlier: Path, files: dict[str, bytes], cuts: tuple[int, ...], message: str
) -> None:
    with serving(files, cuts) as host:
        use_mirror(earlier, host.address)
        line = refused(earlier)
    assert line.startswith(f"could not get {TRAIN_IMAGES}: {host.address}{TRAIN_IMAGES}: ")
    assert message in line and "set dataset.mirror" in line


def test_an_unreachable_host_gives_one_line(earlier: Path) -> None:
    use_mirror(earlier, away := closed_port())
    assert f"{away}/{TRAIN_IMAGES}: host unreachable" in refused(earlier)


def test_a_mirror_folder_that_is_not_there_gives_one_line(earlier: Path) -> None:
    use_mirror(earlier, "nowhere")
    assert refused(earlier) == "dataset.mirror 'nowhere' is neither a folder nor an http(s) address"


def test_a_cut_download_goes_on_at_the_next_run(workspace: Path) -> None:
    with serving({TRAIN_IMAGES: gzip.compress(b"other")}, (20, 0)) as host:
        use_mirror(workspace, host.address)
        refused(workspace)
        refused(workspace)
    assert host.asked[:3] == [None, "bytes=20-", "bytes=20-"]


def test_without_the_right_to_write_there_is_one_line(workspace: Path) -> None:
    use_folder(workspace, str(write_pictures(workspace / "pictures", count=1).relative_to(workspace)))
    before = snapshot(workspace)
    with without_rights(workspace):
        line = stopped()
    assert snapshot(workspace) == before
    assert line == f"cannot write {RAW}: Permission denied (data). Check permissions and free space there"


def test_without_the_right_to_read_there_is_one_line(workspace: Path) -> None:
    write_pictures(workspace / "pictures", count=1)
    use_folder(workspace, "pictures")
    (workspace / "pictures" / "cats").chmod(0)
    (workspace / "data").mkdir(mode=0o777)
    (workspace / "data").chmod(0o777)
    with without_rights(workspace):
        line = stopped()
    assert "Permission denied (pictures/cats)" in line
    assert not list((workspace / "data").rglob("*.tar"))


def test_every_way_of_giving_pictures_gives_the_same_tar(workspace: Path) -> None:
    folder = write_pictures(workspace / "pictures", count=2)
    found = set()
    for source in (folder, archived(folder, "zip"), archived(folder, "tar.gz", "top"), archived(folder, "tar.xz")):
        use_folder(workspace, str(source))
        download.main()
        found.add((workspace / RAW).read_bytes())
    assert len(found) == 1
    assert [file.name for file in (workspace / RAW).parent.iterdir()] == ["images.tar"]


def test_a_path_may_start_at_home(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(workspace / "home"))
    write_pictures(workspace / "home" / "pictures", count=1)
    use_folder(workspace, "~/pictures")
    download.main()
    assert (workspace / RAW).stat().st_size > 0


def test_the_program_ends_with_one_line_and_exit_code_1(program: Program, earlier: Path) -> None:
    use_folder(earlier, "nowhere")
    before = snapshot(earlier)
    done = program("pipeline.stages.download")
    assert done.returncode == 1
    assert done.stderr.startswith("download: error: dataset.path 'nowhere' does not exist: ")
    assert done.stderr.count("\n") == 1
    assert snapshot(earlier) == before
