"""DVC as a program: what it prints is shown, and it ends with whoever called it, with all that it runs."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pipeline import machine
from pipeline.errors import UserError

PATIENCE = 20.0  # seconds for what DVC runs to end by itself
Started = Callable[[str], None]
"""Is told the `process_mark` of each process that begins, and nothing when it has ended."""


class Dvc:
    """The DVC of this environment, in the current folder."""

    def __init__(self, started: Started = lambda mark: None) -> None:
        self._started = started

    def run(self, *words: str) -> int:
        """Runs a command to its end; returns its exit code."""
        return self._run(words, None)[0]

    def require(self, failed: str, *words: str) -> None:
        """Runs a command that must go well.

        Raises:
            UserError: it did not; what DVC printed says why.
        """
        if self.run(*words):
            raise UserError(f"{failed}: mend what is said above, then run this again")

    def changed(self) -> dict[str, Any]:
        """What `dvc status` finds out of date, stage by stage; empty where nothing is.

        Raises:
            UserError: DVC cannot tell.
        """
        code, text = self._run(("status", "--json"), subprocess.PIPE)
        found = _last_json(text)
        if code or found is None:
            raise UserError("DVC cannot tell what is new: run `dvc status` and mend what it says")
        return found

    def has_remote(self) -> bool:
        """Whether there is a default remote."""
        code, name = self._run(("config", "core.remote"), subprocess.PIPE)
        return code == 0 and bool(name.strip())

    def _run(self, words: tuple[str, ...], out: int | None) -> tuple[int, str]:
        command = [str(Path(sys.executable).parent / "dvc"), *words]
        process = subprocess.Popen(command, stdout=out, text=True)
        try:
            with suppress(psutil.NoSuchProcess):
                self._started(machine.process_mark(process.pid))
            text = process.communicate()[0] or ""
        except BaseException:
            _end(process)
            raise
        self._started("")
        return process.returncode, text


def _last_json(text: str) -> dict[str, Any] | None:
    """The last line, where it is a JSON object; DVC may print hints before."""
    with suppress(ValueError, IndexError):
        found = json.loads(text.strip().splitlines()[-1])
        return found if isinstance(found, dict) else None
    return None


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends DVC and the stages it runs: where only this process is told to end, they would go on."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    for one in psutil.wait_procs(family, timeout=PATIENCE)[1]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
