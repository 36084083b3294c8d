"""Where a preset's data is found, and what is said where there is none."""

from pathlib import Path

import pytest

from pipeline.at_hand import OFFICIAL, Found, find
from tests.test_fetch import closed_port

CIFAR10 = "cifar-10-binary.tar.gz"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    """No host answers: whatever leaves the machine goes to a port where nobody listens."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, closed_port())


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_official_files_are_a_mirror_in_the_folder_or_one_of_the_name(tmp_path: Path) -> None:
    here = touched(tmp_path / "here", CIFAR10)
    below = touched(tmp_path / "below", *(f"mnist/{file}" for file in OFFICIAL["mnist"][1]))
    assert find("cifar10", here) == Found((f"dataset.mirror={here}",))
    assert find("mnist", below) == Found((f"dataset.mirror={below / 'mnist'}",))


@pytest.mark.parametrize("name", ["flowers.zip", "flowers-recognition.tar.xz", "Flowers.tgz", "flowers/daisy/1.jpg"])
def test_pictures_called_like_the_data_set_are_taken(tmp_path: Path, name: str) -> None:
    folder = touched(tmp_path / "data", name)
    assert find("flowers", folder).overrides == ("dataset.name=folder", f"dataset.path={folder / name.split('/')[0]}")


def test_official_files_come_before_pictures(tmp_path: Path) -> None:
    folder = touched(tmp_path / "data", "cifar10-jpeg.tar.xz", CIFAR10)
    assert find("cifar10", folder).overrides == (f"dataset.mirror={folder}",)


@pytest.mark.parametrize("name", ["cifar100.zip", "cifar10.txt", "my-cifar10.zip"])
def test_another_name_is_not_taken(tmp_path: Path, name: str) -> None:
    assert find("cifar10", touched(tmp_path / "data", name)).missing


def test_a_download_that_is_done_is_at_hand(workspace: Path) -> None:
    touched(workspace / ".reprolens" / "downloads" / "cifar10", CIFAR10)
    assert find("cifar10", None) == Found()


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    missing = find("flowers", tmp_path).missing
    assert str(tmp_path) in missing and "flower_photos.tgz" in missing and "flowers.zip" in missing
    assert "storage.googleapis.com" in missing and "DATA=" in missing
    assert "cs.toronto.edu" in find("cifar100", None).missing
