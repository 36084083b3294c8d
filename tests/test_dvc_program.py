"""DVC as a program: what it says, and that it ends with its caller."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline import machine
from pipeline.dvc_program import Dvc
from pipeline.errors import UserError

GRAPH = "stages:\n  copy:\n    cmd: cp source.txt out.txt\n    deps: [source.txt]\n    outs: [out.txt]\n"
SLEEPS = "stages:\n  sleep:\n    cmd: echo $$ > ../pid && exec sleep 60\n"
CALL = "from pipeline.dvc_program import Dvc\nfrom pipeline.lifecycle.tune import terminated_as_interrupted\n"
CALL += "with terminated_as_interrupted():\n    Dvc().run('repro')\n"


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dvc:
    """DVC in a folder with a graph of one stage."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "source.txt").write_text("one")
    (folder / "dvc.yaml").write_text(GRAPH)
    assert Dvc().run("init", "--quiet", "--no-scm") == 0
    return Dvc()


def test_what_has_changed_is_told_by_stage(dvc: Dvc) -> None:
    assert list(dvc.changed()) == ["copy"]
    dvc.require("never said", "repro", "--quiet")
    assert dvc.changed() == {}
    Path("source.txt").write_text("two")
    assert dvc.changed() == {"copy": [{"changed deps": {"source.txt": "modified"}}]}


def test_what_dvc_refuses_is_one_line(dvc: Dvc) -> None:
    Path("source.txt").unlink()
    with pytest.raises(UserError, match=r"^the copy failed: mend what is said above"):
        dvc.require("the copy failed", "repro", "--quiet")
    Path("dvc.yaml").write_text("stages: [")
    with pytest.raises(UserError, match="run `dvc status` and mend"):
        dvc.changed()


def test_a_default_remote_is_noticed(dvc: Dvc, tmp_path: Path) -> None:
    assert not dvc.has_remote()
    dvc.require("never said", "remote", "add", "--quiet", "--default", "storage", str(tmp_path))
    assert dvc.has_remote()


def test_the_process_at_work_is_noted(dvc: Dvc) -> None:
    marks: list[str] = []
    Dvc(marks.append).run("version")
    assert len(marks) == 2 and marks[0] and marks[1] == ""
    assert not machine.process_lives(marks[0])


def test_told_to_end_it_ends_the_stage_too(dvc: Dvc, tmp_path: Path) -> None:
    Path("dvc.yaml").write_text(SLEEPS)
    caller = subprocess.Popen([sys.executable, "-c", CALL], stderr=subprocess.PIPE)
    for _ in range(600):
        if (tmp_path / "pid").exists() and (text := (tmp_path / "pid").read_text()):
            break
        time.sleep(0.1)
    os.kill(caller.pid, signal.SIGTERM)  # the caller alone, as Kubernetes does
    assert caller.communicate()[1].decode().rstrip().endswith("KeyboardInterrupt")
    assert not psutil.pid_exists(int(text))
