"""Files that appear whole or not at all, and their digests."""

import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from pipeline.errors import UserError

PID_DIGITS = 9  # more than any system gives; what has more was not written here


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yields a path beside `target` to write a file to; renames it on success, removes it on failure."""
    beside = _beside(target)
    try:
        yield beside
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """As `replacing`, for a folder: what stood at `target` goes only when the new one is complete."""
    with scratch_folder(target) as beside:
        yield beside
        shutil.rmtree(target, ignore_errors=True)
        beside.replace(target)


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """Yields an empty folder beside `target`, and removes it whatever happens."""
    beside = _beside(target)
    beside.mkdir()
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _beside(target: Path) -> Path:
    """A free path beside `target`. What processes that were killed left under such paths is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        pid = left.name.removesuffix(".tmp").rpartition(".")[2]
        if pid.isdecimal() and len(pid) <= PID_DIGITS and (int(pid) == os.getpid() or _is_gone(int(pid))):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _is_gone(pid: int) -> bool:
    """Whether a process has ended; one that was killed may stay in the list until its parent looks."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def require_room(folder: Path, needed: int) -> None:
    """Stops before anything is written where the disk of `folder` cannot take `needed` bytes.

    Raises:
        UserError: there is less room.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder} has no room: {needed / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB are free. "
            "Make room on that disk, then run again"
        )


def reserve(path: Path) -> None:
    """Takes the room of a sparse file from the disk at once.

    Writing to a memory map of it on a full disk would end the process by a signal, without a word.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


def write_all(stream: IO[bytes], content: bytes) -> None:
    """Writes to a file opened without a buffer, which takes what it can. (A buffer that a full disk
    refused would complain once more when it is closed.)
    """
    left = memoryview(content)
    while left:
        left = left[stream.write(left) :]


def write_text(target: Path, text: str) -> None:
    """Writes UTF-8 with Unix line ends, whole or not at all."""
    with replacing(target) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def at_home(path: str, called: str) -> Path:
    """The path with `~` spelt out.

    Raises:
        UserError: there is no such home; names `called`.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{called} {path!r} names a home that cannot be found: write the path out") from error


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def tree_digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's sorted relative names and file digests."""
    if path.is_file():
        return file_digest(path)
    digest = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()
