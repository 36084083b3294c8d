"""What git knows about the code that runs."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

# Files the pipeline itself writes; they are stored with each run, so they do not make the code "dirty".
WRITTEN = ("dvc.lock", "params.yaml")
PLAIN = ("--no-color", "--src-prefix=a/", "--dst-prefix=b/")  # as `git apply` reads it, whatever the user has set


def commit() -> str:
    """The current commit, or "unknown"."""
    return _git("rev-parse", "HEAD").strip() or "unknown"


def branch() -> str:
    """The current branch, or "detached"."""
    return _git("symbolic-ref", "--short", "-q", "HEAD").strip() or "detached"


def changed_files() -> list[str]:
    """Changed, staged and untracked files (not ignored ones) but those the pipeline writes."""
    lines = _git("status", "--porcelain", "--untracked-files=all", "-z").split("\0")
    return sorted(line[3:] for line in lines if len(line) > 3 and line[3:] not in WRITTEN)


def code_diff() -> str:
    """The difference to the commit, new files included."""
    changed = _git("diff", "--no-ext-diff", *PLAIN, "HEAD", "--", ".", *(f":!{name}" for name in WRITTEN))
    untracked = _git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    return changed + "".join(_git("diff", *PLAIN, "--no-index", "--", "/dev/null", name) for name in untracked if name)


def config(key: str) -> str:
    """A setting, as `user.name`; empty where there is none."""
    return _git("config", "--get", key).strip()


def commits_named(pattern: str) -> list[str]:
    """The commits that refs of this pattern name, the newest first."""
    return _git("for-each-ref", "--sort=-creatordate", "--format=%(objectname)", pattern).split()


def forget_ref(name: str) -> None:
    """Removes a ref, if there is one of that name."""
    _git("update-ref", "-d", name)


def file_at(revision: str, file: Path) -> str:
    """A file's text at a revision; empty where it has none."""
    return _git("show", f"{revision}:{file.as_posix()}")


def differs(revision: str, files: Sequence[str]) -> bool:
    """Whether any of the files in the workspace differs from a revision."""
    return bool(_git("diff", "--no-ext-diff", "--name-only", revision, "--", *files))


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=Path.cwd(), capture_output=True, timeout=60, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
