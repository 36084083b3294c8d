"""`dvc repro --force` with features that are at hand, were deleted, or were being computed at a kill: the same lock."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.checkout import Checkout, make_checkout

TUNED = ("backbone.trainable=1", "backbone.normalize=true", "backbone.views=20", "backbone.head_epochs=1")
CHANGES = ("model.filters=[8,8]", "model.dense=[8]", "train.epochs=2", "train.patience=0")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A repository whose params start from a model that was made in it, and fine-tune it on features."""
    checkout = make_checkout(tmp_path_factory.mktemp("features"), "digits", *CHANGES)
    checkout.repro()
    start = checkout.folder.parent / "start.keras"
    shutil.copy(checkout.folder / "models" / "model.keras", start)
    done = checkout.run("reprolens", "use", "digits", *CHANGES, *TUNED, f"backbone.weights={start}")
    assert done.returncode == 0, done.stdout
    assert "features took" in checkout.repro()
    return checkout


def features(checkout: Checkout) -> Path:
    return checkout.folder / ".reprolens" / "features"


def kill_while_computing(checkout: Checkout) -> None:
    """Starts `dvc repro --force` and ends its process group with a part of the features on disk."""
    process: subprocess.Popen[str] = checkout.start("dvc", "repro", "--force", "train")
    while process.poll() is None:
        if any(part.stat().st_size > 0 for part in features(checkout).glob("*.part")):
            os.killpg(process.pid, signal.SIGKILL)
            break
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_the_lock_is_the_same_whatever_became_of_the_features(begun: Checkout) -> None:
    lock = begun.lock()
    told = begun.repro("--force")
    assert "at hand" in told and "computing" not in told
    assert begun.lock() == lock
    shutil.rmtree(features(begun))
    told = begun.repro("--force")
    assert "computing" in told and begun.lock() == lock
    shutil.rmtree(features(begun))
    kill_while_computing(begun)
    parts = list(features(begun).glob("*.part"))
    assert len(parts) == 1
    told = begun.repro("--force")
    assert "training images, from " in told and begun.lock() == lock
    assert not list(features(begun).glob("*.part"))
