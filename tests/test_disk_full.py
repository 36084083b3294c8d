"""A full disk stops a stage in one line; with room again, the same bytes come as if nothing had been."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.errors import UserError, run_main
from pipeline.fetch import fetch
from pipeline.files import tree_digest
from pipeline.stages import download, split
from tests.conftest import Program, edit_yaml, snapshot
from tests.hostile import pictures, tarred
from tests.test_fetch import CONTENT, HASTY, NAME, never_ends, serving, speaking

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no tmpfs to fill here")
SIDE = 40
COUNT = 200  # pictures: their tar has 1.1 MB, their arrays 1 MB


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """`folder` lies on a disk of its own with `size` bytes, and is empty before and after."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        folder.rmdir()
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def archive(workspace: Path) -> Path:
    """A workspace with params for an archive of pictures."""
    source = {"dataset__name": "folder", "dataset__path": "it", "dataset__watch": "it"}
    edit_yaml(workspace / "params.yaml", image__channels=3, image__size=[SIDE, SIDE], **source)
    (workspace / "it").write_bytes(tarred(pictures(COUNT // 2, side=SIDE), "xz"))
    return workspace


def left_in(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("full", ["data/download", ".reprolens/downloads"])
@pytest.mark.parametrize("size", [1 << 12, 1 << 16, 1 << 19, 1_000_000])
def test_download(archive: Path, full: str, size: int, capfd: pytest.CaptureFixture[str]) -> None:
    before = snapshot(archive)
    with small_disk(archive / full, size):
        with pytest.raises(SystemExit) as caught:
            run_main("download", download.main)
        assert left_in(archive / full) == set()
    line = str(caught.value.code)
    assert "\n" not in line and ("No space left on device" in line or "has no room: " in line)
    assert capfd.readouterr().err == ""
    assert snapshot(archive) == before
    download.main()
    assert left_in(archive / "data") == {"download/images.tar"}


def test_split(archive: Path, program: Program) -> None:
    """In a process of its own: a memory map that the disk has no room for would end it by a signal."""
    download.main()
    split.main()
    outs = [paths.TRAIN, paths.VAL, paths.TEST, paths.CLASSES, paths.SPLIT_REPORT]
    undisturbed = [tree_digest(path) for path in outs]
    for size in (1 << 12, 500_000, 1_100_000, 1_700_000, 1_950_000):
        (archive / "data" / "split").rename(archive / "aside")
        with small_disk(archive / "data" / "split", size):
            done = program("pipeline.stages.split")
            half = {name for name in left_in(archive / "data" / "split") if ".tmp" in name}
        (archive / "aside").rename(archive / "data" / "split")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, (size, done.stderr)
        assert done.stderr.startswith("split: error: cannot write the splits: No space left on device (")
        assert half == set()
        split.main()
        assert [tree_digest(path) for path in outs] == undisturbed


def test_fetching_keeps_what_came_and_goes_on_with_room(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with serving({NAME: CONTENT}) as host, small_disk(folder, 100_000):
        with pytest.raises(UserError, match=r"has 300,000 bytes, and only [\d,]+ are free in"):
            fetch(NAME, [host.address], folder, lambda path: None)
        assert left_in(folder) == set()
        (folder / f"{NAME}.part").write_bytes(CONTENT[:50_000])
        with pytest.raises(UserError, match=r"has 300,000 bytes, and only [\d,]+ are free in"):
            fetch(NAME, [host.address], folder, lambda path: None)
        assert left_in(folder) == {f"{NAME}.part"}


def test_what_never_ends_stops_at_the_end_of_the_disk_and_gives_it_back(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with speaking(never_ends) as address, small_disk(folder, 1 << 20):
        with pytest.raises(UserError, match="cannot keep downloads: No space left on device"):
            fetch(NAME, [address], folder, lambda path: None, HASTY)
        assert left_in(folder) == set()
