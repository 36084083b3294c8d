"""Pictures at addresses: an S3 server and web servers on this machine."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.archives import pack_pictures
from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.params import Dataset
from pipeline.remote import is_remote, pack
from tests.checkout import make_checkout
from tests.conftest import write_pictures
from tests.test_archives import archived
from tests.test_fetch import closed_port, serving

BUCKET = "pictures"


def at(address: str, sha256: str = "") -> Dataset:
    return Dataset(name="folder", path=address, sha256=sha256, mirror="", watch="pipeline/sources.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pets", count=3)


@pytest.fixture
def expected(folder: Path, tmp_path: Path) -> str:
    """The digest of the canonical tar of `folder`."""
    pack_pictures(folder, tmp_path / "expected.tar", tmp_path)
    return file_digest(tmp_path / "expected.tar")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client with an empty bucket; S3 addresses lead to this machine."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


def put(s3: Any, folder: Path, prefix: str = "pets") -> None:
    for file in sorted(item for item in folder.rglob("*") if item.is_file()):
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{file.relative_to(folder)}", Body=file.read_bytes())


class Website(SimpleHTTPRequestHandler):
    """Files and listings of a folder; `asked` is what was asked for."""

    asked: list[str]

    def log_message(self, *args: Any) -> None:
        self.asked.append(str(args[1]))


@contextmanager
def website(folder: Path) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    kind = type("Recorded", (Website,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("ending", ["pets", "pets/"])
def test_a_folder_in_a_bucket_is_packed_as_one_on_disk(
    s3: Any, folder: Path, tmp_path: Path, expected: str, ending: str
) -> None:
    put(s3, folder)
    pack(at(f"s3://{BUCKET}/{ending}"), tmp_path / "raw.tar", tmp_path / "kept")
    assert file_digest(tmp_path / "raw.tar") == expected


def test_only_new_pictures_of_a_bucket_are_fetched_again(s3: Any, folder: Path, tmp_path: Path) -> None:
    put(s3, folder)
    pack(at(f"s3://{BUCKET}/pets"), tmp_path / "raw.tar", tmp_path / "kept")
    write_pictures(folder, count=5)
    put(s3, folder)
    pack(at(f"s3://{BUCKET}/pets"), tmp_path / "new.tar", tmp_path / "kept")
    pack_pictures(folder, tmp_path / "expected.tar", tmp_path)
    assert file_digest(tmp_path / "new.tar") == file_digest(tmp_path / "expected.tar")
    assert len([file for file in (tmp_path / "kept").rglob("*") if file.is_file()]) == 10


def test_an_unchanged_picture_is_not_fetched_twice(s3: Any, folder: Path, tmp_path: Path) -> None:
    put(s3, folder)
    pack(at(f"s3://{BUCKET}/pets"), tmp_path / "raw.tar", tmp_path / "kept")
    one = next(file for file in sorted((tmp_path / "kept").rglob("*")) if file.is_file())
    one.write_bytes(b"kept as it is")
    pack(at(f"s3://{BUCKET}/pets"), tmp_path / "raw.tar", tmp_path / "kept")
    assert one.read_bytes() == b"kept as it is"


def test_an_archive_in_a_bucket_goes_on_where_it_was_cut(
    s3: Any, folder: Path, tmp_path: Path, expected: str, capfd: pytest.CaptureFixture[str]
) -> None:
    archive = archived(folder, "tar.gz")
    s3.put_object(Bucket=BUCKET, Key="deep/pets.tar.gz", Body=archive.read_bytes())
    address = at(f"s3://{BUCKET}/deep/pets.tar.gz", file_digest(archive))
    pack(address, tmp_path / "raw.tar", tmp_path / "kept")
    kept = next((tmp_path / "kept").rglob("pets.tar.gz"))
    kept.with_name("pets.tar.gz.part").write_bytes(kept.read_bytes()[:100])
    kept.unlink()
    pack(address, tmp_path / "raw.tar", tmp_path / "kept")
    assert file_digest(tmp_path / "raw.tar") == expected
    assert "goes on after 100 bytes" in "".join(capfd.readouterr())


def test_a_new_version_of_an_archive_replaces_the_old(s3: Any, folder: Path, tmp_path: Path) -> None:
    for count in (3, 4):
        write_pictures(folder, count=count)
        s3.put_object(Bucket=BUCKET, Key="pets.zip", Body=archived(folder, "zip").read_bytes())
        pack(at(f"s3://{BUCKET}/pets.zip"), tmp_path / "raw.tar", tmp_path / "kept")
        pack_pictures(folder, tmp_path / "expected.tar", tmp_path)
        assert file_digest(tmp_path / "raw.tar") == file_digest(tmp_path / "expected.tar")
    assert len(list((tmp_path / "kept").rglob("pets.zip"))) == 1


def test_keys_that_would_lead_out_of_the_folder_stay_inside(s3: Any, folder: Path, tmp_path: Path) -> None:
    put(s3, folder)
    s3.put_object(Bucket=BUCKET, Key="pets/../../../evil.png", Body=b"x")
    with pytest.raises(UserError, match="a path that leads out of it"):
        pack(at(f"s3://{BUCKET}/pets"), tmp_path / "raw.tar", tmp_path / "kept")
    assert not list(tmp_path.parent.rglob("evil.png"))


@pytest.mark.parametrize(
    ("address", "sha256", "said"),
    [
        (f"s3://{BUCKET}/nowhere", "", f"dataset.path 's3://{BUCKET}/nowhere': nothing is there"),
        ("s3://no-such-bucket/pets", "", "dataset.path 's3://no-such-bucket/pets': nothing is there"),
        (f"s3://{BUCKET}/pets", "0" * 64, "dataset.sha256 is of an archive, but dataset.path is a folder"),
        (f"s3://{BUCKET}/pets/cats/0.png", "0" * 64, "wrong checksum: it has sha256"),
        (f"s3://{BUCKET}/pets/cats/0.png", "", "is neither a folder nor an archive"),
        (f"s3://{BUCKET}/pets/cats", "", "is in no class folder"),
        ("nonsense://a/b", "", "dataset.path 'nonsense://a/b' could not be read: Protocol not known"),
        ("gs://bucket/pets", "", "dataset.path 'gs://bucket/pets': "),
    ],
)
def test_a_bad_address_gives_one_line(
    s3: Any, folder: Path, tmp_path: Path, address: str, sha256: str, said: str
) -> None:
    put(s3, folder)
    with pytest.raises(UserError) as caught:
        pack(at(address, sha256), tmp_path / "raw.tar", tmp_path / "kept")
    assert said in str(caught.value)
    assert not (tmp_path / "raw.tar").exists()


def test_a_bucket_that_cannot_be_reached_gives_one_line(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", closed_port())
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UserError, match=r"could not be read: .*Check the network"):
        pack(at(f"s3://{BUCKET}/pets"), tmp_path / "raw.tar", tmp_path / "kept")


@pytest.mark.parametrize("query", ["", "?signature=a/b%20c&more=1"])
def test_an_archive_on_a_web_server_is_packed(folder: Path, tmp_path: Path, expected: str, query: str) -> None:
    archived(folder, "tar.xz")
    with website(tmp_path) as (address, _):
        pack(at(f"{address}pets.tar.xz{query}"), tmp_path / "raw.tar", tmp_path / "kept")
    assert file_digest(tmp_path / "raw.tar") == expected


def test_an_unchanged_archive_is_fetched_once_and_a_changed_one_again(folder: Path, tmp_path: Path) -> None:
    archived(folder, "zip")
    with website(tmp_path) as (address, asked):
        for _ in range(2):
            pack(at(f"{address}pets.zip"), tmp_path / "raw.tar", tmp_path / "kept")
        assert sum(line.startswith("GET") for line in asked) == 1
        write_pictures(folder, count=9)
        archived(folder, "zip")
        pack(at(f"{address}pets.zip"), tmp_path / "raw.tar", tmp_path / "kept")
    pack_pictures(folder, tmp_path / "expected.tar", tmp_path)
    assert file_digest(tmp_path / "raw.tar") == file_digest(tmp_path / "expected.tar")


def test_an_archive_from_a_server_that_names_no_version_is_fetched_anew(folder: Path, tmp_path: Path) -> None:
    with serving({"pets.zip": archived(folder, "zip").read_bytes()}) as host:
        for _ in range(2):
            pack(at(f"{host.address}pets.zip"), tmp_path / "raw.tar", tmp_path / "kept")
        assert host.asked == [None, None]


def test_with_a_checksum_a_kept_archive_needs_no_server(folder: Path, tmp_path: Path, expected: str) -> None:
    archive = archived(folder, "zip")
    with website(tmp_path) as (address, _):
        params = at(f"{address}pets.zip", file_digest(archive))
        pack(params, tmp_path / "first.tar", tmp_path / "kept")
    pack(params, tmp_path / "raw.tar", tmp_path / "kept")
    assert file_digest(tmp_path / "raw.tar") == expected


def test_a_listing_on_a_web_server_is_a_folder(folder: Path, tmp_path: Path, expected: str) -> None:
    (folder / "cats" / "0.png").rename(folder / "cats" / "a b & ü.png")
    pack_pictures(folder, tmp_path / "expected.tar", tmp_path)
    with website(tmp_path) as (address, _):
        pack(at(f"{address}pets/"), tmp_path / "raw.tar", tmp_path / "kept")
    assert file_digest(tmp_path / "raw.tar") == file_digest(tmp_path / "expected.tar")


def test_a_web_server_without_the_file_gives_one_line(tmp_path: Path) -> None:
    with website(tmp_path) as (address, _), pytest.raises(UserError, match=r"pets\.zip: HTTP 404"):
        pack(at(f"{address}pets.zip"), tmp_path / "raw.tar", tmp_path / "kept")


@pytest.mark.parametrize(
    ("place", "remote"), [("s3://a/b", True), ("https://a", True), ("/a/b", False), ("C:\\a", False), ("a:b", False)]
)
def test_addresses_are_told_from_paths(place: str, remote: bool) -> None:
    assert is_remote(place) is remote


@pytest.mark.slow  # a watched folder is among the fast ones
def test_a_watched_bucket_runs_when_a_picture_is_added(s3: Any, s3_server: str, folder: Path, tmp_path: Path) -> None:
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "NO_PROXY")
    reach = {name: os.environ[name] for name in names}
    address, shares = f"s3://{BUCKET}/pets", ("split.train=0.4", "split.val=0.3", "split.test=0.3")
    write_pictures(folder, count=30)
    put(s3, folder)
    use = ("folder", f"dataset.path={address}", f"dataset.watch={address}", "image.size=[16, 16]", *shares)
    checkout = make_checkout(tmp_path / "checkout", *use)
    assert "Running stage 'download'" in checkout.repro("split", **reach)
    assert "Running stage" not in checkout.repro("split", **reach)
    write_pictures(folder, count=31)
    put(s3, folder)
    assert "Running stage 'download'" in checkout.repro("split", **reach)
