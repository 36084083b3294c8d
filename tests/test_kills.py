"""Ten times `kill -9` of the whole process group, then `dvc repro`: always the same bytes and one MLflow run."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import Checkout, make_checkout
from tests.test_end_to_end import local_runs

EPOCHS = 24
PRESET = (
    "digits",
    f"train.epochs={EPOCHS}",
    "train.schedule=one-cycle",
    f"train.patience={EPOCHS}",
    "model.dropout=0.2",
    "model.batch_norm=true",
    "augment.shift_width=0.1",
    "augment.rotation=10",
)
MOMENTS = (
    "Running stage 'download'",
    "split: 1,",
    "Running stage 'train'",
    "epoch   1/",
    "epoch   3/",
    "epoch   7/",
    "epoch  12/",
    "epoch  18/",
    "epoch  23/",
    "Running stage 'evaluate'",
)


@dataclass(frozen=True)
class Undisturbed:
    """A checkout and the lock of a run in it that nobody killed."""

    checkout: Checkout
    lock: bytes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    checkout = make_checkout(tmp_path_factory.mktemp("kills"), *PRESET)
    checkout.repro()
    return Undisturbed(checkout, checkout.lock())


def kill_at(checkout: Checkout, moment: str) -> str:
    """Starts `dvc repro` and kills its process group when a line with `moment` appears; returns the output."""
    process = checkout.start("dvc", "repro", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if moment in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, "".join(lines)
    return "".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_pipeline_ends_the_same(undisturbed: Undisturbed, moment: str) -> None:
    checkout = undisturbed.checkout
    checkout.forget()
    kill_at(checkout, moment)
    output = checkout.repro()
    assert checkout.lock() == undisturbed.lock
    (run,) = local_runs(checkout)
    assert run["status"] == "FINISHED"
    assert sorted(step for key, step, _ in run["points"] if key == "val/loss") == list(range(1, EPOCHS + 1))
    after_first = moment.startswith("epoch") and "   1/" not in moment
    assert ("train: resuming after epoch" in output) == after_first or moment == "epoch   1/"


def test_a_killed_run_does_not_stay_running(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, *PRESET)
    kill_at(checkout, "epoch   3/")
    for _ in range(120):  # a watcher closes it, with nobody's help
        (run,) = local_runs(checkout)
        if run["status"] != "RUNNING":
            break
        time.sleep(0.5)
    assert run["status"] == "KILLED"
