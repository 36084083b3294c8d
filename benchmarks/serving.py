"""What `reprolens serve` gives, over loopback: `python -m benchmarks.serving PART`; PART is one of:

    changes     1,000 requests, eight at a time, while the champion changes three times: dropped ones, and milliseconds
    throughput  requests per second against `mlflow models serve` on the same network in MLflow's plain Keras flavour,
                which takes arrays as JSON; each answers while the other one rests, in turns
    memory      resident MiB of the server over 10,000 requests

The checkout is a clone of the committed state whose run of the built-in digits is promoted. Requests hold one picture.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests

from benchmarks.common import clone, keep, run_in, spread
from tests.checkout import free_port
from tests.serving import base64_of, pictures, wait_for

AT_ONCE = 8
NUM_CHANGES = 3
START = 300  # seconds that a server gets


@contextmanager
def served(folder: Path, *command: str) -> Iterator[tuple[str, psutil.Process]]:
    """A server of the environment, started in a folder; its address and process."""
    port = free_port()
    programs = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"  # MLflow starts uvicorn by its name
    environment = {**os.environ, "DVC_ROOT": str(folder), "PYTHONPATH": str(folder), "PATH": programs}
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    words = [str(Path(sys.prefix) / "bin" / command[0]), *command[1:], "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, START)
        yield address, psutil.Process(process.pid)
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait()


def promoted(folder: Path) -> None:
    """Two versions of the digits model; the second serves."""
    run_in(folder, "dvc", "repro")
    run_in(folder, "reprolens", "track")
    run_in(folder, "reprolens", "promote")
    run_in(folder, "reprolens", "use", "digits", "train.seed=1")
    run_in(folder, "dvc", "repro")
    run_in(folder, "reprolens", "promote", "--force", "--reason", "a second version")


def coded(pixels: Any) -> dict[str, Any]:
    """A request for ours: base64 of a PNG."""
    return {"dataframe_records": [{"picture": base64_of(pixels)}]}


def as_array(pixels: Any) -> dict[str, Any]:
    """A request for either: pixels as JSON."""
    return {"instances": [pixels.tolist()]}


def timed(address: str, payloads: list[dict[str, Any]]) -> tuple[list[float], float, int]:
    """Milliseconds of each request, requests a second, and how many were not answered with 200."""

    def ask(payload: dict[str, Any]) -> tuple[float, bool]:
        began = time.perf_counter()
        try:
            ok = session.post(f"{address}/invocations", json=payload, timeout=60).status_code == requests.codes.ok
        except requests.RequestException:
            ok = False
        return 1000 * (time.perf_counter() - began), ok

    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=AT_ONCE)
    with requests.Session() as session, ThreadPoolExecutor(AT_ONCE) as pool:
        session.mount("http://", adapter)
        began = time.perf_counter()
        found = list(pool.map(ask, payloads))
        seconds = time.perf_counter() - began
    return [took for took, _ in found], len(payloads) / seconds, sum(not ok for _, ok in found)


def changes(folder: Path, rounds: int) -> None:
    """The champion changes by `rollback` and `promote`, as a team would do it, while requests come."""
    with served(folder, "reprolens", "serve", "--every", "0.5") as (address, _), ThreadPoolExecutor(1) as other:
        payloads = [coded(pixels) for pixels in pictures(1000)]
        timed(address, payloads[:50])
        turns = other.submit(_change, folder)
        took: list[float] = []
        dropped, versions = 0, set()
        while not turns.done() or len(took) < len(payloads):
            each, _, lost = timed(address, payloads[:100])
            took, dropped = took + each, dropped + lost
            versions.add(requests.get(f"{address}/version", timeout=60).json()["model"]["version"])
        turns.result()
    p50, p95 = np.percentile(took, [50, 95])
    print(f"{len(took):,} requests, {NUM_CHANGES} changes, versions {sorted(versions)}: {dropped} dropped")
    print(f"milliseconds: p50 {p50:.1f}, p95 {p95:.1f}")
    keep("serving-changes", {"requests": len(took), "dropped": dropped, "p50_ms": p50, "p95_ms": p95})


def _change(folder: Path) -> None:
    for number in range(NUM_CHANGES):
        words = ["rollback"] if number % 2 == 0 else ["promote", "--force", "--reason", "measured"]
        run_in(folder, "reprolens", *words)


PLAIN = """
import sys, keras, mlflow, numpy as np
from mlflow.models import infer_signature
model = keras.saving.load_model(sys.argv[1], compile=False)
example = np.zeros((1, *model.input_shape[1:]), np.uint8)
signature = infer_signature(example, model.predict(example, verbose=0))
mlflow.keras.save_model(model, sys.argv[2], signature=signature, pip_requirements=["keras"])
"""


def throughput(folder: Path, rounds: int) -> None:
    plain = folder / "plain"
    subprocess.run([sys.executable, "-c", PLAIN, "models/model.keras", str(plain)], cwd=folder, check=True)
    theirs = ("mlflow", "models", "serve", "-m", str(plain), "--env-manager", "local", "--host", "127.0.0.1")
    sides: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {}
    rates: dict[str, list[float]] = {"ours, base64": [], "ours, arrays": [], "mlflow, arrays": []}
    with served(folder, "reprolens", "serve") as (ours, _), served(folder, *theirs) as (mlflow, _):
        sides = {"ours, base64": (ours, coded), "ours, arrays": (ours, as_array), "mlflow, arrays": (mlflow, as_array)}
        for number in range(rounds + 1):  # the first round warms up
            for side, (address, form) in sides.items():
                _, rate, lost = timed(address, [form(pixels) for pixels in pictures(500)])
                assert not lost, side
                if number:
                    rates[side].append(rate)
                    print(f"round {number}, {side}: {rate:,.0f} requests/s", flush=True)
    median = {side: statistics.median(each) for side, each in rates.items()}
    ratios = {side: median[side] / median["mlflow, arrays"] for side in rates}
    for side, each in rates.items():
        print(f"{side:15} {spread(each, 0)} requests/s, {ratios[side]:.2f} of MLflow's")
    keep("serving-throughput", {"requests_per_second": rates, "ratios": ratios})


def memory(folder: Path, rounds: int) -> None:
    payloads = [coded(pixels) for pixels in pictures(1000)]
    found = []
    with served(folder, "reprolens", "serve") as (address, process):
        for number in range(11):
            timed(address, payloads)
            found.append(process.memory_info().rss / 2**20)
            print(f"after {1000 * (number + 1):,} requests: {found[-1]:.0f} MiB", flush=True)
    print(f"growth over the last 10,000: {found[-1] / found[0]:.3f}")
    keep("serving-memory", {"mib": found, "growth": found[-1] / found[0]})


PARTS: dict[str, Callable[[Path, int], None]] = {"changes": changes, "throughput": throughput, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with clone() as folder:
        promoted(folder)
        PARTS[given.part](folder, given.rounds)


if __name__ == "__main__":
    main()
