"""Temporary worktrees, and differences of code laid over them."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline import machine, worktree
from pipeline.errors import UserError
from tests.checkout import IDENTITY


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit that is the current folder; its hooks fail."""
    folder = tmp_path / "repository"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "file.txt").write_text("one\n")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        subprocess.run(["git", *words], cwd=folder, env=os.environ | IDENTITY, check=True)
    hook = folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    monkeypatch.chdir(folder)
    return folder


def trees(folder: Path) -> list[str]:
    done = subprocess.run(["git", "worktree", "list"], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_worktree_has_the_commit_and_goes_again(repository: Path) -> None:
    (repository / "inside" / "file.txt").write_text("two\n")
    with worktree.checked_out("HEAD") as place:
        assert (place / "inside" / "file.txt").read_text() == "one\n"
        assert repository not in place.parents and len(trees(repository)) == 2
    assert not place.parent.exists() and len(trees(repository)) == 1


def test_it_goes_when_something_breaks(repository: Path) -> None:
    with pytest.raises(KeyboardInterrupt), worktree.checked_out("HEAD") as place:
        raise KeyboardInterrupt
    assert not place.parent.exists() and len(trees(repository)) == 1


def test_a_folder_inside_the_repository_stays_that_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "inside")
    with worktree.checked_out("HEAD") as place:
        assert (place / "file.txt").read_text() == "one\n"


def test_what_a_killed_process_left_is_removed_and_what_lives_stays(repository: Path) -> None:
    with worktree.checked_out("HEAD") as living, worktree.checked_out("HEAD") as left:
        (left.parent / worktree.MARK).write_text("1@0.00")
        with worktree.checked_out("HEAD"):
            assert living.exists() and not left.exists()
            assert machine.process_lives((living.parent / worktree.MARK).read_text())


def test_a_commit_is_there_or_not(repository: Path) -> None:
    assert worktree.has_commit("HEAD") and not worktree.has_commit("0" * 40)
    with pytest.raises(UserError, match="`git worktree` fails here"), worktree.checked_out("0" * 40):
        pass
    assert len(trees(repository)) == 1


def test_binary_files_of_a_difference_are_left_out_and_named() -> None:
    text = b"diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-Binary files x differ\n+two\n"
    binary = b"diff --git a/p q.png b/p q.png\nindex 1..2 100644\nBinary files a/p q.png and b/p q.png differ\n"
    assert worktree.without_binaries(binary + text) == (text, ["p q.png"])


def test_outside_a_repository_git_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not a git repository"), worktree.checked_out("HEAD"):
        pass
