"""What a run keeps of its data: the same bytes, the same answers, and no pixel of the test split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import UserError
from pipeline.picture_statistics import describe
from pipeline.profile import FIELDS, SAMPLE, TEST, TRAIN, VAL, Part, Profile, build, evenly, keys_of
from tests.splits import hash_of, random_pictures, write_splits

PICTURES = {name: random_pictures(count, count) for name, count in (("train", 30), ("val", 8), ("test", 9))}
LABELS = {name: [i % 2 for i in range(len(pixels))] for name, pixels in PICTURES.items()}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but data."""
    monkeypatch.chdir(tmp_path)
    write_splits(PICTURES, LABELS, ["ant", "猫"], unreadable=3)
    return tmp_path


def _hashes(count: int, seed: int) -> list[bytes]:
    drawn = np.random.default_rng(seed).bytes(32 * count)
    return [drawn[32 * i : 32 * i + 32] for i in range(count)]


def test_it_knows_images_labels_and_splits(data: Path) -> None:
    found = Profile.of_workspace()
    assert [np.count_nonzero(found.splits == code) for code in (TRAIN, VAL, TEST)] == [30, 8, 9]
    assert (found.classes, found.shape, found.counts["unreadable"]) == (("ant", "猫"), (8, 8, 3), 3)
    wanted = keys_of([hash_of(PICTURES["val"][5])])
    assert found.labels[found.hashes == wanted].tolist() == [1]


def test_training_is_train_and_val(data: Path) -> None:
    found = Profile.of_workspace()
    asked = [hash_of(PICTURES[name][2]) for name in ("train", "val", "test")]
    assert found.in_training([*asked, "0" * 64]).tolist() == [True, True, False, False]
    assert found.knows(keys_of([*asked, "0" * 64])).tolist() == [True, True, True, False]


def test_it_survives_the_file(data: Path) -> None:
    made = Profile.of_workspace()
    made.save(data / "a.npz")
    read = Profile.load(data / "a.npz")
    for name in FIELDS:
        one, other = getattr(made, name), getattr(read, name)
        assert one.dtype == other.dtype and np.array_equal(one, other), name
    assert (read.classes, read.shape, dict(read.counts)) == (made.classes, made.shape, dict(made.counts))


def test_hashes_with_zeros_are_not_cut_short(tmp_path: Path) -> None:
    hashes = ["ab" * 15 + "00" + "11" * 16, "ab" * 14 + "0000" + "22" * 16, "00" * 32]
    made = _profile(hashes)
    made.save(tmp_path / "a.npz")
    assert Profile.load(tmp_path / "a.npz").in_training([*hashes, "ab" * 14 + "0001" + "22" * 16]).tolist() == [
        True,
        True,
        True,
        False,
    ]


def test_equal_data_are_equal_bytes(data: Path) -> None:
    Profile.of_workspace().save(data / "a.npz")
    Profile.of_workspace().save(data / "b.npz")
    assert (data / "a.npz").read_bytes() == (data / "b.npz").read_bytes()


def test_the_pixels_of_the_test_split_are_not_read(data: Path) -> None:
    before = Profile.of_workspace()
    (paths.TEST / "images.npy").unlink()
    (paths.VAL / "images.npy").unlink()
    assert np.array_equal(Profile.of_workspace().features, before.features)


def test_the_sample_beyond_another_profile_is_of_new_images(data: Path) -> None:
    before = Profile.of_workspace()
    fresh = random_pictures(5, 77)
    write_splits(
        PICTURES | {"train": np.concatenate([PICTURES["train"], fresh])},
        LABELS | {"train": [*LABELS["train"], 0, 0, 0, 0, 0]},
        ["ant", "猫"],
    )
    found = Profile.of_workspace(beyond=before)
    expected = describe(fresh, np.arange(5))[0]
    assert sorted(found.statistics.tolist()) == sorted(expected.tolist())
    assert len(Profile.of_workspace().statistics) == 35


def test_copies_count_as_files_but_are_looked_at_once(data: Path) -> None:
    doubled = np.concatenate([PICTURES["train"], PICTURES["train"][:10]])
    write_splits(PICTURES | {"train": doubled}, LABELS | {"train": [*LABELS["train"], *[0, 1] * 5]}, ["ant", "猫"])
    found = Profile.of_workspace()
    assert np.count_nonzero(found.splits == TRAIN) == 40 and len(found.statistics) == 30


def test_a_large_data_set_is_sampled_and_stays_small(tmp_path: Path) -> None:
    found = _profile([item.hex() for item in _hashes(60_000, 0)])
    found.save(tmp_path / "a.npz")
    assert len(found.statistics) == SAMPLE
    assert (tmp_path / "a.npz").stat().st_size < 2_000_000


def test_evenly() -> None:
    assert evenly(np.arange(10), 5).tolist() == [0, 2, 4, 6, 8]
    assert evenly(np.array([7, 3]), 5).tolist() == [3, 7]
    assert evenly(np.empty(0, np.int64), 5).tolist() == []


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profile.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"profile\.npz is missing or broken: run `dvc repro --force evaluate`"):
        Profile.load(tmp_path / "profile.npz")


def test_a_file_without_what_belongs_in_it_is_broken(tmp_path: Path) -> None:
    np.savez(tmp_path / "profile.npz", hashes=np.zeros((1, 16), np.uint8))
    with pytest.raises(UserError, match="broken"):
        Profile.load(tmp_path / "profile.npz")


@pytest.mark.parametrize(
    "lacking", ["data/split/test/manifest.csv", "data/split/train/images.npy", "reports/split/counts.json"]
)
def test_data_that_was_not_split_is_one_line(data: Path, lacking: str) -> None:
    Path(lacking).unlink()
    with pytest.raises(UserError, match="missing or broken: run `dvc repro`"):
        Profile.of_workspace()


def _profile(hashes: Sequence[str]) -> Profile:
    """Of training images that all look alike."""
    pixels = np.broadcast_to(np.uint8(7), (len(hashes), 28, 28, 1))
    empty = Part([], np.empty(0, np.int32), None)
    return build([Part(sorted(hashes), np.zeros(len(hashes), np.int32), pixels), empty, empty], ["a"], {})
