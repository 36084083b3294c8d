"""Fetching a file over HTTP: resumed, tried at every host, verified before it gets its name."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError, os_errors
from pipeline.progress import say
from pipeline.pull import PATIENCE, Patience, pull

Check = Callable[[Path], str | None]
"""Looks at a complete file: None if it is right, else what is wrong with it."""


def is_address(place: str) -> bool:
    """Whether `place` is an http(s) address rather than a folder."""
    return place.lower().startswith(("http://", "https://"))


def fetch(
    name: str,
    places: Sequence[str],
    folder: Path,
    check: Check,
    patience: Patience = PATIENCE,
    most: int | None = None,
) -> Path:
    """The verified file `name`, from `folder` if it is there already, else from the first place that has it.

    Args:
        name: the file's name at each place and in `folder`.
        places: addresses (`http`, `https`) of folders or of the file itself, or local folders, tried in order.
        folder: where finished and partial files are kept; one process at a time fetches the same file.
        check: run on the complete bytes before the file gets its final name.
        patience: when to give up on a server.
        most: bytes that the file may have; None: as many as the disk has room for.

    Raises:
        UserError: no place could give the right bytes; says what happened at each.
    """
    target = folder / name
    if target.exists() and check(target) is None:
        return target
    with os_errors("cannot keep downloads", folder), _alone(target):
        if target.exists() and check(target) is None:  # another process was here first
            return target
        problems = []
        for place in places:
            problem = _try_place(name, place, target, check, patience, most)
            if problem is None:
                return target
            problems.append(f"{_file_at(place, name)}: {problem}")
            say(f"download: {problems[-1]}")
    raise UserError(
        f"could not get {name}: {'; '.join(problems)}. Check the network, or set dataset.mirror to a folder or "
        "address that has the file, then run again (a partial file is resumed)"
    )


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Holds the lock of `target`; its file goes with it, since waiting processes notice that."""
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    place = target.with_name(f".{target.name}.lock")
    lock = FileLock(place)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"download: another process is fetching {target.name}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        if os.name == "posix":
            place.unlink(missing_ok=True)
        lock.release()


def _file_at(place: str, name: str) -> str:
    """A place is a folder, or the address of the file itself, which may end with a query."""
    itself = is_address(place) and place.partition("://")[2].partition("?")[0].endswith(f"/{name}")
    return place if itself else f"{place.rstrip('/')}/{name}"


def _try_place(name: str, place: str, target: Path, check: Check, patience: Patience, most: int | None) -> str | None:
    partial = target.with_name(f"{name}.part")

    def attempt() -> str | None:
        if is_address(place):
            return pull(_file_at(place, name), partial, patience, most) or _wrong(partial, check)
        return _copy(Path(place), partial, name) or _wrong(partial, check)

    resumed = partial.exists()
    problem = attempt()
    if problem and resumed and not partial.exists():  # what was there before may have been the wrong part
        problem = attempt()
    if problem is None:
        partial.replace(target)
    return problem


def _wrong(partial: Path, check: Check) -> str | None:
    problem = check(partial)
    if problem is not None:
        partial.unlink()
    return problem


def _copy(folder: Path, partial: Path, name: str) -> str | None:
    source = folder.expanduser() / name
    if not source.is_file():
        return "no such file"
    shutil.copyfile(source, partial)
    return None
