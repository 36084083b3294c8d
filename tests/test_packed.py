"""A split on disk reads back as it was written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import packed
from pipeline.errors import UserError

NAMES = ["a b", "q\"uo'te,", "new\nline", "tür猫", "NA", "", " lead", "007", "1e5", "True"]


def test_images_are_written_in_the_order_asked_for(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 2, 2, 1), dtype=np.uint8)
    positions = np.random.default_rng(1).permutation(3000)[:2500].tolist()  # more than are copied at once
    packed.write(tmp_path, pixels, positions, [i % 7 for i in positions])
    split = packed.load(tmp_path)
    np.testing.assert_array_equal(split.images, pixels[positions])
    np.testing.assert_array_equal(split.labels, np.array(positions) % 7)
    assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32 and len(split) == 2500


def test_pixels_stay_on_disk_until_they_are_used(tmp_path: Path) -> None:
    packed.write(tmp_path, np.zeros((2, 1, 1, 1), np.uint8), [0, 1], [0, 1])
    assert isinstance(packed.load(tmp_path).images, np.memmap)


@pytest.mark.parametrize("content", [None, b"", b"no array at all"])
def test_a_missing_or_broken_split_says_what_to_run(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "images.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"is missing or broken: run `dvc repro`"):
        packed.load(tmp_path)


def test_tables_keep_text_as_it_is(tmp_path: Path) -> None:
    packed.write_table(tmp_path / "a.csv", pd.DataFrame({"file": NAMES, "label": NAMES[::-1]}))
    found = packed.read_table(tmp_path / "a.csv")
    assert found["file"].tolist() == NAMES and found["label"].tolist() == NAMES[::-1]


def test_tables_keep_every_float32(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(1000, dtype=np.float32)
    packed.write_table(tmp_path / "a.csv", pd.DataFrame({"p": values}))
    found = packed.read_table(tmp_path / "a.csv", p=float)
    np.testing.assert_array_equal(found["p"].to_numpy().astype(np.float32), values)


def test_tables_have_unix_line_ends(tmp_path: Path) -> None:
    packed.write_table(tmp_path / "a.csv", pd.DataFrame({"a": ["x"], "b": [1]}))
    assert (tmp_path / "a.csv").read_bytes() == b"a,b\nx,1\n"
