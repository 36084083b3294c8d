"""Decoding on one core or several gives the same bytes, and broken files their reasons."""

from pathlib import Path

import numpy as np

from pipeline.archives import in_memory, pack_pictures, write_tar
from pipeline.decode import pixel_hash
from pipeline.decoding import ALONE_BELOW, Outcome, decode_all
from pipeline.params import Image
from pipeline.raw import open_raw
from tests.conftest import write_pictures


def decoded(raw: Path, scratch: Path, workers: int | None = None) -> tuple[list[Outcome], bytes]:
    outcomes = decode_all(raw, open_raw(raw), scratch, Image(size=(8, 8), channels=3), workers)
    return outcomes, scratch.read_bytes()


def test_several_workers_and_one_give_the_same_bytes(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", count=ALONE_BELOW // 2 + 5)
    (folder / "cats" / "200.png").write_bytes(b"")
    pack_pictures(folder, tmp_path / "raw.tar", tmp_path)
    alone = decoded(tmp_path / "raw.tar", tmp_path / "one.npy", workers=1)
    together = decoded(tmp_path / "raw.tar", tmp_path / "two.npy", workers=2)
    assert alone == together
    assert sum(digest is not None for digest, _ in alone[0]) == ALONE_BELOW + 10


def test_every_row_is_its_picture_and_broken_ones_are_zero(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", count=3, side=8)
    (folder / "cats" / "1.png").write_bytes(b"words")
    pack_pictures(folder, tmp_path / "raw.tar", tmp_path)
    outcomes, _ = decoded(tmp_path / "raw.tar", tmp_path / "images.npy")
    raw, rows = open_raw(tmp_path / "raw.tar"), np.load(tmp_path / "images.npy")
    assert outcomes[1] == (None, "not a picture") and not rows[1].any()
    for position in (0, 2, 3, 4, 5):
        np.testing.assert_array_equal(rows[position], raw.pixels(position))
        assert outcomes[position] == (pixel_hash(raw.pixels(position)), "")


def test_hashes_are_of_the_picture_before_resizing(tmp_path: Path) -> None:
    pack_pictures(write_pictures(tmp_path / "pictures", count=1, side=20), tmp_path / "raw.tar", tmp_path)
    raw = open_raw(tmp_path / "raw.tar")
    assert decoded(tmp_path / "raw.tar", tmp_path / "images.npy")[0][0] == (pixel_hash(raw.pixels(0)), "")


def test_a_picture_whose_bytes_are_missing_at_the_end_is_unreadable(tmp_path: Path) -> None:
    content = (write_pictures(tmp_path / "pictures", count=1) / "cats" / "0.png").read_bytes()
    write_tar({"a/1.png": in_memory(content), "b/1.png": in_memory(content[:200])}, tmp_path / "raw.tar")
    outcomes, _ = decoded(tmp_path / "raw.tar", tmp_path / "images.npy")
    assert outcomes[0][0] is not None
    assert outcomes[1][0] is None and outcomes[1][1].startswith("broken picture: ")
