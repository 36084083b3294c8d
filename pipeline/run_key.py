"""The run key: what a training depends on, as one digest, known before it starts.

Its params, the bytes of its deps in `dvc.yaml` (data, code, package lock), the Python minor version.
The same key is the same training, so it names one MLflow run and one checkpoint folder.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from pipeline import params_file, paths
from pipeline.files import tree_digest
from pipeline.params import Params

LENGTH = 20  # hex digits


def train_deps() -> list[Path]:
    """The files and folders that `dvc.yaml` names as deps of `train`."""
    stage: dict[str, Any] = params_file.read_yaml(paths.GRAPH)["stages"]["train"]
    return [Path(dep) for dep in stage["deps"]]


def train_params(params: Params) -> dict[str, Any]:
    """The sections that `train` reads; `backbone` where it changes anything, without the way its bytes come."""
    known = {name: getattr(params, name).model_dump(mode="json") for name in ("model", "augment", "train")}
    return known | (
        {"backbone": params.backbone.model_dump(mode="json", exclude={"mirror"})} if params.backbone.is_on else {}
    )


def run_key(params: Params, deps: list[Path]) -> str:
    """The key of the training that `params` and the present bytes of `deps` make."""
    parts = {
        "params": train_params(params),
        "deps": {dep.as_posix(): tree_digest(dep) for dep in deps},
        "python": list(sys.version_info[:2]),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:LENGTH]
