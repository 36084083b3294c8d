"""What DVC keeps that nothing needs any more: no branch, tag, experiment or workspace, and nothing named beside."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError, one_line

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB
    from dvc_data.hashfile.hash_info import HashInfo

FOLDER_MARK = ".dir"  # at the end of the hash of a folder, whose object lists its files
REMOTES = "refs/remotes/"


@dataclass(frozen=True)
class Unused:
    """What can go from one place: how many objects, and their bytes."""

    place: str
    count: int
    num_bytes: int


@contextmanager
def opened() -> Iterator["Repo"]:
    """The DVC repository of this folder, locked, so that nobody adds to its cache meanwhile.

    Raises:
        UserError: another DVC is at work, or its settings are broken.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo() as repo, repo.lock:
            yield repo
    except LockError as error:
        raise UserError("another DVC is at work in this folder: run this again when it has ended") from error
    except DvcException as error:
        raise UserError(f"DVC cannot tell what is needed: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The message, and that of what is below it all, as of a remote that asks for credentials."""
    below = error
    while below.__cause__ or below.__context__:
        below = below.__cause__ or below.__context__ or below
    return one_line(error) if below is error else f"{one_line(error)} ({one_line(below)})"


def needed(repo: "Repo", hashes: Iterable[str]) -> "set[HashInfo]":
    """Every object that the workspace, a branch here or at a git remote, a tag or an experiment needs, and `hashes`.

    Raises:
        DvcException: the lock of one of them cannot be read; then nothing may go.
    """
    from dvc_data.hashfile.hash_info import HashInfo

    known = repo.used_objs(all_branches=True, all_tags=True, all_experiments=True, revs=_remote_branches(repo))
    named = {HashInfo("md5", value) for value in hashes}
    inside = {info for value in named if value.value.endswith(FOLDER_MARK) for info in _inside(repo, value)}
    return set().union(*known.values()) | named | inside


def _remote_branches(repo: "Repo") -> list[str]:
    return [ref for ref in repo.scm.iter_refs(REMOTES) if not ref.endswith("/HEAD")]


def _inside(repo: "Repo", folder: "HashInfo") -> "Iterator[HashInfo]":
    """The files of a folder, where its list is in the cache."""
    from dvc_data.hashfile.tree import Tree

    if repo.cache.local.exists(folder.value):
        for _, _, info in Tree.load(repo.cache.local, folder):
            yield info


def unused(repo: "Repo", needed: "set[HashInfo]", cloud: bool) -> list[Unused]:
    """What can go from the cache and, with `cloud`, from the default remote."""
    return [_unused(place, store, needed) for place, store in _stores(repo, cloud)]


def _unused(place: str, store: "HashFileDB", needed: "set[HashInfo]") -> Unused:
    kept = {info.value for info in needed if info.name == store.hash_name}
    left = [store.oid_to_path(oid) for oid in store.all() if oid not in kept]
    return Unused(place, len(left), sum(store.fs.size(path) or 0 for path in left))


def remove(repo: "Repo", needed: "set[HashInfo]", cloud: bool) -> None:
    """Removes what `unused` tells of."""
    from dvc_data.hashfile.db import get_index
    from dvc_data.hashfile.gc import gc

    for place, store in _stores(repo, cloud):
        if gc(store, needed) and place != CACHE:
            get_index(store).clear()  # which remembers what the remote has


CACHE = "the cache"


def _stores(repo: "Repo", cloud: bool) -> Iterator[tuple[str, "HashFileDB"]]:
    seen: list[Any] = []
    for _, store in repo.cache.by_scheme():
        if store and store not in seen:
            seen.append(store)
            yield CACHE, store
    if cloud:
        for kind in ("md5", "md5-dos2unix"):
            yield "the remote", repo.cloud.get_remote_odb(None, "gc", hash_name=kind)
