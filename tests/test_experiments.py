"""DVC experiments: overrides that DVC reads as they were meant, and finding what was made before."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline import experiments, params_file, paths
from pipeline.params import Params
from tests.checkout import IDENTITY
from tests.conftest import edit_yaml
from tests.tracked_runs import params_of

ODD = ["/plain", "/with space", "C:\\new\\'dir'", "a=b,c", "it's", "end\\", "${x}", "[1]", "null", "", "ü: #1"]


def parsed(override: str) -> Any:
    """The value as Hydra, which DVC uses, reads it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(override).value()


def as_plain(value: Any) -> Any:
    """Hydra marks texts that stood in quotes."""
    return [as_plain(item) for item in value] if isinstance(value, list) else getattr(value, "text", value)


@pytest.mark.parametrize("path", ODD)
def test_a_path_reaches_dvc_as_it_is(path: str, workspace: Path) -> None:
    params = params_of()
    odd = params.model_copy(update={"dataset": params.dataset.model_copy(update={"path": path, "mirror": path})})
    changes = experiments.overrides(odd, params_file.read_yaml(workspace / "params.yaml"))
    assert [as_plain(parsed(change)) for change in changes] == ([path, path] if path else [])


@pytest.mark.parametrize("preset", ["cifar10-deep", "cifar10-ann", "flowers-padding", "mnist-cnn"])
def test_overrides_turn_one_preset_into_another(preset: str, workspace: Path) -> None:
    params, values = params_of(preset=preset), params_file.read_yaml(workspace / "params.yaml")
    for change in experiments.overrides(params, values):
        section, _, key = change.partition("=")[0].partition(".")
        values[section][key] = as_plain(parsed(change))
    assert params_file.parse(values).model_dump() == params.model_dump()  # `tune` is no part of a run


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], env={**IDENTITY, "PATH": "/usr/bin:/bin", "HOME": "/"}, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture
def made(workspace: Path) -> Params:
    """A repository with an experiment `tried` of the params it holds."""
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "start")
    git("update-ref", "refs/exps/ab/cdef/tried", "HEAD")
    return params_file.load(workspace / "params.yaml")


def test_an_experiment_is_found_by_name_params_and_code(made: Params, workspace: Path) -> None:
    assert experiments.find("tried", made) == git("rev-parse", "HEAD")
    assert experiments.find("other", made) is None
    (workspace / "pipeline" / "cli.py").write_text("# no stage depends on this")
    assert experiments.find("tried", made)


def test_other_params_or_code_are_made_anew(made: Params, workspace: Path) -> None:
    edit_yaml(workspace / "params.yaml", train__epochs=2)
    assert experiments.find("tried", params_file.load(workspace / "params.yaml")) is None
    (workspace / "pipeline" / "model.py").write_text("# another network")
    assert experiments.find("tried", made) is None


def test_git_that_knows_nobody_gets_a_name(made: Params, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert len(experiments.identity()) == 4
    git("config", "user.name", "Ada")
    git("config", "user.email", "ada@localhost")
    assert experiments.identity() == {}


def left_behind(workspace: Path, name: str) -> Path:
    """What a killed DVC leaves of an experiment: its copy of the repository, and a note about it."""
    copy = workspace / paths.DVC_COPIES / f"tmp-{name}"
    copy.mkdir(parents=True)
    note = workspace / paths.DVC_RUNNING / name / f"{name}.run"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"name": name, "root_dir": str(copy), "status": 1}))
    return copy


def test_what_a_killed_experiment_left_is_swept(made: Params, workspace: Path) -> None:
    mine, other = left_behind(workspace, "tried"), left_behind(workspace, "other")
    broken = made.model_copy(update={"dataset": made.dataset.model_copy(update={"watch": "nowhere"})})
    assert not experiments.run("tried", broken)  # DVC itself fails, but not before
    assert not mine.exists() and other.exists()
    notes = {note.parent.name for note in (workspace / paths.DVC_RUNNING).glob("*/*.run")}
    assert "tried" not in notes and "other" in notes


def test_without_a_repository_one_line_says_what_to_do(workspace: Path) -> None:
    with pytest.raises(ValueError, match="git init"):
        experiments.run("tried", params_of())
