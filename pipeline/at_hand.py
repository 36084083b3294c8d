"""Where the data of a preset can be had right now: in a folder, among the downloads, or at its official host."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline import paths
from pipeline.sources import CIFAR10, CIFAR100, FLOWERS, MNIST

Files = tuple[tuple[str, ...], tuple[str, ...]]
"""(addresses of hosts, names of the files there)."""

OFFICIAL: dict[str, Files] = {
    "mnist": (MNIST.hosts, tuple(file for file, _ in MNIST.files.values())),
    **{
        name: (archive.hosts, (archive.file,))
        for name, archive in (("cifar10", CIFAR10), ("cifar100", CIFAR100), ("flowers", FLOWERS))
    },
}
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz")
TIMEOUT = 5  # seconds for a host to answer
OWN_FLOWERS = ", or Kaggle's flowers-recognition as flowers.zip"


@dataclass(frozen=True)
class Found:
    """The overrides that make a preset take this data; or why there is none, and how to get it."""

    overrides: tuple[str, ...] = ()
    missing: str = ""


def find(name: str, folder: Path | None) -> Found:
    """Looks for the data set `name`: first in `folder`, then among finished downloads, then at its hosts."""
    hosts, files = OFFICIAL[name]
    if folder and (found := _in_folder(name, files, folder)):
        return found
    downloads = paths.downloads() / name
    if all((downloads / file).exists() for file in files) or any(_answers(host + files[0]) for host in hosts):
        return Found()
    own = OWN_FLOWERS if name == "flowers" else ""
    where = f"not in {folder}, and " if folder else ""
    return Found(
        missing=f"{where}{hosts[0]} does not answer: put {' '.join(files)}{own} in a folder, and give DATA=FOLDER"
    )


def _in_folder(name: str, files: tuple[str, ...], folder: Path) -> Found | None:
    """The official files, else class folders or an archive of them that is called like the data set."""
    for place in (folder, folder / name):
        if all((place / file).is_file() for file in files):
            return Found((f"dataset.mirror={place}",))
    called = re.compile(re.escape(name) + r"(?![0-9a-z])", re.IGNORECASE)  # cifar100 is no cifar10
    for item in sorted(folder.iterdir()):
        if called.match(item.name) and (item.is_dir() or item.name.lower().endswith(ARCHIVES)):
            return Found(("dataset.name=folder", f"dataset.path={item}"))
    return None


def _answers(address: str) -> bool:
    import requests

    try:
        return requests.head(address, timeout=TIMEOUT, allow_redirects=True).ok
    except requests.RequestException:
        return False
