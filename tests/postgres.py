"""A real PostgreSQL server on loopback for tests, from Debian's binaries, with data of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql")
USER = "postgres"  # the server refuses to run as root
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=50")
# The shell ends the server once its standard input closes: also where the tests were killed.
WATCHED = '"$@" & server=$!; read -r _; kill -INT $server; wait $server'


def missing() -> str | None:
    """Why no server can be run here; None if one can."""
    if not list(BINARIES.glob("*/bin/initdb")):
        return "no PostgreSQL here (apt-get install postgresql)"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no psycopg here (pip install 'psycopg[binary]')"
    return None


class Server:
    """A server with one user, trusted on 127.0.0.1; a role `locked` needs the password `secret`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        newest = max(BINARIES.glob("*/bin"), key=lambda place: float(place.parent.name))
        self._server = [*_as_user(), str(newest / "postgres"), "-D", str(folder / "data")]
        initdb = [*_as_user(), str(newest / "initdb"), "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-N"]
        subprocess.run([*initdb, "-E", "UTF8", "--locale=C"], cwd=folder, check=True, capture_output=True)
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Makes an empty database; returns its URL."""
        self.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs a statement; returns its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}", *FAST]
        words = [*self._server, *(word for option in options for word in ("-c", option))]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", WATCHED, "sh", *words], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.folder
            )
        for _ in range(300):
            if self.answers():
                return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Cuts all connections and ends the server; nothing happens where it does not run."""
        if self._process is not None:
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait(60)
            self._process = None

    def restart(self, away: float = 0.0) -> None:
        """Stops the server and starts it after so many seconds."""
        self.stop()
        time.sleep(away)
        self.start()


@contextmanager
def server() -> Iterator[Server]:
    """A running server; gone with its data at the end."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's own folders are closed to other users
    running = None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        running = Server(folder)
        running.start()
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder)


def _as_user() -> list[str]:
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cutter:
    """A way to the server on which the answer of a chosen COMMIT is lost: it is done, and the connection breaks."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.times = 0  # how often it cut
        self._chosen: bytes | None = None
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def commit_of(self, statement: str) -> None:
        """Loses the answer of the COMMIT that follows a statement which begins so."""
        self._chosen = statement.encode()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [client, server]
                self._threads.append(threading.Thread(target=self._forward, args=(client, server)))
                self._threads.append(threading.Thread(target=self._back, args=(server, client)))
                for thread in self._threads[-2:]:
                    thread.start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        found = False
        with suppress(OSError):
            while words := client.recv(65536):
                found = found or bool(self._chosen and self._chosen in words)
                if found and b"COMMIT" in words:
                    self._chosen, found = None, False
                    self.times += 1
                    client.shutdown(socket.SHUT_RDWR)  # nothing comes back from here on
                server.sendall(words)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)  # the server still does what it has read

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while words := server.recv(65536):
                client.sendall(words)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Cutter":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in (self._listener, *self._sockets):
            one.close()
