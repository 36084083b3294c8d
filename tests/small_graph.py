"""A repository with the four stages, each of a few lines: for what is done with a graph, whatever it makes."""

import subprocess
import sys
from pathlib import Path

from pipeline import machine, params_file
from pipeline.origin import Origin, flat_metrics, hashes_of
from pipeline.verdict import Made
from tests.checkout import Checkout

STAGE = """
  {name}:
    cmd: PATH="$DVC_ROOT/.venv/bin:$PATH" python -m pipeline.stages.{name}
    deps: [pipeline/stages/{name}.py{dep}]
    outs: [{out}]
"""
GRAPH = {
    "download": ("", "data/download/images.tar"),
    "split": (", data/download/images.tar", "data/split/train"),
    "train": (", data/split/train", "models/model.keras"),
    "evaluate": (", models/model.keras", "reports/metrics.json"),
}
CODE = {
    "download": """
        source = Path([line for line in Path("params.yaml").read_text().splitlines() if "path" in line][0].split()[-1])
        Path("data/download/images.tar").write_bytes(source.read_bytes())
    """,
    "split": """
        Path("data/split/train").mkdir(parents=True)
        Path("data/split/train/images").write_bytes(Path("data/download/images.tar").read_bytes())
    """,
    # The processor of another machine is stood for by a variable.
    "train": """
        luck = os.environ.get("LUCK", "")
        Path("models/model.keras").write_bytes(b"model" + luck.encode())
        assert luck != "none", "no luck"
        print("train: takes its time" if luck == "slow" else "train", flush=True)
        time.sleep(60 if luck == "slow" else 0)
    """,
    "evaluate": """
        size = Path("models/model.keras").stat().st_size
        Path("reports/metrics.json").write_text(json.dumps({"accuracy": size / 100, "interval": {"low": 0.01}}))
    """,
}


def make_repository(folder: Path) -> Checkout:
    """The repository with a source beside it, committed, and run once."""
    checkout = Checkout(folder / "repository", folder / "home")
    stages = checkout.folder / "pipeline" / "stages"
    stages.mkdir(parents=True)
    checkout.home.mkdir()
    for package in (stages.parent, stages):
        (package / "__init__.py").touch()
    for name, code in CODE.items():
        lines = ["import json, os, time", "from pathlib import Path", *(line.strip() for line in code.splitlines())]
        made = f"Path({GRAPH[name][1]!r}).parent.mkdir(parents=True, exist_ok=True)"
        (stages / f"{name}.py").write_text("\n".join([*lines[:2], made, *lines[2:]]))
    text = "".join(STAGE.format(name=name, dep=dep, out=out) for name, (dep, out) in GRAPH.items())
    (checkout.folder / "dvc.yaml").write_text(f"stages:{text}")
    (checkout.folder / ".gitignore").write_text("/data\n/models\n/reports\n__pycache__\n/.venv\n/source.bin\n")
    (checkout.folder / "source.bin").write_bytes(b"images")
    (checkout.folder / "params.yaml").write_text("dataset:\n  name: folder\n  path: source.bin\ntrain:\n  threads: 2\n")
    (checkout.folder / ".venv").symlink_to(sys.prefix)
    for words in (
        ("git", "init", "-q"),
        ("dvc", "init", "-q"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "start"),
    ):
        done = checkout.run(*words)
        assert done.returncode == 0, done.stdout
    checkout.repro("--quiet")
    return checkout


def origin_of(checkout: Checkout, diff: bytes | None = None) -> Origin:
    """What a run of it would have stored."""
    folder = checkout.folder
    lock = params_file.read_yaml(folder / "dvc.lock")
    stored = folder.parent / "stored"
    stored.mkdir(exist_ok=True)
    (stored / "code.diff").write_bytes(diff or b"")
    for name in ("params.yaml", "dvc.lock"):
        (stored / name).write_bytes((folder / name).read_bytes())
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    model = {out["path"]: out["md5"] for out in lock["stages"]["train"]["outs"]}["models/model.keras"]
    here = machine.versions() | {"processor": machine.cpu(), "threads": "2"}
    made = Made(*hashes_of(lock), model, flat_metrics(folder / "reports" / "metrics.json"), here)
    return Origin(
        "small 1a2b3c4d",
        commit.stdout.strip(),
        stored / "params.yaml",
        lock,
        stored / "dvc.lock",
        (stored / "code.diff") if diff else None,
        made,
    )
