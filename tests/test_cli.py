"""The command line is quick, since it imports nothing heavy, and clear about mistakes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.lifecycle.use import presets
from tests.conftest import REPOSITORY, Program, snapshot

PRESETS = presets(REPOSITORY / "presets")

HEAVY = {"tensorflow", "keras", "mlflow"}


def modules_after(code: str) -> set[str]:
    """The top packages that a fresh Python holds after it ran `code`."""
    script = f"import json, sys\ntry:\n    {code}\nexcept SystemExit: pass\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_help_imports_nothing_but_click() -> None:
    loaded = modules_after("import pipeline.cli; pipeline.cli.cli(['--help'])")
    assert "click" in loaded
    assert not loaded & (HEAVY | {"pydantic", "numpy", "pandas", "dvc", "matplotlib", "sklearn", "ruamel", "rich"})


def test_importing_a_module_does_not_import_tensorflow_or_mlflow() -> None:
    names = [f"pipeline.{name}" for name in ("cli", "params", "model", "training", "tracking", "canonical")]
    stages = [f"pipeline.stages.{name}" for name in ("download", "split", "train", "evaluate")]
    assert not modules_after(f"import pipeline, {', '.join([*names, *stages])}") & HEAVY


COMMANDS: tuple[str, ...] = ("use", "check", "preview", "track", "report", "predict", "compare", "notebooks", "summary")
COMMANDS += ("tune",)
COMMANDS += ("verify", "trace", "doctor")
COMMANDS += ("promote", "rollback", "history")
COMMANDS += ("retrain",)
COMMANDS += ("export", "serve", "gc")


def test_the_commands_are_the_listed_ones(reprolens: Program) -> None:
    listed = reprolens("--help").stdout.partition("Commands:")[2]
    assert {line.split()[0] for line in listed.splitlines() if line.strip()} == set(COMMANDS)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_every_command_has_help(reprolens: Program, command: tuple[str, ...]) -> None:
    done = reprolens(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage:")


@pytest.mark.parametrize("arguments", [("usee", "digits"), ("use",), ("check", "--fast")])
def test_a_wrong_command_line_is_told_its_usage(
    workspace: Path, reprolens: Program, arguments: tuple[str, ...]
) -> None:
    before = snapshot(workspace)
    done = reprolens(*arguments)
    assert done.returncode == 2 and "Usage:" in done.stderr and "Traceback" not in done.stderr
    assert snapshot(workspace) == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("use", "digit"),
            f"no preset `digit`: did you mean `digits`? There are {', '.join(presets(REPOSITORY / 'presets'))}",
        ),
        (("use", "digits", "train.epoch=3"), "unknown key `train.epoch`: did you mean `train.epochs`?"),
        (
            ("use", "folder"),
            "preset folder: dataset.path is empty: run `reprolens use folder dataset.path=YOUR_FOLDER`",
        ),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_1(
    workspace: Path, reprolens: Program, arguments: tuple[str, ...], line: str
) -> None:
    before = snapshot(workspace)
    done = reprolens(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"reprolens: error: {line}\n"
    assert snapshot(workspace) == before


def test_check_is_silent_when_all_is_well(reprolens: Program) -> None:
    done = reprolens("check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
