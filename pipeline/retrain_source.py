"""The snapshot of the source: what lies in `data/` after `split`, pinned by the hashes in `dvc.lock`."""

import hashlib
import os
from pathlib import Path

from pipeline import paths
from pipeline.dvc_program import Dvc
from pipeline.errors import UserError
from pipeline.files import write_text
from pipeline.params import Dataset
from pipeline.progress import say
from pipeline.record import locked_hashes
from pipeline.remote import is_remote

TRIES = 3
DATA = paths.RAW.parts[0]


def is_unwatched(dataset: Dataset) -> bool:
    """Whether new data may be at an address that DVC does not ask: `download` alone can tell."""
    return dataset.name == "folder" and is_remote(dataset.path) and not dataset.sha256 and dataset.watch != dataset.path


def take(dataset: Dataset, dvc: Dvc, again: bool) -> None:
    """Downloads and divides what is at the source.

    DVC hashes the source after `download` has read it, so a picture that came in between would count as read: where
    the source has changed meanwhile, it is read again.

    Args:
        again: download even where DVC sees nothing new.

    Raises:
        UserError: that failed; the stage's own line says why.
    """
    for number in range(TRIES):
        before = listing(dataset.watch)
        if again or number:
            dvc.require("the data could not be fetched", "repro", "--force", "--single-item", "download")
        dvc.require("the data could not be fetched and divided", "repro", "split")
        if listing(dataset.watch) == before:
            return
        say("retrain: the source has changed meanwhile")
    say("retrain: the source goes on changing: what comes now is left to the next call")


def hashes() -> dict[str, str]:
    """The MD5 of raw data and splits, by path, as `dvc.lock` has them."""
    return {path.as_posix(): digest for path, digest in locked_hashes().items() if path.parts[0] == DATA}


def put_back(lock: str | None, dvc: Dvc) -> None:
    """Brings `dvc.lock`, and with it the workspace, back to where they were.

    Args:
        lock: what `dvc.lock` held; None: there was none.

    Raises:
        UserError: DVC cannot bring the files back.
    """
    if lock is None:
        paths.GRAPH_LOCK.unlink(missing_ok=True)
        return
    write_text(paths.GRAPH_LOCK, lock)
    if dvc.run("checkout", "--force", "--quiet", "--allow-missing"):
        raise UserError("the workspace could not be set back to the data before: run `dvc checkout`")


def listing(place: str) -> str:
    """A digest of names, sizes and times of what lies at a path; of an address nothing."""
    if is_remote(place):
        return ""
    digest = hashlib.sha256()
    folder = Path(place)
    files = sorted(_files(folder)) if folder.is_dir() else [folder]
    for file in files:
        try:
            facts = file.stat()
        except OSError:  # gone just now
            continue
        digest.update(f"{file}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return [Path(place) / name for place, _, names in os.walk(folder) for name in names]
