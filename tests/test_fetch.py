"""Fetching, against a real server on this machine that can do what bad servers do."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.fetch import fetch, is_address
from pipeline.pull import Patience

CONTENT = random.Random(0).randbytes(300_000)
NAME = "file.bin"


class Host(ThreadingHTTPServer):
    """Serves `files`; `cuts` are the bytes after which each next answer breaks off, `asked` the Range headers seen.

    `slow` is the seconds it waits before it sends the content.
    """

    def __init__(self, files: dict[str, bytes], cuts: list[int], ranges: bool, slow: float) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.cuts, self.ranges, self.slow = files, cuts, ranges, slow
        self.asked: list[str | None] = []
        self.address = f"http://127.0.0.1:{self.server_port}/data/"


class Answer(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.removeprefix("/data/"))
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        time.sleep(self.server.slow)
        stop = start + self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[start:stop])

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def serving(
    files: dict[str, bytes], cuts: tuple[int, ...] = (), ranges: bool = True, slow: float = 0
) -> Iterator[Host]:
    with Host(files, list(cuts), ranges, slow) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()
            thread.join()


def closed_port() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


def whole(path: Path) -> str | None:
    return None if path.read_bytes() == CONTENT else "wrong checksum"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_file_comes_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    with serving({NAME: CONTENT}) as host:
        found = fetch(NAME, [host.address], tmp_path / "new" / "folder", whole)
    assert found.read_bytes() == CONTENT
    assert list(found.parent.iterdir()) == [found]


def test_only_the_missing_bytes_of_a_partial_file_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:1000])
    with serving({NAME: CONTENT}) as host:
        assert fetch(NAME, [host.address], tmp_path, whole).read_bytes() == CONTENT
    assert host.asked == ["bytes=1000-"]


def test_a_server_that_ignores_ranges_sends_it_all_again(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:1000])
    with serving({NAME: CONTENT}, ranges=False) as host:
        assert fetch(NAME, [host.address], tmp_path, whole).read_bytes() == CONTENT
    assert host.asked == ["bytes=1000-"]


def test_a_complete_partial_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)
    with serving({NAME: CONTENT}) as host:
        assert fetch(NAME, [host.address], tmp_path, whole).read_bytes() == CONTENT


@pytest.mark.parametrize("rest", [b"not the beginning", CONTENT + b"too long", CONTENT[1:]])
def test_a_corrupt_partial_file_is_dropped_and_the_fetch_starts_over(tmp_path: Path, rest: bytes) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(rest)
    with serving({NAME: CONTENT}) as host:
        assert fetch(NAME, [host.address], tmp_path, whole).read_bytes() == CONTENT
    assert host.asked == [f"bytes={len(rest)}-", None]


def test_a_finished_file_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    with serving({NAME: CONTENT}) as host:
        assert fetch(NAME, [host.address], tmp_path, whole) == tmp_path / NAME
    assert host.asked == []


def test_a_finished_file_that_has_rotted_is_replaced(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    with serving({NAME: CONTENT}) as host:
        assert fetch(NAME, [host.address], tmp_path, whole).read_bytes() == CONTENT


@pytest.mark.parametrize("each", [1_000, 100_000])
def test_a_cut_connection_is_resumed_as_long_as_bytes_come(tmp_path: Path, each: int) -> None:
    with serving({NAME: CONTENT}, cuts=(each, each)) as host:
        assert fetch(NAME, [host.address], tmp_path, whole).read_bytes() == CONTENT
    assert host.asked == [None, f"bytes={each}-", f"bytes={2 * each}-"]


def test_a_connection_that_stays_cut_is_reported_and_its_bytes_are_kept(tmp_path: Path) -> None:
    with serving({NAME: CONTENT}, cuts=(1000, 0)) as host, pytest.raises(UserError, match="cut") as caught:
        fetch(NAME, [host.address], tmp_path, whole)
    assert f"{host.address}{NAME}: " in str(caught.value)
    assert (tmp_path / f"{NAME}.part").read_bytes() == CONTENT[:1000]
    assert not (tmp_path / NAME).exists()


def test_the_second_host_goes_on_where_the_first_broke_off(tmp_path: Path) -> None:
    with serving({NAME: CONTENT}, cuts=(1000, 0)) as first, serving({NAME: CONTENT}) as second:
        assert fetch(NAME, [first.address, second.address], tmp_path, whole).read_bytes() == CONTENT
    assert second.asked == ["bytes=1000-"]


def test_the_second_host_is_tried_when_the_first_is_away(tmp_path: Path) -> None:
    with serving({NAME: CONTENT}) as host:
        assert fetch(NAME, [closed_port(), host.address], tmp_path, whole).read_bytes() == CONTENT


def test_the_second_host_starts_over_when_the_first_sends_wrong_bytes(tmp_path: Path) -> None:
    with serving({NAME: b"<html>please log in</html>"}) as first, serving({NAME: CONTENT}) as second:
        assert fetch(NAME, [first.address, second.address], tmp_path, whole).read_bytes() == CONTENT
    assert second.asked == [None]


def test_what_went_wrong_at_every_host_is_said(tmp_path: Path) -> None:
    away = closed_port()
    with (
        serving({}) as empty,
        serving({NAME: b"x"}) as wrong,
        pytest.raises(UserError, match=r"set dataset\.mirror") as caught,
    ):
        fetch(NAME, [away, empty.address, wrong.address, str(tmp_path)], tmp_path / "kept", whole)
    for problem in (
        f"{away}/{NAME}: host unreachable",
        f"{empty.address}{NAME}: HTTP 404 Not Found",
        f"{wrong.address}{NAME}: wrong checksum",
        f"{tmp_path}/{NAME}: no such file",
    ):
        assert problem in str(caught.value)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_local_folder_is_a_mirror_that_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / NAME).write_bytes(CONTENT)
    assert fetch(NAME, [str(tmp_path / "mirror")], tmp_path / "kept", whole).read_bytes() == CONTENT
    assert [file.name for file in (tmp_path / "mirror").iterdir()] == [NAME]


def test_a_mirror_with_wrong_bytes_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / NAME).write_bytes(b"wrong")
    with pytest.raises(UserError, match="wrong checksum"):
        fetch(NAME, [str(tmp_path / "mirror")], tmp_path / "kept", whole)
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize(
    ("place", "address"),
    [("http://a/b", True), ("HTTPS://a", True), ("/data", False), ("ftp://a", False), ("http://[", True)],
)
def test_addresses_are_told_from_folders(place: str, address: bool) -> None:
    assert is_address(place) is address


def test_an_address_that_is_none_gives_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"could not get file\.bin"):
        fetch(NAME, ["http://["], tmp_path, whole)


HASTY = Patience(connect=2, silence=0.4, slowest=100_000, window=0.6, pauses=(0.01, 0.01))
HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
Speak = Callable[[socket.socket, str, threading.Event], None]
"""(connection, what was asked, set when the test is over) -> says what it likes."""


@contextmanager
def speaking(*turns: Speak) -> Iterator[str]:
    """A server that says to each connection what the next of `turns` does, the last one over and over."""
    over, left = threading.Event(), list(turns)

    def answer(connection: socket.socket) -> None:
        turn = left.pop(0) if len(left) > 1 else left[0]
        with connection, contextlib.suppress(OSError):  # the client may have gone
            turn(connection, connection.recv(65536).decode(), over)

    def serve(listener: socket.socket, threads: list[threading.Thread]) -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=answer, args=(connection,)))
                threads[-1].start()

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        server = threading.Thread(target=serve, args=(listener, threads))
        server.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            for thread in (server, *threads):
                thread.join()


def says(head: str, body: bytes = b"") -> Speak:
    return lambda connection, asked, over: connection.sendall(f"{head}\r\n".encode() + body)


def stalls(connection: socket.socket, asked: str, over: threading.Event) -> None:
    over.wait(10)


def stalls_later(connection: socket.socket, asked: str, over: threading.Event) -> None:
    connection.sendall(f"{HEAD}Content-Length: {len(CONTENT)}\r\n\r\n".encode() + (b"" if "Range" in asked else b"x"))
    over.wait(10)


def drips(connection: socket.socket, asked: str, over: threading.Event) -> None:
    connection.sendall(f"{HEAD}Content-Length: {len(CONTENT)}\r\n\r\n".encode())
    while not over.wait(0.02):
        connection.sendall(b"x")


def never_ends(connection: socket.socket, asked: str, over: threading.Event) -> None:
    connection.sendall(f"{HEAD}\r\n".encode())
    while not over.is_set():
        connection.sendall(bytes(10_000))


def endless_redirect(connection: socket.socket, asked: str, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 99999999999\r\n\r\n")
    while not over.is_set():
        connection.sendall(bytes(10_000))


FAULTS: dict[str, tuple[Speak, str]] = {
    "says nothing": (stalls, "no answer within 0.4 s"),
    "stops saying anything": (stalls_later, "no answer within 0.4 s"),
    "drips": (drips, "slower than 100,000 bytes per second"),
    "never ends": (never_ends, "does not end after the 400,000 bytes expected"),
    "says it is far too long": (
        says(f"{HEAD}Content-Length: 900000\r\n"),
        "has 900,000 bytes, more than the 400,000 ex",
    ),
    "closes at once": (lambda *_: None, "the server closed the connection without an answer"),
    "is no web server": (says("220 mail.example ESMTP"), "the answer is not HTTP"),
    "speaks in bytes": (says("", bytes(range(128, 256)) * 99), "the answer is not HTTP"),
    "is busy": (says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"), "HTTP 503 Service Unavailable"),
    "has had enough": (says("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n"), "HTTP 429 Too Many Requests"),
    "is broken": (says("HTTP/1.1 500 \x1b[31mOops\r\nContent-Length: 0\r\n"), "HTTP 500 [31mOops"),
    "redirects in circles": (
        says("HTTP/1.1 302 F\r\nLocation: /a\r\nContent-Length: 0\r\n"),
        "redirects in circles, or",
    ),
    "redirects in endless words": (endless_redirect, "redirects in circles, or more than 10 times"),
    "redirects to a file": (
        says("HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\n"),
        "leads to 'file:///etc/passwd', wh",
    ),
    "redirects to FTP": (
        says("HTTP/1.1 301 F\r\nLocation: ftp://a/b\r\n"),
        "leads to 'ftp://a/b', which is no http(s) addr",
    ),
    "redirects to nonsense": (
        says("HTTP/1.1 301 F\r\nLocation: http://[\r\n"),
        "leads to 'http://[', which is no http",
    ),
    "sends a part unasked": (
        says("HTTP/1.1 206 P\r\nContent-Range: bytes 7-9/10\r\n"),
        "the server sent another part than",
    ),
    "has nothing left unasked": (says("HTTP/1.1 416 R\r\nContent-Length: 0\r\n"), "HTTP 416 R"),
    "sends the wrong file": (says(f"{HEAD}Content-Length: 5\r\n", b"wrong"), "wrong checksum"),
    "sends nothing": (says(f"{HEAD}Content-Length: 0\r\n"), "wrong checksum"),
    "says it is shorter": (says(f"{HEAD}Content-Length: 9\r\n", CONTENT), "wrong checksum"),
    "says it is longer": (says(f"{HEAD}Content-Length: 300009\r\n", CONTENT), "connection cut"),
    "says two lengths": (says(f"{HEAD}Content-Length: 1, 2\r\n"), "Content-Length contained multiple"),
    "chunks of nonsense": (says(f"{HEAD}Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n"), "connection cut"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_with_a_fault_gives_one_line(tmp_path: Path, fault: str) -> None:
    speak, words = FAULTS[fault]
    with speaking(speak) as address, pytest.raises(UserError) as caught:
        fetch(NAME, [address], tmp_path, whole, HASTY, most=400_000)
    assert str(caught.value).startswith(f"could not get {NAME}: {address}/{NAME}: {words}")
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)
    assert {file.name for file in tmp_path.iterdir()} <= {f"{NAME}.part"}


@pytest.mark.parametrize("length", ["-5", "many", "\u0665"])
def test_a_length_that_is_no_number_is_passed_over(tmp_path: Path, length: str) -> None:
    with speaking(says(f"{HEAD}Content-Length: {length}\r\n", CONTENT)) as address:
        assert fetch(NAME, [address], tmp_path, whole, HASTY).read_bytes() == CONTENT


def test_a_server_that_is_busy_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    busy = says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n")
    with speaking(busy, busy, says(f"{HEAD}Content-Length: {len(CONTENT)}\r\n", CONTENT)) as address:
        assert fetch(NAME, [address], tmp_path, whole, HASTY).read_bytes() == CONTENT


def test_redirects_are_followed_with_the_bytes_that_are_there(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:1000])
    with serving({NAME: CONTENT}) as host:
        there = says(f"HTTP/1.1 302 Found\r\nLocation: {host.address}{NAME}\r\nContent-Length: 0\r\n")
        with speaking(there) as address:
            assert fetch(NAME, [address], tmp_path, whole).read_bytes() == CONTENT
    assert host.asked == ["bytes=1000-"]


def test_several_at_once_do_not_write_one_partial_file(tmp_path: Path) -> None:
    """The others wait for the first, and take what it brought."""
    found: list[Path] = []
    with serving({NAME: CONTENT}, slow=0.3) as host:
        threads = [
            threading.Thread(target=lambda: found.append(fetch(NAME, [host.address], tmp_path, whole)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [tmp_path / NAME] * 3
    assert host.asked == [None]
    assert [file.name for file in tmp_path.iterdir()] == [NAME]


def test_a_file_that_the_disk_cannot_take_is_not_begun(tmp_path: Path) -> None:
    with (
        speaking(says(f"{HEAD}Content-Length: {10**17}\r\n", b"x")) as address,
        pytest.raises(UserError, match=r"has 100,000,000,000,000,000 bytes, and only [\d,]+ are free in"),
    ):
        fetch(NAME, [address], tmp_path, whole, HASTY)
    assert list(tmp_path.iterdir()) == []
