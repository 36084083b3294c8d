"""The commit of `--commit`: two files, and only from a tree that leads back to the code."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import retrain_commit
from pipeline.errors import UserError
from tests.checkout import IDENTITY

Git = Callable[..., str]


@pytest.fixture
def git(workspace: Path) -> Git:
    """The workspace as a repository with a commit; runs git in it."""

    def run(*words: str) -> str:
        environment = os.environ | IDENTITY
        done = subprocess.run(
            ["git", *words], cwd=workspace, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    (workspace / ".gitignore").write_text("__pycache__/\n")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        run(*words)
    return run


def test_lock_and_params_alone_are_committed(workspace: Path, git: Git) -> None:
    (workspace / "dvc.lock").write_text("stages: {}\n")
    (workspace / "params.yaml").write_text("{}\n")
    retrain_commit.possible()
    (workspace / "other.txt").write_text("of a person who works on\n")
    git("add", "other.txt")
    made = retrain_commit.commit("Retrained: better", IDENTITY)
    assert git("rev-parse", "HEAD").strip() == made
    assert git("show", "--format=%s", "--name-only").split("\n") == [
        "Retrained: better",
        "",
        "dvc.lock",
        "params.yaml",
        "",
    ]
    assert git("status", "--porcelain") == "A  other.txt\n"


def test_nothing_changed_is_no_commit(workspace: Path, git: Git) -> None:
    (workspace / "dvc.lock").write_text("stages: {}\n")
    first = retrain_commit.commit("one", IDENTITY)
    assert retrain_commit.commit("two", IDENTITY) == first
    assert git("rev-list", "--count", "HEAD") == "2\n"


def test_other_changes_are_refused(workspace: Path, git: Git) -> None:
    for number in range(4):
        (workspace / f"{number}.txt").write_text("new\n")
    with pytest.raises(
        UserError, match=re.escape("4 other files have changed (0.txt, 1.txt, 2.txt, ...): commit or stash")
    ):
        retrain_commit.possible()


def test_no_repository_is_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(workspace.parent))
    with pytest.raises(UserError, match="--commit needs a git repository with a commit"):
        retrain_commit.possible()


def test_a_hook_that_refuses_is_one_line(workspace: Path, git: Git) -> None:
    hook = workspace / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    (workspace / "dvc.lock").write_text("stages: {}\n")
    with pytest.raises(UserError, match=r"git commit failed \(not today\)"):
        retrain_commit.commit("one", IDENTITY)
