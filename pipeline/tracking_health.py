"""Whether MLflow answers, and which version it has; without importing MLflow, which takes seconds."""

import os
import sqlite3
from contextlib import closing
from importlib import metadata
from pathlib import Path

from pipeline import tracking_server
from pipeline.checkup import Line
from pipeline.trouble import shown, understood

PATIENCE = 5.0  # seconds
NAME = "mlflow"
REMEDY = "start it, or mend MLFLOW_TRACKING_URI; runs made meanwhile are completed by `reprolens track`"


def look_at() -> Line:
    """The server or store that runs go to."""
    address = tracking_server.tracking_uri()
    if address.startswith(("http://", "https://")):
        return _server(address.rstrip("/"))
    if address.startswith("sqlite:///"):
        return _file(Path(address.removeprefix("sqlite:///")))
    return _database(address)


def _server(address: str) -> Line:
    import requests

    def get(path: str) -> requests.Response:
        return requests.get(f"{address}{path}", timeout=PATIENCE, headers=_token(), auth=_login())

    try:
        version = get("/version")
        answer = get("/api/2.0/mlflow/experiments/search?max_results=1")
    except requests.RequestException as error:
        return Line("bad", NAME, f"{address}: {understood(error, PATIENCE, PATIENCE)}", REMEDY)
    if not answer.ok:
        said = f"{answer.status_code} {shown(answer.text)}"
        return Line("bad", NAME, f"{address} refuses ({said})", "mend MLFLOW_TRACKING_USERNAME, its password or hosts")
    theirs, ours = shown(version.text.strip()) if version.ok else "unknown", metadata.version("mlflow")
    if theirs.partition(".")[0] != ours.partition(".")[0]:
        return Line(
            "warn", NAME, f"{address}, version {theirs}", f"this checkout has {ours}: use the same major version"
        )
    return Line("ok", NAME, f"{address}, version {theirs}")


def _login() -> tuple[str, str] | None:
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    return (name, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if name else None


def _token() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _file(file: Path) -> Line:
    if not file.exists():
        return Line("ok", NAME, f"{file} is made by the first run")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as store:
            (count,) = store.execute("select count(*) from runs").fetchone()
    except sqlite3.Error as error:
        return Line("bad", NAME, f"{file} cannot be read ({error})", "move it away: `reprolens track` makes a new one")
    if not os.access(file, os.W_OK):
        return Line("bad", NAME, f"{file} cannot be written", "mend its permissions")
    return Line("ok", NAME, f"{count:,} run{'s' if count != 1 else ''} in {file}, version {metadata.version('mlflow')}")


def _database(address: str) -> Line:
    """A database of another kind; its address may hold a password."""
    kind = address.partition(":")[0]
    try:
        tracking_server.connect()
    except tracking_server.Away as error:
        return Line("bad", NAME, f"{kind} database: {error}", REMEDY)
    return Line("ok", NAME, f"{kind} database, version {metadata.version('mlflow')}")
