"""A commit in a temporary git worktree outside the repository, which goes again whatever happens."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import machine
from pipeline.errors import UserError, one_line

PREFIX = "reprolens-worktree-"
MARK = "process"  # in the temporary folder: which process works there
WITHOUT_HOOKS = ("-c", "core.hooksPath=/dev/null")
# A program that runs inside a git hook is told these; they would lead back to the other checkout.
OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def environment() -> dict[str, str]:
    """The environment of this process without what names a checkout to git."""
    return {name: value for name, value in os.environ.items() if name not in OF_GIT}


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Yields the folder that corresponds to the current one, at `commit`; its parent is as temporary.

    What killed processes left is removed first.

    Raises:
        UserError: git cannot make it.
    """
    for left in _left_behind():
        _remove(left)
    inside = _git("rev-parse", "--show-prefix").strip()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        (folder / MARK).write_text(machine.process_mark(), encoding="utf-8")
        _git("worktree", "add", "--quiet", "--detach", str(folder / "repository"), commit)
        yield folder / "repository" / inside
    finally:
        _remove(folder)


def has_commit(commit: str) -> bool:
    """Whether the repository has a commit."""
    return _run("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def apply(diff: bytes, place: Path) -> list[str]:
    """Applies a difference of the code in a worktree.

    Returns:
        The binary files in it, which a difference only names: they stay as the commit has them.

    Raises:
        UserError: it does not fit.
    """
    patch, binaries = without_binaries(diff)
    if not patch.strip():
        return binaries
    top = Path(_git("rev-parse", "--show-toplevel", place=place).strip())
    done = _run("apply", "--whitespace=nowarn", "-", place=top, text=patch)
    if done.returncode:
        raise UserError(f"its code.diff does not fit its commit ({_said(done)})")
    return binaries


def without_binaries(diff: bytes) -> tuple[bytes, list[str]]:
    """The text files of a difference, and the names of the binary ones."""
    parts = re.split(rb"(?m)^(?=diff --git )", diff)
    binary = [part for part in parts if re.search(rb"(?m)^Binary files .* differ$", part)]
    names = [re.sub(rb"^diff --git .* b/", b"", part.splitlines()[0]).decode(errors="replace") for part in binary]
    return b"".join(part for part in parts if part not in binary), names


def _left_behind() -> list[Path]:
    """Temporary folders of processes that are gone."""
    listed = _git("worktree", "list", "--porcelain").splitlines()
    folders = [Path(line.removeprefix("worktree ")).parent for line in listed if line.startswith("worktree ")]
    ours = [folder for folder in folders if folder.name.startswith(PREFIX)]
    return [folder for folder in ours if not machine.process_lives(_mark_of(folder))]


def _mark_of(folder: Path) -> str:
    try:
        return (folder / MARK).read_text(encoding="utf-8")
    except OSError:
        return ""


def _remove(folder: Path) -> None:
    """The folder, and what git knows of it."""
    shutil.rmtree(folder, ignore_errors=True)
    _run("worktree", "remove", "--force", "--force", str(folder / "repository"))


def _git(*words: str, place: Path | None = None) -> str:
    done = _run(*words, place=place)
    if done.returncode:
        raise UserError(f"`git {words[0]}` fails here: {_said(done)}")
    return done.stdout.decode(errors="surrogateescape")


def _run(*words: str, place: Path | None = None, text: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", *WITHOUT_HOOKS, *words],
            cwd=place or Path.cwd(),
            env=environment(),
            input=text,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise UserError("git is not installed: install it, a run is made again from its commit") from error


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The first line of what git complains of."""
    text = one_line(ValueError(done.stderr.decode(errors="replace").strip().partition("\n")[0]))
    return text or f"exit code {done.returncode}"
