"""`reprolens serve` as a user starts it: the address, one clear line for what is wrong, a tidy end; and its page."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from selenium.webdriver.support.ui import WebDriverWait

from pipeline.params import Params
from tests import browser
from tests.promoting import MODEL, PERFECT, open_checkout, save_model
from tests.serving import champion, crown, picture, running, version_of

AWAY = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Params]:
    """A checkout whose model has a champion."""
    with open_checkout(tmp_path_factory.mktemp("checkout")) as params:
        crown(version_of(params, "a" * 20, save_model(tmp_path_factory.mktemp("model") / "a.keras", PERFECT)))
        yield params


@contextmanager
def served(*options: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """The program, which is ended as a system would."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "serve", *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert not process.communicate(timeout=60)[0]


def test_it_says_where_it_is_answers_and_ends_tidily(here: Params) -> None:
    with served("--port", "0") as process:
        assert process.stdout
        line = process.stdout.readline()
        found = re.fullmatch(rf"serving version 1 of {MODEL} at (http://127\.0\.0\.1:\d+)\n", line)
        assert found, line
        headers = {"content-type": "image/png"}
        response = requests.post(f"{found[1]}/invocations", data=picture(120), headers=headers, timeout=60)
        assert response.json()["predictions"][0]["label"] == "grey"
    assert process.returncode == 0


def one_line(*options: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "serve", *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr


def test_a_taken_port_costs_one_line(here: Params) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is taken: end the program there" in one_line("--port", str(port))


def test_a_host_that_is_not_here_costs_one_line(here: Params) -> None:
    assert "cannot listen at nowhere.invalid, port 0: " in one_line("--host", "nowhere.invalid", "--port", "0")


def test_no_champion_costs_one_line(here: Params) -> None:
    assert "model nobody has no champion to serve: `reprolens promote`" in one_line("--model", "nobody", "--port", "0")


def test_a_registry_that_is_away_costs_one_line(here: Params) -> None:
    assert "MLflow at http://127.0.0.1:9, is away" in one_line("--port", "0", **AWAY)


@pytest.mark.skipif(bool(browser.missing()), reason=str(browser.missing()))
def test_a_picture_on_the_page_is_answered(here: Params, tmp_path: Path) -> None:
    (tmp_path / "light.png").write_bytes(picture(220))
    (tmp_path / "text.png").write_bytes(b"no picture")
    with running(champion(), page=True) as address, browser.browser(1000, 700) as driver:
        driver.get(address)
        waiting = WebDriverWait(driver, 60)
        waiting.until(lambda _: driver.find_element("id", "model").text == f"{MODEL}, version 1")
        driver.find_element("id", "file").send_keys(str(tmp_path / "light.png"))
        waiting.until(lambda _: driver.find_element("id", "label").text == "light")
        bars = [item.text.split("\n") for item in driver.find_elements("css selector", "#likelihoods li")]
        assert [name for name, _ in bars] == ["light", "grey", "dark"] and bars[0][1].endswith("%")
        if folder := os.environ.get("REPROLENS_SCREENSHOTS"):
            browser.picture(driver, Path(folder) / "serve.png")
        driver.find_element("id", "file").send_keys(str(tmp_path / "text.png"))
        waiting.until(lambda _: driver.find_element("id", "label").text == "text.png: not a picture")
        assert not [line for line in browser.errors_of(driver) if "400" not in line]
