"""A team's server: the compose file is held to its schema, its services run, two clones share what they made."""

import io
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from tests import postgres
from tests.checkout import Checkout, free_port, make_checkout
from tests.team import FILE, SECRETS, Team, compose, filled_in, team

with_servers = pytest.mark.skipif(postgres.missing() is not None, reason=postgres.missing() or "")


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from strings(list(value.values()))
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
    else:
        yield str(value)


def test_the_file_is_a_valid_compose_file() -> None:
    from compose_spec import PyCompose

    parsed = PyCompose.from_json(json.dumps(compose()))
    parsed.validate()
    services = {"database", "store", "buckets", "mlflow", "trainer", "scheduler", "predictor"}
    assert set(parsed.service_names()) == services
    with pytest.raises(ValueError, match="restrat"):
        PyCompose.from_json(json.dumps(compose()).replace('"restart"', '"restrat"'))


def test_no_secret_stands_in_the_file_and_none_may_be_missing() -> None:
    text = FILE.read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == set(SECRETS)
    for service in compose()["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|ACCESS_KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
    for name in SECRETS:
        assert name in text.split("name: reprolens")[0], "the head of the file tells what --env-file must have"


def test_only_this_host_reaches_the_services_and_the_server_answers_to_known_names_only() -> None:
    services = compose()["services"]
    assert all(port.startswith("127.0.0.1:") for one in services.values() for port in one.get("ports", []))
    (allowed,) = [word for word in services["mlflow"]["command"] if word.startswith("--allowed-hosts=")]
    assert "*" not in allowed
    assert "--app-name=basic-auth" in services["mlflow"]["command"]


def test_all_that_is_named_is_declared() -> None:
    found = compose()
    for service in found["services"].values():
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(found["volumes"])
        assert {one["source"] for one in service.get("configs", [])} <= set(found["configs"])
        assert set(service.get("depends_on", [])) <= set(found["services"])
    assert "${" not in "".join(strings(filled_in(found)))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("team")) as made:
        yield made


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """What the image holds: a repository whose last commit has these params."""
    made = make_checkout(tmp_path_factory.mktemp("image"), "digits", "train.epochs=2")
    assert made.run("git", "commit", "-qam", "params").returncode == 0
    return made


@with_servers
@pytest.mark.slow
def test_each_service_runs_by_its_own_command(shared: Team, image: Checkout) -> None:
    said = shared.run("trainer", image.folder)
    assert said.endswith("scheduled.sh: promoted\n")
    assert predicted(shared, image) in "0123456789"
    with shared.start("scheduler", image.folder) as scheduler:
        assert scheduler.stdout
        try:
            assert any(line == "scheduled.sh: nothing to do\n" for line in scheduler.stdout)
        finally:
            scheduler.terminate()
            assert scheduler.wait(60) == 0
    again = shared.run("buckets", image.folder)
    assert again == ""


def predicted(shared: Team, image: Checkout) -> str:
    """What the prediction server says of a picture."""
    port = free_port()
    command = [word.replace("--port=5001", f"--port={port}") for word in shared.command("predictor")]
    process = subprocess.Popen(
        command, cwd=image.folder, env=shared.environment("predictor"), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        next(line for line in process.stdout if f":{port}" in line)
        picture = io.BytesIO()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture, "PNG")
        answer = requests.post(
            f"http://127.0.0.1:{port}/invocations",
            data=picture.getvalue(),
            headers={"content-type": "image/png"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["predictions"][0]["label"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


class Colleague:
    """A clone of a repository whose runs go to the team's server, and whose data to its store."""

    def __init__(self, shared: Team, checkout: Checkout, password: str = "") -> None:
        self.checkout = checkout
        given = shared.environment("trainer")
        kept = ("MLFLOW_TRACKING_URI", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
        self.environment = {name: given[name] for name in (*kept, "AWS_DEFAULT_REGION", "NO_PROXY")}
        self.environment["MLFLOW_TRACKING_USERNAME"] = given["MLFLOW_TRACKING_USERNAME"]
        self.environment["MLFLOW_TRACKING_PASSWORD"] = password or SECRETS["MLFLOW_PASSWORD"]

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        done = self.checkout.run(*words, **{**self.environment, **environment})
        assert done.returncode == code, done.stdout
        return done.stdout

    def __call__(self, *words: str) -> str:
        return self.run(*words)


def clone_of(checkout: Checkout, folder: Path) -> Checkout:
    made = Checkout(folder / "repository", folder / "home")
    made.home.mkdir(parents=True)
    done = checkout.run("git", "clone", "-q", str(checkout.folder), str(made.folder))
    assert done.returncode == 0, done.stdout
    return made


@pytest.fixture(scope="module")
def first(shared: Team, tmp_path_factory: pytest.TempPathFactory) -> Colleague:
    """Has trained, pushed data and model, and committed what `dvc.lock` says of them."""
    made = Colleague(shared, make_checkout(tmp_path_factory.mktemp("first"), "digits", "train.epochs=2"))
    made("dvc", "remote", "add", "--default", "storage", "s3://dvc/digits")
    made("dvc", "repro")
    made("reprolens", "track")
    made("dvc", "push")
    made("git", "commit", "-qam", "Digits, two epochs")
    return made


@with_servers
@pytest.mark.slow
def test_a_second_clone_runs_nothing_and_sees_the_run_of_the_first(
    shared: Team, first: Colleague, tmp_path: Path
) -> None:
    second = Colleague(shared, clone_of(first.checkout, tmp_path))
    second("dvc", "pull")
    said = second("dvc", "repro")
    assert "Running stage" not in said and said.count("didn't change, skipping") == 4, said
    told = [one("reprolens", "trace", "models/model.keras") for one in (first, second)]
    runs = [re.search(r"^run .*", text, re.MULTILINE) for text in told]
    assert runs[0] and runs[1] and runs[0][0] == runs[1][0]
    assert "epochs 2 (digits)" in second("reprolens", "compare")


@with_servers
@pytest.mark.slow
def test_a_wrong_password_costs_one_line_and_training_goes_on(shared: Team, first: Colleague, tmp_path: Path) -> None:
    stranger = Colleague(shared, clone_of(first.checkout, tmp_path), password="guessed")
    stranger("dvc", "pull")
    said = stranger("dvc", "repro", "--force", "train")
    told = [line for line in said.splitlines() if "MLflow" in line]
    assert len(told) == 1 and "is away" in told[0] and "password" in told[0], said
    refused = stranger.run("reprolens", "track", code=1)
    assert refused.count("\n") == 1 and "MLFLOW_TRACKING_PASSWORD" in refused


@with_servers
@pytest.mark.slow
def test_a_host_that_is_not_allowed_costs_one_line(shared: Team, first: Colleague, tmp_path: Path) -> None:
    away = Colleague(shared, clone_of(first.checkout, tmp_path))
    refused = away.run("reprolens", "track", code=1, MLFLOW_TRACKING_URI=f"http://127.1:{shared.port}")
    assert refused.count("\n") == 1 and "--allowed-hosts" in refused


@with_servers
@pytest.mark.slow
def test_s3_without_credentials_costs_one_line(shared: Team, first: Colleague, tmp_path: Path) -> None:
    nobody = Colleague(shared, clone_of(first.checkout, tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del nobody.environment[name]
    nobody.environment["AWS_EC2_METADATA_DISABLED"] = "true"
    refused = nobody.run("reprolens", "gc", "--cloud", code=1)
    assert refused.count("\n") == 1 and "credentials" in refused
