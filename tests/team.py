"""The services of `deploy/compose.yaml` on this machine: their own commands and environments, with other addresses.

In the place of the store stands moto's S3 server, in that of the database's image a PostgreSQL of this machine.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.checkout import IDENTITY, free_port, wait_until_healthy
from tests.conftest import REPOSITORY
from tests.postgres import Server, server

FILE = REPOSITORY / "deploy" / "compose.yaml"
SECRETS = {
    "POSTGRES_PASSWORD": "ofTheDatabase",
    "MLFLOW_PASSWORD": "ofTheTrackingServer",
    "MLFLOW_SECRET_KEY": "ofItsForms",
    "S3_KEY": "key",
    "S3_SECRET": "ofTheStore",
}


def compose() -> dict[str, Any]:
    """The file as it stands, anchors followed."""
    found: dict[str, Any] = YAML(typ="safe").load(FILE)
    return found


def filled_in(value: Any) -> Any:
    """A part of it with the variables of SECRETS in their places."""
    if isinstance(value, dict):
        return {name: filled_in(part) for name, part in value.items()}
    if isinstance(value, list):
        return [filled_in(part) for part in value]
    return (
        re.sub(r"\$\{(\w+)(?::\?[^}]*)?\}", lambda found: SECRETS[found[1]], value) if isinstance(value, str) else value
    )


@dataclass
class Team:
    """What runs, and where: addresses of this machine in the place of names in the network of the services."""

    folder: Path
    store: str
    database: Server
    port: int  # of the MLflow server

    @property
    def tracking_uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def here(self, text: str) -> str:
        """A word of a command, or a variable's value, for this machine."""
        for name, place in {
            "http://store:8333": self.store,
            "@database/": f"@127.0.0.1:{self.database.port}/",
            "mlflow:5000": f"127.0.0.1:{self.port}",
            "=localhost:5000": f"=localhost:{self.port}",
            "--port=5000": f"--port={self.port}",
            "0.0.0.0": "127.0.0.1",
            "/workspace": str(self.folder / "workspace"),
            "/etc/reprolens/dvc": str(self.folder / "dvc"),
        }.items():
            text = text.replace(name, place)
        return text

    def command(self, name: str) -> list[str]:
        service = filled_in(compose()["services"][name])
        return [self.here(word) for word in [*service.get("entrypoint", []), *service["command"]]]

    def environment(self, name: str) -> dict[str, str]:
        """What the service has, with the programs of this environment first on PATH, as in the image."""
        given = {key: self.here(value) for key, value in filled_in(compose()["services"][name]["environment"]).items()}
        if given.get("PGHOST") == "database":
            given |= {"PGHOST": "127.0.0.1", "PGPORT": str(self.database.port)}
        path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
        home = {"HOME": str(self.folder / "home"), "NO_PROXY": "127.0.0.1,localhost"}
        return {"PATH": path, **home, **IDENTITY, **given}

    def start(self, name: str, image: Path) -> "subprocess.Popen[str]":
        """Starts a service in a folder that is what its image holds; its output can be read line by line."""
        return subprocess.Popen(
            self.command(name),
            cwd=image,
            env=self.environment(name),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, name: str, image: Path) -> str:
        """Runs a service that ends by itself, and must end well; returns what it said."""
        with self.start(name, image) as process:
            said = process.communicate(timeout=500)[0]
        assert process.returncode == 0, said
        return said


@contextmanager
def team(folder: Path) -> Iterator[Team]:
    """Database, store with its buckets, and MLflow server, as the file has them."""
    from moto.server import ThreadedMotoServer

    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    try:
        with server() as database:
            host, port = store.get_host_and_port()
            made = Team(folder, f"http://{host}:{port}", database, free_port())
            _make_databases(database)
            (folder / "home").mkdir(parents=True)
            (folder / "dvc").mkdir()
            (folder / "dvc" / "config").write_text(made.here(filled_in(compose()["configs"]["dvc"]["content"])))
            made.run("buckets", REPOSITORY)
            with _tracking(made):
                yield made
    finally:
        store.stop()


def _make_databases(database: Server) -> None:
    database.execute("CREATE ROLE reprolens LOGIN SUPERUSER")
    for statement in compose()["configs"]["databases"]["content"].splitlines():
        database.execute(statement)


@contextmanager
def _tracking(made: Team) -> Iterator[None]:
    log = made.folder / "mlflow.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            made.command("mlflow"),
            cwd=REPOSITORY,
            env=made.environment("mlflow"),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        wait_until_healthy(made.tracking_uri, process, log)
        yield
    finally:
        process.terminate()
        process.wait(30)
