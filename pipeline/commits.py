"""Commits of this repository by what people write for one."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Commit:
    """Its full hash and the first line of its message."""

    number: str
    subject: str


def find(revision: str) -> Commit | None:
    """The commit that a hash, the beginning of one, a branch or a tag names."""
    return _last("--end-of-options", revision, "--")


def last_change(file: Path) -> Commit | None:
    """The last commit that changed a file that git knows."""
    return _last("--", str(file))


def _last(*words: str) -> Commit | None:
    try:
        done = subprocess.run(
            ["git", "log", "-1", "--no-show-signature", "--format=%H%n%s", *words], capture_output=True, check=False
        )
    except FileNotFoundError:  # no git
        return None
    number, _, subject = done.stdout.decode(errors="replace").strip().partition("\n")
    return Commit(number, subject) if done.returncode == 0 and number else None
