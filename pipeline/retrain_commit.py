"""The commit that `reprolens retrain --commit` makes: `dvc.lock` and `params.yaml`, nothing else."""

import os
import subprocess
from collections.abc import Mapping

from pipeline import git, paths
from pipeline.errors import UserError

FILES = (str(paths.GRAPH_LOCK), str(paths.PARAMS))


def possible() -> None:
    """Holds the tree to what can be committed.

    Raises:
        UserError: this is no git repository with a commit, or other files have changed.
    """
    if git.commit() == "unknown":
        raise UserError("--commit needs a git repository with a commit: `git init`, `git add -A`, `git commit`")
    if changed := git.changed_files():
        shown = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
        raise UserError(
            f"--commit: {len(changed)} other file{'s have' if len(changed) > 1 else ' has'} changed ({shown}): commit "
            "or stash them first, so that the commit leads back to the code that ran"
        )


def commit(message: str, environment: Mapping[str, str]) -> str:
    """Commits the two files where they have changed; returns the commit they stand in.

    Raises:
        UserError: git refuses.
    """
    _git(environment, "add", "--", *FILES)
    if _git(environment, "status", "--porcelain", "--", *FILES):
        _git(environment, "commit", "--quiet", "--only", "--message", message, "--", *FILES)
    return git.commit()


def _git(environment: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        ["git", *words], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UserError(f"git {words[0]} failed ({said[-1]}): mend that, then run this again")
    return done.stdout
