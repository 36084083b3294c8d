"""What the tests share: small real params, a workspace of its own, and ways to run a program in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import params_file, tracking_server
from pipeline.lifecycle.use import compose
from pipeline.params import Params
from tests import postgres as postgresql

REPOSITORY = Path(__file__).parent.parent
DATASETS = REPOSITORY.parent / "shared" / "datasets"
COPIED = ("params.yaml", "dvc.yaml", "requirements.lock", "presets", "pipeline")
OF_A_FOLDER = {"folder", "vgg16-transfer"}  # presets that need a dataset.path
# Tests that CI may skip, each with its reason; any other skip fails a run with REPROLENS_NO_SKIPS set.
ALLOWED_SKIPS: dict[str, str] = {}
# Begun before all others, so that no worker is left with one of them at the end: together most of the suite's time.
LONGEST = ("test_end_to_end", "test_retrain", "test_tune", "test_tuning", "test_transfer", "test_training")
Program = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in _forbidden_skips(terminalreporter):
        terminalreporter.write_line(f"FORBIDDEN SKIP {report.nodeid}: install what it needs, or list it in conftest.py")


def pytest_sessionfinish(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and _forbidden_skips(terminal):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _forbidden_skips(terminal: pytest.TerminalReporter) -> list[Any]:
    if not os.environ.get("REPROLENS_NO_SKIPS"):
        return []
    return [report for report in terminal.stats.get("skipped", []) if report.nodeid not in ALLOWED_SKIPS]


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of real data sets; tests that want it are skipped where it is missing."""
    if not DATASETS.is_dir():
        pytest.skip("no folder of real data sets beside the repository")
    return DATASETS


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Server]:
    """A PostgreSQL server on loopback; a test makes a database of its own in it, and leaves it running."""
    if reason := postgresql.missing():
        pytest.skip(reason)
    with postgresql.server() as running:
        yield running


@pytest.fixture
def make_params() -> Callable[..., Params]:
    """Params of a preset with overrides, as `reprolens use` would write them."""

    def make(*overrides: str, preset: str = "digits") -> Params:
        from ruamel.yaml import YAML

        return params_file.parse(YAML(typ="safe").load(compose(REPOSITORY / "presets", preset, overrides)))

    return make


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a fresh checkout, without git and DVC, that is the current directory."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one checkout, whose tracking store the tests of a module share."""
    return tmp_path_factory.mktemp("checkout")


@pytest.fixture
def client(store: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An MLflow client of that store."""
    monkeypatch.setenv("DVC_ROOT", str(store))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tracking_server.connect()


@pytest.fixture
def program(workspace: Path) -> Program:
    """Runs `python -m MODULE ARGS...` in the workspace, as a user or DVC would; returns the finished process."""

    def run(module: str, *args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", module, *args]
        return subprocess.run(
            command,
            cwd=workspace,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def reprolens(program: Program) -> Program:
    """Runs the command line `reprolens ARGS...` in the workspace."""

    def run(*args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return program("pipeline.cli", *args, **environment)

    return run


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a workspace that a user cares for: name -> bytes."""
    left_out = {"__pycache__", ".reprolens", "mlruns"}
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not left_out & set(file.relative_to(folder).parts)
    }


def write_pictures(folder: Path, classes: Sequence[str] = ("cats", "dogs"), count: int = 12, side: int = 12) -> Path:
    """Class folders with small pictures, all different."""
    import numpy as np

    random = np.random.default_rng(len(classes) * 1000 + count)
    for label in classes:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def edit_yaml(file: Path, **changes: Any) -> None:
    """Sets dotted names in a YAML file; `__` stands for the dot."""
    from ruamel.yaml import YAML

    yaml = YAML()
    values = yaml.load(file.read_text())
    for name, value in changes.items():
        section, _, key = name.partition("__")
        values[section][key] = value
    with file.open("w") as stream:
        yaml.dump(values, stream)
