"""`kill -9` of the whole process group, then `dvc repro`: always the same bytes and one MLflow run.

Ten moments of the whole pipeline, and twenty at random of `download` and `split`.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.checkout import Checkout, make_checkout
from tests.hostile import pictures, tarred
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
    seconds: float = 0  # from the beginning of the first stage to the end


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


@pytest.mark.slow
def test_a_killed_run_does_not_stay_running(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, *PRESET)
    kill_at(checkout, "epoch   3/")
    for _ in range(120):  # a watcher closes it, with nobody's help
        (run,) = local_runs(checkout)
        if run["status"] != "RUNNING":
            break
        time.sleep(0.5)
    assert run["status"] == "KILLED"


NUM_PICTURES = 5_000  # per class; `download` and `split` take some seconds each
NUM_MOMENTS = 20
# Spread evenly, each at random within its share.
SHARES = [(n + float(part)) / NUM_MOMENTS for n, part in enumerate(np.random.default_rng(0).random(NUM_MOMENTS))]


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A checkout whose `split` has run on many pictures from an archive."""
    folder = tmp_path_factory.mktemp("random-kills")
    (folder / "pictures.tar.xz").write_bytes(tarred(pictures(NUM_PICTURES, side=24), "xz"))
    use = ("folder", f"dataset.path={folder / 'pictures.tar.xz'}", "image.size=[32, 32]", "image.channels=3")
    checkout = make_checkout(folder, *use)
    checkout.forget()
    process = checkout.start("dvc", "repro", "split", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    began, lines = 0.0, []
    for line in process.stdout:
        lines.append(line)
        began = began or (time.monotonic() if "Running stage" in line else 0.0)
    assert process.wait() == 0, "".join(lines)
    process.stdout.close()
    return Undisturbed(checkout, checkout.lock(), time.monotonic() - began)


def strays(checkout: Checkout) -> list[str]:
    """What only a process at work may have."""
    folders = [checkout.folder / name for name in ("data", "reports", ".reprolens")]
    files = [file for folder in folders for file in folder.rglob("*")]
    return [file.name for file in files if file.name.startswith(".") or file.suffix in {".tmp", ".part", ".lock"}]


@pytest.mark.slow
@pytest.mark.parametrize("share", SHARES)
def test_download_and_split_killed_at_random_end_the_same(divided: Undisturbed, share: float) -> None:
    checkout = divided.checkout
    checkout.forget()
    process = checkout.start("dvc", "repro", "split", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    assert any("Running stage 'download'" in line for line in process.stdout)
    time.sleep(share * divided.seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()  # it may have come to its end before
    if "RWLock-file" in checkout.run("dvc", "repro", "split").stdout:  # the kill hit DVC while it wrote its own file
        assert checkout.run("reprolens", "check").returncode == 0
    checkout.repro("split")
    assert checkout.lock() == divided.lock
    assert strays(checkout) == []
