"""Fetching a file over HTTP: resumed, tried at every host, verified before it gets its name."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import requests
import urllib3.exceptions

from pipeline.errors import UserError, one_line, os_errors
from pipeline.progress import progress_bar, say

CHUNK = 1 << 18
TIMEOUT = (10, 30)  # seconds to connect, seconds without a byte

Check = Callable[[Path], str | None]
"""Looks at a complete file: None if it is right, else what is wrong with it."""


def is_address(place: str) -> bool:
    """Whether `place` is an http(s) address rather than a folder."""
    return place.lower().startswith(("http://", "https://"))


def fetch(name: str, places: Sequence[str], folder: Path, check: Check) -> Path:
    """The verified file `name`, from `folder` if it is there already, else from the first place that has it.

    Args:
        name: the file's name at each place and in `folder`.
        places: addresses (`http`, `https`) or local folders, tried in order.
        folder: where finished and partial files are kept.
        check: run on the complete bytes before the file gets its final name.

    Raises:
        UserError: no place could give the right bytes; says what happened at each.
    """
    target = folder / name
    if target.exists() and check(target) is None:
        return target
    problems = []
    for place in places:
        problem = _try_place(name, place, target, check)
        if problem is None:
            return target
        problems.append(f"{place.rstrip('/')}/{name}: {problem}")
        say(f"download: {problems[-1]}")
    raise UserError(
        f"could not get {name}: {'; '.join(problems)}. Check the network, or set dataset.mirror to a folder or "
        "address that has the file, then run again (a partial file is resumed)"
    )


def _try_place(name: str, place: str, target: Path, check: Check) -> str | None:
    partial = target.with_name(f"{name}.part")
    with os_errors("cannot keep downloads", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        resumed = partial.exists()
        problem = _bring(name, place, partial) or _wrong(partial, check)
        if problem and resumed and not partial.exists():  # what was there before may have been the wrong part
            problem = _bring(name, place, partial) or _wrong(partial, check)
        if problem is None:
            partial.replace(target)
    return problem


def _wrong(partial: Path, check: Check) -> str | None:
    problem = check(partial)
    if problem is not None:
        partial.unlink()
    return problem


def _bring(name: str, place: str, partial: Path) -> str | None:
    if not is_address(place):
        return _copy(Path(place), partial, name)
    have = -1
    problem: str | None = None
    while have < (have := _size(partial)):  # a cut connection is taken up again as long as bytes come
        problem = _pull(f"{place.rstrip('/')}/{name}", partial)
        if problem is None:
            return None
    return problem


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _copy(folder: Path, partial: Path, name: str) -> str | None:
    source = folder.expanduser() / name
    if not source.is_file():
        return "no such file"
    shutil.copyfile(source, partial)
    return None


def _pull(url: str, partial: Path) -> str | None:
    """Appends to `partial` what is missing; returns what went wrong, with the bytes so far kept."""
    have = _size(partial)
    headers = {"Range": f"bytes={have}-"} if have else {}
    # Bytes as served: with a content encoding, ranges and lengths would not count the file's own bytes.
    headers["Accept-Encoding"] = "identity"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
            return _receive(reply, partial, have)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return _network_problem(error)


def _receive(reply: requests.Response, partial: Path, have: int) -> str | None:
    if reply.status_code == 416:  # nothing left to send: complete, or not the file it began as; `check` tells
        return None
    if reply.status_code not in (200, 206):
        return f"HTTP {reply.status_code} {reply.reason}"
    if reply.status_code == 206 and not _continues(reply, have):
        partial.unlink(missing_ok=True)
        return "the server sent another part than asked for; the next try starts over"
    resumed = reply.status_code == 206
    start = have if resumed else 0
    length = reply.headers.get("Content-Length")
    total = start + int(length) if length else None
    if resumed:
        say(f"download: {partial.stem} goes on after {have:,} bytes")
    with partial.open("ab" if resumed else "wb") as stream, progress_bar(partial.stem, total, "B", start) as advance:
        while chunk := reply.raw.read1(CHUNK):  # `iter_content` would lose what came just before a cut
            stream.write(chunk)
            advance(len(chunk))
    got = partial.stat().st_size
    return f"cut off after {got:,} of {total:,} bytes" if total is not None and got < total else None


def _continues(reply: requests.Response, have: int) -> bool:
    return reply.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _network_problem(error: Exception) -> str:
    if isinstance(error, (requests.Timeout, urllib3.exceptions.ReadTimeoutError)):
        return f"no answer within {TIMEOUT[1]} s"
    if isinstance(error, urllib3.exceptions.HTTPError):  # while the body is read
        return "connection cut"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "host unreachable"
    return one_line(error)
