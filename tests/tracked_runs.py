"""Runs in a tracking server without training: journals of real facts and made-up curves, brought there by our code."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline import params_file, record, tracking_server
from pipeline.completion import complete
from pipeline.journal import Journal
from pipeline.lifecycle.use import compose
from pipeline.params import Params
from tests.conftest import COPIED, REPOSITORY

LOCK = """
stages:
  download: {outs: [{path: data/download/images.tar, md5: %s}]}
  split:
    outs:
    - {path: data/split/train, md5: 2%s.dir}
    - {path: data/split/val, md5: 3%s.dir}
    - {path: data/split/test, md5: 4%s.dir}
"""


@contextmanager
def checkout(folder: Path, server: str) -> Iterator[Path]:
    """A folder with code, presets and a lock, that is the current one; MLflow is at `server`."""
    for name in COPIED:
        source, target = REPOSITORY / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DVC_ROOT", str(folder))
        patch.setenv("MLFLOW_TRACKING_URI", server)
        write_lock(folder, "a")
        yield folder


def write_lock(folder: Path, digit: str) -> None:
    """A `dvc.lock` whose data have hashes made of one hex digit."""
    (folder / "dvc.lock").write_text(LOCK % (digit * 32, digit * 31, digit * 31, digit * 31))


def params_of(*overrides: str, preset: str = "digits") -> Params:
    """Params as `reprolens use` would write them."""
    from ruamel.yaml import YAML

    return params_file.parse(YAML(typ="safe").load(compose(REPOSITORY / "presets", preset, overrides)))


def make_run(params: Params, key: str, accuracy: float, num_epochs: int = 12) -> str:
    """A finished run with learning curves that end near `accuracy`; returns its id."""
    journal = Journal(Path(os.environ["DVC_ROOT"]) / ".reprolens" / "runs" / key)
    journal.write("start", pid="1@0.00", **record.start_facts(params))
    for epoch in range(1, num_epochs + 1):
        journal.write("epoch", row=row_of(epoch, accuracy), seconds=0.5)
    journal.write("end", status="FINISHED")
    journal.write("test", metrics=record.test_metrics(metrics_of(accuracy)))
    return complete(tracking_server.connect(), journal, None)


def row_of(epoch: int, accuracy: float) -> dict[str, float]:
    """The history of one epoch."""
    away = 0.8**epoch
    return {
        "epoch": epoch,
        "loss": 0.1 + away,
        "accuracy": accuracy * (1 - away) + 0.005,
        "val_loss": 0.15 + away,
        "val_accuracy": accuracy * (1 - away),
    }


def metrics_of(accuracy: float) -> dict[str, Any]:
    """What `evaluate` would write."""
    values = {
        "accuracy": accuracy,
        "loss": 2 * (1 - accuracy),
        "macro_f1": accuracy - 0.002,
        "expected_calibration_error": 0.02,
        "top5_accuracy": 1.0,
    }
    interval = {name: {"low": value - 0.01, "high": min(1.0, value + 0.01)} for name, value in values.items()}
    return {**values, "images": 256, "interval": interval}
