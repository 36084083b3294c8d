"""Fetching, against a real server on this machine that can do what bad servers do."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.fetch import fetch, is_address

CONTENT = random.Random(0).randbytes(300_000)
NAME = "file.bin"


class Host(ThreadingHTTPServer):
    """Serves `files`; `cuts` are the bytes after which each next answer breaks off, `asked` the Range headers seen."""

    def __init__(self, files: dict[str, bytes], cuts: list[int], ranges: bool) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.cuts, self.ranges = files, cuts, ranges
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
        stop = start + self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[start:stop])

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def serving(files: dict[str, bytes], cuts: tuple[int, ...] = (), ranges: bool = True) -> Iterator[Host]:
    with Host(files, list(cuts), ranges) as host:
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
