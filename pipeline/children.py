"""Programs that are started and must not outlive what started them, nor may what they start."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

PATIENCE = 10.0  # seconds that a program gets to end tidily
LOOKS = 0.05  # seconds between two looks whether it has


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
    """Runs a program in a folder, its output on standard error; returns its exit code.

    Ended early, as by Ctrl-C, it ends the program with all it has started.
    """
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdout=sys.stderr.fileno(), start_new_session=True
    )
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends the whole group, also those that are just being started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + PATIENCE
        while _is_busy(process) and time.monotonic() < deadline:
            time.sleep(LOOKS)


def _is_busy(process: "subprocess.Popen[bytes]") -> bool:
    """Whether any program of the group still runs."""
    process.poll()  # else it stays in the list when it has ended
    return any(_is_member(other, process.pid) for other in psutil.process_iter())


def _is_member(other: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(other.pid) == group and other.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False
