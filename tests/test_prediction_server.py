"""The champion behind HTTP, on a real server and a real registry: right answers, and refusals for what is none."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from pipeline import __version__, classifier
from pipeline.params import Params
from pipeline.prediction_server import Patience
from pipeline.registry import Version
from pipeline.request_pictures import Limits
from pipeline.serving_champion import Champion
from tests.hostile import png
from tests.promoting import MODEL, open_checkout
from tests.serving import ask, base64_of, champion, crown, picture, pictures, running, two_versions

LIMITS = Limits(num_bytes=200_000, num_pixels=10_000, num_pictures=50)
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Params]:
    with open_checkout(tmp_path_factory.mktemp("checkout")) as params:
        yield params


@pytest.fixture(scope="module")
def versions(here: Params, tmp_path_factory: pytest.TempPathFactory) -> list[Version]:
    return two_versions(here, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def who(versions: list[Version]) -> Champion:
    crown(versions[0])
    return champion()


@pytest.fixture(scope="module")
def address(who: Champion) -> Iterator[str]:
    with running(who, LIMITS, Patience(request=2.0)) as address:
        yield address


def likelihoods(response: requests.Response) -> list[list[float]]:
    assert response.status_code == 200, response.text
    return [list(answer["likelihoods"].values()) for answer in response.json()["predictions"]]


def test_answers_are_those_of_predict_to_a_millionth(address: str) -> None:
    pixels = pictures(40)
    found = likelihoods(ask(address, {"instances": [base64_of(one) for one in pixels]}))
    asked = classifier.find(f"models:/{MODEL}@champion")
    expected = [asked.likelihoods(np.stack(pixels[start : start + 32])) for start in (0, 32)]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)


def test_a_file_as_it_is_base64_and_pixels_are_answered_alike(address: str) -> None:
    content = picture(120)
    raw = requests.post(f"{address}/invocations", data=content, headers={"content-type": "image/png"}, timeout=30)
    coded = ask(address, {"dataframe_records": [{"picture": base64.b64encode(content).decode()}]})
    array = ask(address, {"inputs": {"picture": [[[120] * 8] * 8]}})
    assert raw.json() == coded.json() == array.json()
    answer = raw.json()
    assert answer["predictions"][0]["label"] == "grey"
    assert answer["model"] == {"name": MODEL, "version": 1}


def test_health_and_version_tell_how_it_is_and_who_answers(address: str) -> None:
    assert requests.get(f"{address}/health", timeout=10).json() == {"status": "ok"}
    assert requests.get(f"{address}/ping", timeout=10).status_code == 200
    found = requests.get(f"{address}/version", timeout=10).json()
    assert found["reprolens"] == __version__ and found["model"]["version"] == 1


def record(value: Any) -> dict[str, Any]:
    return {"dataframe_records": [{"picture": value}]}


DEEP = "[" * 100_000
BAD: dict[str, tuple[Any, int, str]] = {
    "no JSON": (b"{", 400, "no JSON"),
    "no UTF-8": (b'{"inputs": ["\xff"]}', 400, "no JSON"),
    "too deep": (DEEP.encode(), 400, "no JSON"),
    "empty": (b"", 400, "is empty"),
    "a list": ([1], 400, "is a list"),
    "null": (None, 400, "is null"),
    "unknown key": ({"pictures": []}, 400, "unknown key 'pictures'"),
    "two forms": ({"inputs": [], "instances": []}, 400, "has 2 of"),
    "no form": ({}, 400, "has 0 of"),
    "no picture": ({"inputs": []}, 400, "holds no picture"),
    "text for a list": ({"inputs": "abc"}, 400, "is a text"),
    "records of another name": ({"dataframe_records": [{"image": "x"}]}, 400, "that is no"),
    "split without data": ({"dataframe_split": {"columns": ["picture"]}}, 400, "send"),
    "split of other columns": ({"dataframe_split": {"columns": ["a"], "data": [["x"]]}}, 400, "other columns"),
    "split of longer rows": ({"dataframe_split": {"columns": ["picture"], "data": [[1, 2]]}}, 400, "no list of one"),
    "no base64": (record("?"), 400, "picture 0: the text is no base64"),
    "empty base64": (record(""), 400, "empty file"),
    "a text file": (record(base64.b64encode(b"hello").decode()), 400, "not a picture"),
    "SVG": (record(base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()), 400, "not a picture"),
    "PDF": (record(base64.b64encode(b"%PDF-1.7").decode()), 400, "not a picture"),
    "cut off": (record(base64.b64encode(picture(side=64)[:-30]).decode()), 400, "broken picture"),
    "bomb": (record(base64.b64encode(png(20_000, 20_000)).decode()), 400, "too many pixels"),
    "too many pixels": (record([[0] * 101] * 100), 400, "too many pixels"),
    "null picture": (record(None), 400, "is null"),
    "number": (record(3), 400, "is a number"),
    "object": (record({}), 400, "is an object"),
    "flat array": (record([1, 2]), 400, "shape (2,)"),
    "ragged array": (record([[1, 2], [3]]), 400, "different lengths"),
    "four channels": (record([[[1, 2, 3, 4]]]), 400, "shape (1, 1, 4)"),
    "256": (record([[256]]), 400, "0 to 255"),
    "half": (record([[0.5]]), 400, "0 to 255"),
    "not a number": (b'{"inputs": [[[NaN]]]}', 400, "0 to 255"),
    "words": (record([["a"]]), 400, "other things than numbers"),
    "the second of two": ({"inputs": [[[1]], None]}, 400, "picture 1"),
    "too many pictures": ({"inputs": [[[1]]] * 51}, 413, "at most 50"),
    "too many bytes": (b"x" * 200_001, 413, "more than 200,000 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_with_the_reason(name: str, address: str) -> None:
    payload, status, reason = BAD[name]
    body = payload if isinstance(payload, bytes) else json.dumps(payload)
    response = requests.post(f"{address}/invocations", data=body, headers=JSON, timeout=30)
    assert (response.status_code, reason in response.json()["message"]) == (status, True), response.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/csv"}, 415),
        ({"content-type": ""}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
    ],
    ids=str,
)
def test_other_content_types_are_refused(headers: dict[str, str], status: int, address: str) -> None:
    response = requests.post(f"{address}/invocations", data=b"{}", headers=headers, timeout=30)
    assert response.status_code == status and response.json()["message"]


def test_other_methods_and_paths_are_refused(address: str) -> None:
    assert requests.get(f"{address}/invocations", timeout=10).status_code == 405
    assert requests.post(f"{address}/health", timeout=10).status_code == 405
    assert requests.get(f"{address}/nowhere", timeout=10).status_code == 404
    assert requests.get(address, timeout=10).status_code == 404  # no page, unless it is wanted


def test_bytes_are_limited_without_a_length_too(address: str) -> None:
    chunks = (b"x" * 60_000 for _ in range(4))
    assert requests.post(f"{address}/invocations", data=chunks, headers=JSON, timeout=30).status_code == 413


def test_who_sends_too_slowly_is_not_waited_for(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        slow.sendall(b"POST /invocations HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n")
        slow.sendall(b"content-length: 100\r\n\r\n{")
        assert b" 408 " in slow.recv(1000).splitlines()[0]


def test_what_waits_is_bounded_and_the_client_may_come_back(who: Champion) -> None:
    with running(who, LIMITS, Patience(most_waiting=1)) as address, ThreadPoolExecutor(16) as pool:
        payload = {"inputs": [one.tolist() for one in pictures(50)]}
        found = list(pool.map(lambda _: ask(address, payload), range(64)))
    assert {response.status_code for response in found} <= {200, 503}
    assert all(response.headers["retry-after"] == "1" for response in found if response.status_code == 503)


def test_no_request_is_dropped_while_champions_change(who: Champion, versions: list[Version]) -> None:
    over = threading.Event()
    payload = {"inputs": [one.tolist() for one in pictures(3)]}

    def ask_on(server: str) -> list[requests.Response]:
        found = [ask(server, payload)]
        while not over.is_set():
            found.append(ask(server, payload))
        return found

    with running(who, LIMITS) as address, ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask_on, address) for _ in range(8)]
        try:
            for number in (1, 0, 1):
                crown(versions[number])
                who.look()
        finally:
            over.set()
        answers = [response for future in asking for response in future.result()]
        assert ask(address, payload).json()["model"]["version"] == 2
    assert {response.status_code for response in answers} == {200}
    assert {response.json()["model"]["version"] for response in answers} == {1, 2}


def test_the_page_is_there_where_it_is_wanted_and_loads_nothing(who: Champion) -> None:
    with running(who, page=True) as address:
        response = requests.get(address, timeout=10)
    assert "text/html" in response.headers["content-type"]
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "http://" not in response.text and "https://" not in response.text


def test_a_model_file_is_not_left_behind(who: Champion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    champion()
    assert not list(tmp_path.iterdir())
