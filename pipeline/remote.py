"""Pictures at an http(s):// or s3:// address: an archive, or a folder of class folders.

Archives over HTTP come through `fetch`; all else through fsspec, so that any file system with an fsspec
package works (gs:// with gcsfs...). What was fetched is kept under the version the server names (ETag,
time, size): a repeated call goes on where the last one stopped, and never mixes two versions.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import urllib3.exceptions

from pipeline.archives import pack_members, pack_pictures
from pipeline.checksums import wrong_sha256
from pipeline.errors import UserError
from pipeline.fetch import fetch, is_address
from pipeline.params import Dataset
from pipeline.progress import progress_bar, say
from pipeline.pull import PATIENCE, Patience
from pipeline.raw_tar import Open
from pipeline.remote_trouble import network_errors

CHUNK = 8 << 20  # bytes asked for at once
BATCH = 128  # files fetched at once


@dataclass(frozen=True)
class Remote:
    """A file at an address: its path there, its size in bytes (-1: not told), and what changes when it changes."""

    path: str
    size: int
    version: str

    @property
    def kept_as(self) -> str:
        """A file name for exactly these bytes."""
        return hashlib.sha256(f"{self.path}\0{self.version}\0{self.size}".encode()).hexdigest()[:32]


def is_remote(place: str) -> bool:
    """Whether `place` is an address rather than a path."""
    return "://" in place


def pack(params: Dataset, target: Path, scratch: Path, patience: Patience = PATIENCE, most: int | None = None) -> None:
    """Writes the pictures at the address `params.path` to the canonical tar `target`.

    Args:
        patience: when to give up on a web server.
        most: bytes that an archive on a web server may have; None: as many as the disk has room for.

    Raises:
        UserError: nothing there, no access, a broken connection or archive, a wrong checksum, no class folders.
    """
    kept = scratch / "remote" / hashlib.sha256(params.path.encode()).hexdigest()[:16]
    if is_address(params.path) and urlsplit(params.path).path.rpartition("/")[2]:  # a file, not `https://host/folder/`
        return _pack_archive(_fetch_archive(params, kept, patience, most), params, target, scratch)
    with network_errors(params.path):
        system, path = _connect(params.path)
        if not is_address(path) and (found := system.info(path))["type"] == "file":
            archive = _copy_archive(system, _remote(path, found), params, kept)
            return _pack_archive(archive, params, target, scratch)
        _pack_folder(system, path, params, target, kept)
    return None


def _pack_archive(archive: Path, params: Dataset, target: Path, scratch: Path) -> None:
    pack_pictures(archive, target, scratch, params.path)
    for version in archive.parent.parent.iterdir():  # earlier ones
        if version != archive.parent:
            shutil.rmtree(version)


def _fetch_archive(params: Dataset, kept: Path, patience: Patience, most: int | None) -> Path:
    name = urlsplit(params.path).path.rpartition("/")[2]
    version = params.sha256 or _http_version(params.path, patience)
    folder = kept / hashlib.sha256(version.encode()).hexdigest()[:16]
    if not version:
        (folder / name).unlink(missing_ok=True)
    return fetch(name, [params.path], folder, lambda path: _wrong(path, params), patience, most)


def _wrong(path: Path, params: Dataset) -> str | None:
    return wrong_sha256(path, params.sha256) if params.sha256 else None


def _http_version(address: str, patience: Patience) -> str:
    try:
        reply = requests.head(address, allow_redirects=True, timeout=(patience.connect, patience.silence))
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):  # ValueError: a redirect to nonsense
        return ""  # fetching says it better
    marks = [reply.headers.get(name, "") for name in ("ETag", "Last-Modified")]
    return " ".join([*marks, reply.headers.get("Content-Length", "")]) if reply.ok and any(marks) else ""


def _connect(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    system, path = url_to_fs(address, skip_instance_cache=True)
    return system, str(path)


def _remote(path: str, info: dict[str, Any]) -> Remote:
    marks = filter(None, (info.get(name) for name in ("ETag", "etag", "LastModified", "mtime", "updated")))
    return Remote(path, -1 if info.get("size") is None else info["size"], str(next(marks, "")))


def _copy_archive(system: Any, archive: Remote, params: Dataset, kept: Path) -> Path:
    """Copies one object chunk by chunk, going on after what is there."""
    target = kept / archive.kept_as / archive.path.rpartition("/")[2]
    partial = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        with partial.open("ab") as stream, progress_bar(target.name, archive.size, "B", stream.tell()) as advance:
            if stream.tell():
                say(f"download: {target.name} goes on after {stream.tell():,} bytes")
            while (start := stream.tell()) < archive.size:
                chunk = system.cat_file(archive.path, start=start, end=min(start + CHUNK, archive.size))
                stream.write(chunk)
                advance(len(chunk))
        partial.replace(target)
    if problem := _wrong(target, params):
        target.unlink()
        raise UserError(f"dataset.path {params.path!r}: {problem}. Mend dataset.sha256, or put the right file there")
    return target


def _pack_folder(system: Any, path: str, params: Dataset, target: Path, kept: Path) -> None:
    if params.sha256:
        raise UserError("dataset.sha256 is of an archive, but dataset.path is a folder: leave it empty")
    start = f"{path.rstrip('/')}/"
    found = {name: _remote(name, info) for name, info in sorted(system.find(path, detail=True).items())}
    files = {unquote(name.removeprefix(start)): item for name, item in found.items() if not name.endswith("/")}
    for name in files:
        if ".." in name.split("/") or name.startswith("/"):
            raise UserError(f"dataset.path {params.path!r} holds {name!r}, a path that leads out of it: rename it")
    folder = kept / "files"
    folder.mkdir(parents=True, exist_ok=True)
    _copy_files(system, [item for item in files.values() if not _is_there(item, folder)], folder)
    members = {name: (_size(folder / item.kept_as), _opener(folder / item.kept_as)) for name, item in files.items()}
    pack_members(members, f"dataset.path {params.path!r}", target)
    for stale in {file.name for file in folder.iterdir()} - {item.kept_as for item in files.values()}:
        (folder / stale).unlink()


def _is_there(item: Remote, folder: Path) -> bool:
    """Whether exactly these bytes were fetched before; never where the server names no version."""
    return bool(item.version) and (folder / item.kept_as).exists()


def _copy_files(system: Any, missing: Sequence[Remote], folder: Path) -> None:
    with progress_bar("download", len(missing), "files") as advance:
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            partial = [folder / f"{item.kept_as}.part" for item in batch]
            system.get([item.path for item in batch], [str(file) for file in partial])
            for file in partial:
                file.replace(file.with_suffix(""))
            advance(len(batch))


def _size(file: Path) -> int:
    return file.stat().st_size


def _opener(file: Path) -> Open:
    return lambda: file.open("rb")
