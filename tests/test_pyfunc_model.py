"""A logged model as MLflow serves it, also where this project is not installed."""

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

from pipeline import classifier, pyfunc_model
from pipeline.params import Params
from tests.checkout import free_port
from tests.conftest import REPOSITORY
from tests.promoting import MODEL, PERFECT, open_checkout, save_model
from tests.serving import base64_of, logged_at, picture, pictures, version_of, wait_for
from tests.test_architecture import our_modules

# Where this project lies is taken off the path, as if it were not installed.
ANSWER = """
import json, sys
sys.path.remove(sys.argv[1])
import mlflow, pandas as pd
found = mlflow.pyfunc.load_model(sys.argv[2]).predict(pd.DataFrame({"picture": sys.argv[3:]}))
print(json.dumps({"labels": [row["label"] for row in found], "pipeline": "pipeline" in sys.modules}))
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Params]:
    with open_checkout(tmp_path_factory.mktemp("checkout")) as params:
        yield params


@pytest.fixture(scope="module")
def logged(here: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a logged model, as MLflow keeps it."""
    return logged_at(version_of(here, "a" * 20, save_model(tmp_path_factory.mktemp("model") / "a.keras", PERFECT)))


@pytest.fixture(scope="module")
def loaded(logged: Path) -> Any:
    import mlflow

    before = list(sys.path)
    yield mlflow.pyfunc.load_model(str(logged))
    sys.path[:] = before


def test_a_logged_model_carries_every_module_that_it_needs() -> None:
    needed, waiting = set(), {"pyfunc_model"}
    while waiting:
        needed.add(name := waiting.pop())
        waiting |= our_modules(REPOSITORY / "pipeline" / f"{name}.py") - needed
    assert needed == set(pyfunc_model.CARRIED)


def test_it_names_every_package_that_its_modules_import(logged: Path) -> None:
    required = {line.partition("==")[0] for line in (logged / "requirements.txt").read_text().split()}
    assert {"keras", "mlflow", "numpy", "pillow", "simplejpeg"} <= required
    assert required & {"tensorflow", "tensorflow-cpu"}


def test_base64_bytes_and_arrays_are_answered_as_predict_does(loaded: Any) -> None:
    pixels = pictures(40)
    forms: list[Any] = [base64_of(one) for one in pixels[:20]]
    forms += [one.tolist() for one in pixels[20:30]] + [base64.b64decode(base64_of(one)) for one in pixels[30:]]
    found = loaded.predict(pd.DataFrame({"picture": forms}))
    asked = classifier.find(f"models:/{MODEL}/1")
    expected = np.concatenate([asked.likelihoods(np.stack(pixels[:32])), asked.likelihoods(np.stack(pixels[32:]))])
    np.testing.assert_allclose([list(row["likelihoods"].values()) for row in found], expected, atol=1e-6)
    assert [row["label"] for row in found] == [asked.labels[number] for number in expected.argmax(axis=1)]


def test_what_is_no_picture_is_refused_as_a_bad_request(loaded: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"picture 1: not a picture") as refused:
        loaded.predict(pd.DataFrame({"picture": [base64_of(pictures(1)[0]), base64.b64encode(b"text").decode()]}))
    assert refused.value.get_http_status_code() == 400


def test_it_answers_where_this_project_is_not_installed(logged: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANSWER, str(REPOSITORY), str(logged), base64.b64encode(picture(20)).decode()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"labels": ["dark"], "pipeline": False}


def test_the_keras_flavour_opens_it_as_before(logged: Path) -> None:
    import mlflow

    model = mlflow.keras.load_model(str(logged))
    pixels = np.stack(pictures(3))
    expected = classifier.find(f"models:/{MODEL}/1").likelihoods(pixels)
    np.testing.assert_allclose(model.predict(pixels, verbose=0), expected, atol=1e-6)


@contextmanager
def serving(folder: Path, port: int, *command: str, **environment: str) -> Iterator[str]:
    """The address of a server that is started in a folder and answers."""
    given = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **environment}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=given, stdout=log, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, 180)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def assert_answers_pictures_and_refuses_others(address: str) -> None:
    coded = base64.b64encode(picture(20)).decode()
    good = {"dataframe_records": [{"picture": coded}, {"picture": [[220] * 8] * 8}]}
    response = requests.post(f"{address}/invocations", json=good, timeout=60)
    assert [row["label"] for row in response.json()["predictions"]] == ["dark", "light"]
    bad = requests.post(f"{address}/invocations", json={"inputs": [{"picture": "?"}]}, timeout=60)
    assert bad.status_code == 400 and "picture 0: the text is no base64" in bad.text


def before(programs: Path) -> str:
    """The search path with a folder in front: MLflow starts pip and uvicorn by their names."""
    return f"{programs}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
def test_mlflows_own_server_answers_pictures_and_refuses_others(logged: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(logged), "--env-manager", "local"]
    command += ["--port", str(port), "--host", "127.0.0.1"]
    with serving(tmp_path, port, *command, PATH=before(Path(sys.executable).parent)) as address:
        assert_answers_pictures_and_refuses_others(address)


@pytest.mark.slow
def test_the_steps_of_an_image_that_mlflow_builds_make_a_server(logged: Path, tmp_path: Path) -> None:
    """In an environment with nothing in it, in the place of the image of Python that they begin with."""
    words = [sys.executable, "-m", "mlflow", "models", "generate-dockerfile", "-m", str(logged)]
    subprocess.run([*words, "--output-directory", "image"], cwd=tmp_path, check=True)
    image = tmp_path / "image"
    text = (image / "Dockerfile").read_text()
    assert re.search(rf"^FROM python:{sys.version_info.major}\.{sys.version_info.minor}", text, re.M)
    copied, place = re.findall(r"^COPY (\S+) (/opt/ml/model)", text, re.M)[0]
    model, port = str(image / copied), free_port()
    venv.create(tmp_path / "python", with_pip=True)
    environment = {"PATH": before(tmp_path / "python" / "bin"), "PYTHONNOUSERSITE": "1"}
    steps = [step.replace(place, model) for step in re.findall(r"^RUN ((?:pip|python) .*)", text, re.M)]
    assert len(steps) == 2, text
    for step in steps:
        subprocess.run(step, shell=True, cwd=image, env={**os.environ, **environment}, check=True)
    # The entry point; its constants say where the model lies, and the port inside the image.
    _, flag, code = json.loads(re.findall(r"^ENTRYPOINT (.*)", text, re.M)[0])
    set_up = f"; C.MODEL_PATH, C.DEFAULT_INFERENCE_SERVER_PORT = {model!r}, {port}; C._serve("
    command = ["python", flag, code.replace(place, model).replace("; C._serve(", set_up)]
    assert set_up in command[-1], code
    for name, value in (pair.split("=") for pair in re.findall(r"^ENV (\S+=\S+)", text, re.M)):
        environment[name] = shlex.split(value)[0]
    environment |= {"DISABLE_NGINX": "true", "MLFLOW_MODELS_WORKERS": "1"}
    with serving(tmp_path, port, *command, **environment) as address:
        assert_answers_pictures_and_refuses_others(address)
