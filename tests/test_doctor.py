"""`reprolens doctor`: what is well, what is not, and what to do."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline import checkup, dvc_storage, remote_health, tracking_health
from pipeline.checkup import Line
from pipeline.dvc_storage import Storage
from pipeline.lifecycle.doctor import doctor
from tests.conftest import REPOSITORY, edit_yaml

LOCK = """numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:0
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:1
pywin32==312 ; sys_platform == 'win32' \\
    --hash=sha256:2
Rich_Text==14.0 \\
    --hash=sha256:3
"""


def level_of(text: str, name: str) -> str:
    """The worst level of the lines of one thing."""
    levels = [line.split()[0] for line in text.split("\n\n")[0].splitlines() if line[6:17].strip() == name]
    return max(levels, key=["ok", "warn", "bad"].index)


def test_a_fresh_checkout_is_told_what_it_lacks(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    text, is_well = doctor()
    assert {name: level_of(text, name) for name in ("git", "dvc remote", "mlflow", "params", "packages")} == {
        "git": "bad",
        "dvc remote": "warn",
        "mlflow": "ok",
        "params": "ok",
        "packages": "ok",
    }
    assert not is_well and text.endswith("1 bad")
    assert not (workspace / "mlruns").exists() and not (workspace / ".dvc").exists()


def test_params_that_are_wrong_are_bad(workspace: Path) -> None:
    edit_yaml(workspace / "params.yaml", train__threads=0)
    text, is_well = doctor()
    assert level_of(text, "params") == "bad" and "train.threads" in text and not is_well


def test_this_repository_is_looked_at_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    names = [line[6:17].strip() for line in doctor()[0].split("\n\n")[0].splitlines()]
    assert list(dict.fromkeys(names)) == [
        *("python", "packages", "git", "dvc cache", "dvc remote", "disk", "mlflow", "processor", "gpu", "params"),
        "threads",
    ]


def test_a_lock_has_versions_by_package() -> None:
    assert checkup.locked(LOCK) == {
        "numpy": ({"2.4.6", "2.5.5"}, False),
        "pywin32": ({"312"}, False),
        "rich-text": ({"14.0"}, True),
    }


@pytest.mark.parametrize(
    ("installed", "level", "said"),
    [
        ({"numpy": "2.5.5", "rich-text": "14.0"}, "ok", "2 as a.lock pins them"),
        ({"numpy": "2.0", "rich-text": "14.0"}, "bad", "numpy 2.0 instead of 2.4.6 or 2.5.5"),
        ({"numpy": "2.5.5", "rich-text": "13.0"}, "warn", "rich-text 13.0 instead of 14.0"),
        ({"numpy": "2.5.5"}, "bad", "rich-text is missing"),
    ],
)
def test_installed_packages_are_held_to_the_lock(installed: dict[str, str], level: str, said: str) -> None:
    line = checkup.packages(LOCK, "a.lock", installed, ["numpy"])
    assert (line.level, line.found) == (level, said)
    assert line.remedy == ("" if level == "ok" else "not as a.lock: run `make setup`")


@pytest.mark.parametrize(("free", "level"), [(7.0e9, "ok"), (3.0e9, "warn"), (1.0e9, "bad")])
def test_little_room_is_told(free: float, level: str) -> None:
    assert checkup.disk("this folder", int(free), int(2e9)).level == level


def test_more_threads_than_cores_are_told() -> None:
    assert [checkup.threads(wanted, 2).level for wanted in (1, 2, 4)] == ["ok", "ok", "warn"]


def test_a_remote_in_a_folder_is_looked_at(tmp_path: Path) -> None:
    def look_at(folder: Path, default: str = "far") -> Line:
        return remote_health.look_at(Storage(tmp_path, {"far": {"url": str(folder)}}, default))

    assert look_at(tmp_path).level == "ok"
    assert look_at(tmp_path / "not" / "mounted").level == "warn"
    assert look_at(tmp_path, "").remedy == "`dvc remote default far`"
    assert look_at(tmp_path, "near").level == "bad"


def test_a_remote_on_a_server_that_is_away_is_bad(workspace: Path) -> None:
    (workspace / ".dvc").mkdir()
    (workspace / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    remote = far\n['remote \"far\"']\n    url = webdav://127.0.0.1:9/there\n"
    )
    line = remote_health.look_at(dvc_storage.storage())
    assert line.level == "bad" and "webdav://127.0.0.1:9/there does not answer" in line.found


@contextmanager
def answering(code: int, text: str) -> Iterator[str]:
    """A server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("code", "text", "level"), [(200, "3.1.0", "ok"), (200, "2.9.1", "warn"), (401, "who are you?", "bad")]
)
def test_an_mlflow_server_is_asked(monkeypatch: pytest.MonkeyPatch, code: int, text: str, level: str) -> None:
    with answering(code, text) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        line = tracking_health.look_at()
    assert line.level == level and text in line.found


def test_an_mlflow_server_that_is_away_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    line = tracking_health.look_at()
    assert (line.level, line.found) == ("bad", "http://127.0.0.1:9: host unreachable")


@pytest.mark.parametrize(("content", "level"), [("table", "ok"), ("nonsense", "bad")])
def test_a_local_store_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, level: str) -> None:
    store = tmp_path / "mlflow.db"
    if content == "table":
        with sqlite3.connect(store) as db:
            db.execute("create table runs (run_uuid text)")
        db.close()
    else:
        store.write_text("nonsense" * 1000)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    assert tracking_health.look_at().level == level


def test_the_settings_of_dvc_are_read_and_lent(workspace: Path, tmp_path: Path) -> None:
    (workspace / ".dvc").mkdir()
    (workspace / ".dvc" / "config").write_text(
        "[core]\n    remote = far\n[cache]\n    dir = ../../cache\n['remote \"far\"']\n    url = ../../far\n"
    )
    found = dvc_storage.storage()
    assert (found.cache, found.remotes["far"]["url"]) == (workspace.parent / "cache", str(workspace.parent / "far"))
    other = tmp_path / "other"
    (other / ".dvc").mkdir(parents=True)
    dvc_storage.lend_remotes(found, other)
    assert f"url = {workspace.parent / 'far'}" in (other / ".dvc" / "config.local").read_text()
