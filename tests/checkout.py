"""A checkout of its own for end-to-end tests: the working tree's files, committed, with this environment."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY

IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
}


@dataclass(frozen=True)
class Checkout:
    """A repository at `folder`; programs run in it with nothing of the caller's environment but PATH."""

    folder: Path
    home: Path

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Runs a program of this environment to its end; standard error comes with the output."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
            check=False,
        )

    def repro(self, *words: str, **environment: str) -> str:
        """`dvc repro`, which must succeed; returns its output."""
        done = self.run("dvc", "repro", *words, **environment)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """Starts a program as the leader of a process group of its own; its output can be read line by line."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which background jobs ignore
        )

    def command(self, program: str, *words: str) -> list[str]:
        inside = self.folder / ".venv" / "bin" / program
        return [str(inside if inside.exists() else program), *words]

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **IDENTITY, **more}

    def lock(self) -> bytes:
        """The bytes of `dvc.lock`."""
        return (self.folder / "dvc.lock").read_bytes()

    def forget(self) -> None:
        """Removes what was made, DVC's cache and run cache; tracking store and journals stay."""
        for name in ("data", "models", "reports", ".dvc/cache", ".dvc/tmp", "dvc.lock"):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def make_checkout(folder: Path, *use: str) -> Checkout:
    """Copies the files git knows or would take, commits them, and writes the preset `use` into params.yaml."""
    checkout = Checkout(folder / "repository", folder / "home")
    checkout.home.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPOSITORY, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPOSITORY / name).exists():
            (checkout.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, checkout.folder / name)
    (checkout.folder / ".venv").symlink_to(sys.prefix)
    (checkout.folder / ".git").mkdir()
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        done = checkout.run("git", *words)
        assert done.returncode == 0, done.stdout
    if use:
        done = checkout.run("reprolens", "use", *use)
        assert done.returncode == 0, done.stdout
    return checkout


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def mlflow_server(folder: Path, port: int, backend: str | None = None) -> Iterator[str]:
    """A real MLflow server on loopback; yields its address and ends with all its processes.

    Args:
        backend: address of its database; by default an SQLite file in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(str(Path(sys.prefix) / "bin" / "mlflow"), "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", backend or f"sqlite:///{folder / 'server.db'}"),
        *("--artifacts-destination", str(folder / "store")),
    ]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, env=os.environ | quiet, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", server, folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_until_healthy(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the MLflow server did not come up: {log.read_text()}")
