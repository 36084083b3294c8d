"""Decoding on one core or several gives the same bytes, and broken files their reasons."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.archives import pack_pictures
from pipeline.decode import Pixels, pixel_hash
from pipeline.decoding import ALONE_BELOW, Outcome, decode_all
from pipeline.errors import UserError
from pipeline.params import Image
from pipeline.raw import Raw, open_raw
from pipeline.raw_tar import in_memory, write_tar
from tests.conftest import write_pictures


def decoded(raw: Path, scratch: Path, workers: int | None = None) -> tuple[list[Outcome], bytes]:
    outcomes = decode_all(raw, open_raw(raw), scratch, Image(size=(8, 8), channels=3), workers)
    return outcomes, scratch.read_bytes()


def test_several_workers_and_one_give_the_same_bytes(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", count=ALONE_BELOW // 2 + 5)
    (folder / "cats" / "empty.png").write_bytes(b"")
    pack_pictures(folder, tmp_path / "raw.tar", tmp_path)
    alone = decoded(tmp_path / "raw.tar", tmp_path / "one.npy", workers=1)
    together = decoded(tmp_path / "raw.tar", tmp_path / "two.npy", workers=2)
    assert alone == together
    assert sum(item.pixel_hash is not None for item in alone[0]) == ALONE_BELOW + 10


def test_every_row_is_its_picture_and_broken_ones_are_zero(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", count=3, side=8)
    (folder / "cats" / "1.png").write_bytes(b"words")
    pack_pictures(folder, tmp_path / "raw.tar", tmp_path)
    outcomes, _ = decoded(tmp_path / "raw.tar", tmp_path / "images.npy")
    raw, rows = open_raw(tmp_path / "raw.tar"), np.load(tmp_path / "images.npy")
    assert outcomes[1] == Outcome(None, "not a picture") and not rows[1].any()
    for position in (0, 2, 3, 4, 5):
        np.testing.assert_array_equal(rows[position], raw.pixels(position))
        assert outcomes[position] == Outcome(pixel_hash(raw.pixels(position)))


def test_hashes_are_of_the_picture_before_resizing(tmp_path: Path) -> None:
    pack_pictures(write_pictures(tmp_path / "pictures", count=1, side=20), tmp_path / "raw.tar", tmp_path)
    raw = open_raw(tmp_path / "raw.tar")
    assert decoded(tmp_path / "raw.tar", tmp_path / "images.npy")[0][0] == Outcome(pixel_hash(raw.pixels(0)))


def test_a_picture_whose_bytes_are_missing_at_the_end_is_unreadable(tmp_path: Path) -> None:
    content = (write_pictures(tmp_path / "pictures", count=1) / "cats" / "0.png").read_bytes()
    write_tar({"a/1.png": in_memory(content), "b/1.png": in_memory(content[:200])}, tmp_path / "raw.tar")
    outcomes, _ = decoded(tmp_path / "raw.tar", tmp_path / "images.npy")
    assert outcomes[0].pixel_hash is not None
    assert outcomes[1].pixel_hash is None and outcomes[1].reason.startswith("broken picture: ")


def kill_every_worker(stop: threading.Event) -> None:
    """Ends the processes of the pool as soon as they are there; Python 3.11's own pool may miss that."""
    while not stop.wait(0.005):
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()


def kill_a_worker(stop: threading.Event) -> None:
    """Ends a process of the pool of two once both have been there a while, as the system does when memory runs out."""
    there = 0
    while not stop.wait(0.02):
        children = multiprocessing.active_children()
        there = there + 1 if len(children) == 2 else 0
        if there > 3 and children[0].pid is not None:
            os.kill(children[0].pid, signal.SIGKILL)
            return


@pytest.mark.skipif(os.name != "posix", reason="no signals here")
@pytest.mark.parametrize("kill", [kill_a_worker, kill_every_worker])
def test_a_worker_that_is_killed_gives_one_line_and_leaves_no_process(
    tmp_path: Path, kill: Callable[[threading.Event], None]
) -> None:
    folder = write_pictures(tmp_path / "pictures", count=ALONE_BELOW // 2 + 5)
    pack_pictures(folder, tmp_path / "raw.tar", tmp_path)
    stop = threading.Event()
    killer = threading.Thread(target=kill, args=(stop,))
    killer.start()
    try:
        with pytest.raises(UserError, match=r"ended by the system, .* among the 128 from 'cats/0.png'") as caught:
            decoded(tmp_path / "raw.tar", tmp_path / "images.npy", workers=2)
    finally:
        stop.set()
        killer.join()
    assert "\n" not in str(caught.value)
    assert multiprocessing.active_children() == []


def test_memory_that_runs_out_is_no_fault_of_the_picture(tmp_path: Path) -> None:
    pack_pictures(write_pictures(tmp_path / "pictures", count=2), tmp_path / "raw.tar", tmp_path)
    whole = open_raw(tmp_path / "raw.tar")

    def pixels(position: int) -> Pixels:
        raise MemoryError

    short = Raw(whole.records, whole.classes, pixels)
    with pytest.raises(UserError, match=r"memory ran out while decoding 'cats/0.png' and those after it: close other"):
        decode_all(tmp_path / "raw.tar", short, tmp_path / "images.npy", Image(size=(8, 8), channels=3))
