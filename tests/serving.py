"""A checkout with a champion, and a prediction server on it, for tests and benchmarks."""

import base64
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests
import uvicorn
from PIL import Image

from pipeline import prediction_server, registry, succession, tracked_model, tracking_server
from pipeline.decode import Pixels
from pipeline.params import Params
from pipeline.prediction_server import Patience, Server
from pipeline.registry import Version
from pipeline.request_pictures import Limits
from pipeline.serving_batches import Batches
from pipeline.serving_champion import Champion
from tests.promoting import FAIR, MODEL, PERFECT, add_run, save_model

SAID: list[str] = []


def version_of(params: Params, key: str, model: Path) -> Version:
    """A version of the model, which is not the champion."""
    client = tracking_server.connect()
    return registry.add(client, MODEL, client.get_run(add_run(params, key, model)))


def two_versions(params: Params, folder: Path) -> list[Version]:
    """One of a perfect network, and one of another that takes larger pictures; neither is the champion."""
    files = [save_model(folder / "a.keras", PERFECT), save_model(folder / "b.keras", FAIR, side=16)]
    return [version_of(params, key * 20, file) for key, file in zip("ab", files, strict=True)]


def logged_at(version: Version) -> Path:
    """The folder of its logged model, as MLflow keeps it."""
    client = tracking_server.connect()
    address = tracked_model.address_of(client, client.get_run(version.run_id))
    location = client.get_logged_model(address.removeprefix("models:/")).artifact_location
    return Path(location.removeprefix("file://"))


def crown(version: Version) -> None:
    succession.make_champion(tracking_server.connect(), version)


def champion(every: float = 60.0) -> Champion:
    """Who serves now; what it says goes to `SAID`."""
    SAID.clear()
    return Champion(tracking_server.connect(), MODEL, every, SAID.append)


@contextmanager
def running(
    who: Champion, limits: Limits | None = None, patience: Patience | None = None, page: bool = False
) -> Iterator[str]:
    """A server on loopback; yields its address."""
    patience = patience or Patience()
    batches = Batches(patience.most_waiting)
    app = prediction_server.app(Server(lambda: who.now, batches, limits or Limits(), patience), page)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as place:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
        thread.start()
        try:
            address = f"http://127.0.0.1:{place.getsockname()[1]}"
            wait_for(address)
            yield address
        finally:
            server.should_exit = True
            thread.join()
            batches.close()


def wait_for(address: str, seconds: float = 10) -> None:
    """Until a server says that it is well."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            requests.get(f"{address}/health", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.05)
    raise TimeoutError(f"{address} does not answer")


def picture(level: int = 100, side: int = 8, kind: str = "PNG") -> bytes:
    """A grey picture file; `level` is that of its every pixel."""
    kept = io.BytesIO()
    Image.new("L", (side, side), level).save(kept, kind)
    return kept.getvalue()


def pictures(count: int, side: int = 8, seed: int = 0) -> list[Pixels]:
    """Grey noise, uint8 (side, side, 1) each."""
    random = np.random.default_rng(seed)
    return list(random.integers(0, 256, (count, side, side, 1), np.uint8))


def base64_of(pixels: Pixels) -> str:
    """As text of a PNG."""
    kept = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(kept, "PNG")
    return base64.b64encode(kept.getvalue()).decode()


def ask(address: str, payload: Any) -> requests.Response:
    return requests.post(f"{address}/invocations", json=payload, timeout=60)
