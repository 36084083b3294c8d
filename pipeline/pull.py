"""One file over HTTP, appended to what is there of it; bad servers end in a few words."""

import errno
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from pipeline.files import write_all
from pipeline.progress import progress_bar, say
from pipeline.trouble import Busy, Cut, Trouble, shown, understood

CHUNK = 1 << 18
MOST_REDIRECTS = 10
BUSY = (429, 500, 502, 503, 504)  # may be over in a moment


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for."""

    connect: float = 10  # seconds
    silence: float = 30  # seconds without a byte
    slowest: int = 1_000  # bytes per second, over each
    window: float = 60  # seconds
    pauses: tuple[float, ...] = (1, 4)  # seconds before a server that says it is busy is asked again


PATIENCE = Patience()


@dataclass
class _Pace:
    """Keeps a server from dripping: over each window enough bytes must come."""

    patience: Patience
    began: float
    moved: int = 0

    def count(self, num_bytes: int) -> None:
        self.moved += num_bytes
        if time.monotonic() - self.began < self.patience.window:
            return
        if self.moved < self.patience.slowest * self.patience.window:
            raise Trouble(f"slower than {self.patience.slowest:,} bytes per second")
        self.began, self.moved = time.monotonic(), 0


def pull(url: str, partial: Path, patience: Patience = PATIENCE, most: int | None = None) -> str | None:
    """Appends to `partial` what is missing; a cut connection is taken up again as long as bytes come.

    Args:
        url: http(s); redirects are followed to http(s) only.
        partial: created if need be; kept when something goes wrong, so that it can be gone on with.
        patience: when to give up.
        most: bytes that the file may have; None: as many as the disk has room for.

    Returns:
        What went wrong in few words, or None.
    """
    pace, pauses = _Pace(patience, time.monotonic()), list(patience.pauses)
    while True:
        have = _size(partial)
        try:
            _pull_once(url, partial, pace, most)
            return None
        except Cut as trouble:
            if _size(partial) <= have:
                return str(trouble)
        except Busy as trouble:
            if not pauses:
                return str(trouble)
            time.sleep(pauses.pop(0))
        except Trouble as trouble:
            return str(trouble)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _pull_once(url: str, partial: Path, pace: _Pace, most: int | None) -> None:
    have = _size(partial)
    # Bytes as served: with a content encoding, ranges and lengths would not count the file's own bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.Session() as session, _open(session, url, headers, pace.patience) as reply:
            _receive(reply, partial, have, pace, most)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise understood(error, pace.patience.connect, pace.patience.silence) from error


def _open(session: requests.Session, url: str, headers: dict[str, str], patience: Patience) -> requests.Response:
    """Follows redirects itself, since `requests` reads the page of each into memory, however long it is."""
    for _ in range(MOST_REDIRECTS + 1):
        request = session.prepare_request(requests.Request("GET", url, headers))
        settings: dict[str, Any] = {**session.merge_environment_settings(request.url or url, {}, True, True, None)}
        timeout = (patience.connect, patience.silence)
        reply = session.get_adapter(request.url or url).send(request, timeout=timeout, **settings)
        if not reply.is_redirect:
            return reply
        reply.close()
        url = _followed(url, reply.headers["location"])
    raise Trouble(f"redirects in circles, or more than {MOST_REDIRECTS} times")


def _followed(url: str, location: str) -> str:
    try:
        found = urljoin(url, location)
        if urlsplit(found).scheme in ("http", "https"):
            return found
    except ValueError:  # no address at all
        pass
    raise Trouble(f"leads to {shown(location)!r}, which is no http(s) address")


def _receive(reply: requests.Response, partial: Path, have: int, pace: _Pace, most: int | None) -> None:
    if reply.status_code == 416 and have:  # nothing left to send: complete, or not the file it began as
        return
    if reply.status_code not in (200, 206):
        kind = Busy if reply.status_code in BUSY else Trouble
        raise kind(f"HTTP {reply.status_code} {shown(reply.reason or '')}".strip())
    resumed = reply.status_code == 206
    if resumed and not reply.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        partial.unlink(missing_ok=True)
        raise Trouble("the server sent another part than asked for; the next try starts over")
    start = have if resumed else 0
    length = reply.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    _check_size(total, start, partial, most)
    if resumed:
        say(f"download: {partial.stem} goes on after {have:,} bytes")
    with progress_bar(partial.stem, total, "B", start) as advance:
        try:
            got = _write(reply, partial, "ab" if resumed else "wb", pace, most, advance)
        except OSError as error:
            if error.errno == errno.ENOSPC and total is None:  # it may never end
                partial.unlink(missing_ok=True)
            raise
    if total is not None and got < total:
        raise Cut(f"cut off after {got:,} of {total:,} bytes")


def _check_size(total: int | None, start: int, partial: Path, most: int | None) -> None:
    if total is None:
        return
    if most is not None and total > most:
        raise Trouble(f"has {total:,} bytes, more than the {most:,} expected")
    free = shutil.disk_usage(partial.parent).free
    if total - start > free:
        raise Trouble(f"has {total:,} bytes, and only {free:,} are free in {partial.parent}")


def _write(
    reply: requests.Response, partial: Path, mode: str, pace: _Pace, most: int | None, advance: Callable[[int], None]
) -> int:
    with partial.open(mode, buffering=0) as stream:
        while chunk := reply.raw.read1(CHUNK):  # `iter_content` would lose what came just before a cut
            write_all(stream, chunk)
            advance(len(chunk))
            pace.count(len(chunk))
            if most is not None and stream.tell() > most:
                partial.unlink()
                raise Trouble(f"does not end after the {most:,} bytes expected")
        return int(stream.tell())
