"""One call at a time, and the second is told who is at it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import machine
from pipeline.retrain_lock import HOLDER, Held, only_one, read

HOLD = """
import sys
from pathlib import Path
from pipeline.retrain_lock import only_one
with only_one(Path(sys.argv[1])) as lock:
    lock.started(sys.argv[2])
    print("held", flush=True)
    input()
"""


def holding(folder: Path, runs: str = "") -> "subprocess.Popen[str]":
    """A process that holds the lock of `folder` until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(folder), runs]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    with holding(tmp_path) as first:
        with pytest.raises(Held, match=rf"^process {first.pid} on {machine.host()} since 20.* UTC is at work"):
            only_one(tmp_path).__enter__()
        first.communicate("\n")
    with only_one(tmp_path):
        assert (holder := read(tmp_path)) and holder.process == machine.process_mark()
    assert read(tmp_path) is None


def test_a_kill_frees_it(tmp_path: Path) -> None:
    with holding(tmp_path) as first:
        first.kill()
        first.wait()
    with only_one(tmp_path):
        pass


def test_what_a_killed_call_ran_is_waited_for(tmp_path: Path) -> None:
    with holding(tmp_path, runs=machine.process_mark()) as first:
        first.kill()
        first.wait()
    with pytest.raises(Held, match=r"was killed, but what it ran, process \d+, is still at work"):
        only_one(tmp_path).__enter__()
    holder = json.loads((tmp_path / HOLDER).read_text())
    (tmp_path / HOLDER).write_text(json.dumps(holder | {"runs": "1@0.00"}))  # it has ended
    with only_one(tmp_path):
        pass


def test_a_broken_note_about_the_holder_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / HOLDER).parent.mkdir()
    (tmp_path / HOLDER).write_text("{")
    with only_one(tmp_path), pytest.raises(Held):
        only_one(tmp_path).__enter__()
