"""DVC experiments: one run of the graph with other params, in a temporary copy, kept under a name.

The workspace stays as it is. What was made before is found by name, and taken if params and code are the same.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import git, params_file, paths
from pipeline.errors import UserError
from pipeline.params import Params

NAME = "Reprolens"  # who makes DVC's commits where git knows nobody


def identity() -> dict[str, str]:
    """The environment that DVC needs to commit where git has no name or no address for the user."""
    wanted = {"NAME": ("user.name", NAME), "EMAIL": ("user.email", "reprolens@localhost")}
    return {
        f"GIT_{role}_{what}": value
        for what, (key, value) in wanted.items()
        for role in ("AUTHOR", "COMMITTER")
        if not git.config(key) and f"GIT_{role}_{what}" not in os.environ
    }


def run(name: str, params: Params) -> bool:
    """Runs the graph with `params` and keeps it as the experiment `name`; whether that went well.

    Raises:
        UserError: this is not a git repository with a commit.
    """
    head = git.commit()
    if head == "unknown":
        raise UserError("DVC experiments need a git repository with a commit: `git init`, `git add -A`, `git commit`")
    changes = overrides(params, params_file.read_yaml(paths.PARAMS))
    _sweep(name)
    git.forget_ref(f"refs/exps/{head[:2]}/{head[2:]}/{name}")  # an older one: DVC refuses to replace it
    command = [str(Path(sys.executable).parent / "dvc"), "exp", "run", "--temp", "--name", name]
    for change in changes:
        command += ["--set-param", change]
    return subprocess.run(command, env={**os.environ, **identity()}, check=False).returncode == 0


def _sweep(name: str) -> None:
    """Removes the copies that DVC leaves behind when it is killed while it runs the experiment `name`."""
    for note in paths.DVC_RUNNING.glob("*/*.run"):
        try:
            facts = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        copy = Path(str(facts.get("root_dir")))
        if facts.get("name") == name and copy.parent == paths.DVC_COPIES.resolve():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.rmtree(note.parent, ignore_errors=True)


def overrides(params: Params, workspace: Mapping[str, Any]) -> list[str]:
    """What `dvc exp run -S` needs to turn the params of the workspace into `params`."""
    have = params_file.flatten(dict(workspace))
    wanted = params_file.flatten(params.model_dump(mode="json"))
    return [f"{key}={_text(value)}" for key, value in wanted.items() if key not in have or have[key] != value]


def _text(value: Any) -> str:
    """A value in Hydra's grammar of overrides."""
    if isinstance(value, list):
        return f"[{','.join(_text(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # Backslashes count as such only before a quote.
        escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value)
        return f"'{escaped}'"
    return str(value)


def find(name: str, params: Params) -> str | None:
    """The commit of the newest experiment `name` that was made with these params by the code at hand."""
    for commit in git.commits_named(f"refs/exps/*/*/{name}"):
        text = git.file_at(commit, paths.PARAMS)
        if text and _reads_as(text, params) and not git.differs(commit, _code()):
            return commit
    return None


def _reads_as(text: str, params: Params) -> bool:
    from ruamel.yaml import YAML, YAMLError

    try:
        return params_file.parse(YAML(typ="safe").load(text)).model_dump() == params.model_dump()
    except (UserError, YAMLError):  # of another version of this project
        return False


def _code() -> list[str]:
    """The graph and the files it depends on that git knows."""
    stages = params_file.read_yaml(paths.GRAPH)["stages"].values()
    deps = {dep for stage in stages for dep in stage["deps"] if dep.startswith(("pipeline/", "requirements"))}
    return [str(paths.GRAPH), *sorted(deps)]


def run_key_of(commit: str) -> str | None:
    """The run key of an experiment, from DVC's cache; None if that was emptied."""
    import dvc.api
    from dvc.exceptions import DvcException

    try:
        return str(dvc.api.read(str(paths.RUN_KEY), rev=commit)).strip()
    except (DvcException, OSError):
        return None
