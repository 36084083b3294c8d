"""`reprolens verify`: runs that are really made again, by git, DVC and TensorFlow, in a checkout of their own."""

import gzip
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.idx import idx_array
from tests.checkout import Checkout, make_checkout
from tests.conftest import write_pictures

SMALL = ("train.epochs=2", "model.filters=[4]", "model.dense=[8]", "evaluate.bootstrap=100")

pytestmark = pytest.mark.slow  # `test_remake` has the same with small stages


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with a run made from params, code and a picture that are not committed."""
    checkout = make_checkout(tmp_path_factory.mktemp("verify"), "digits", *SMALL)
    with (checkout.folder / "pipeline" / "model.py").open("a") as code:
        code.write("# not committed\n")
    (checkout.folder / "pipeline" / "more.py").write_text('"""New."""\n')
    Image.new("L", (8, 8)).save(checkout.folder / "docs" / "new.png")
    checkout.repro()
    return checkout


def tags_of(checkout: Checkout) -> list[dict[str, str]]:
    """The tags of every run that MLflow has."""
    with sqlite3.connect(checkout.folder / "mlruns" / "mlflow.db") as db:
        ids = [row[0] for row in db.execute("select run_uuid from runs")]
        return [dict(db.execute("select key, value from tags where run_uuid = ?", (run,)).fetchall()) for run in ids]


def state_of(checkout: Checkout) -> tuple[Any, ...]:
    """What a verification must leave as it is."""
    status, trees = (
        checkout.run("git", *words).stdout for words in (("status", "--porcelain"), ("worktree", "list", "--porcelain"))
    )
    return checkout.lock(), status, trees, sorted((checkout.folder / ".dvc/cache/files/md5").iterdir())


def test_a_run_from_uncommitted_params_and_code_is_identical(made: Checkout) -> None:
    (tags,) = tags_of(made)
    before = state_of(made)
    done = made.run("reprolens", "verify", tags["reprolens.run_key"][:8])
    assert done.returncode == 0, done.stdout
    assert f"  model    {tags['reprolens.model']}" in done.stdout and "identical: run" in done.stdout
    assert state_of(made) == before
    (after,) = tags_of(made)
    assert after["reprolens.verified"] == "identical" and after["reprolens.verified_when"].endswith("UTC")


def test_one_byte_of_the_data_changed_names_the_data(made: Checkout) -> None:
    (tags,) = tags_of(made)
    md5 = tags["reprolens.data"]
    cached = made.folder / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    content = cached.read_bytes()
    cached.chmod(0o644)
    cached.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    done = made.run("reprolens", "verify", tags["reprolens.run_key"])
    cached.write_bytes(content)
    assert done.returncode == 3, done.stdout
    assert f"  data     raw images: {md5} then" in done.stdout and str(cached) in done.stdout


def test_a_version_that_is_not_there_is_one_line(made: Checkout) -> None:
    done = made.run("reprolens", "verify", "digits@champion")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1), done.stdout
    assert "model digits has no version yet" in done.stdout


def test_a_run_evaluated_again_by_another_rule_is_identical(made: Checkout) -> None:
    made.run("reprolens", "use", "digits", *SMALL[:-1], "evaluate.bootstrap=50")
    made.repro()
    (tags,) = tags_of(made)
    done = made.run("reprolens", "verify", tags["reprolens.run_key"])
    assert done.returncode == 0, done.stdout
    assert "dvc push" not in done.stdout


def write_digits(mnist: Path, folder: Path, count: int) -> Path:
    """The first MNIST test images as class folders."""
    arrays = []
    for kind in ("images-idx3", "labels-idx1"):
        plain = folder / f"{kind}-ubyte"
        folder.mkdir(exist_ok=True)
        plain.write_bytes(gzip.decompress((mnist / f"t10k-{kind}-ubyte.gz").read_bytes()))
        arrays.append(np.array(idx_array(plain, 0)[:count]))
        plain.unlink()
    for number, (image, label) in enumerate(zip(*arrays, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / str(label) / f"{number:05d}.png")
    return folder


@pytest.mark.timeout(3600)
def test_five_runs_over_three_data_sets_are_identical(tmp_path: Path, datasets: Path) -> None:
    pictures = write_pictures(tmp_path / "pets", count=30)
    mnist = write_digits(datasets / "mnist", tmp_path / "mnist", 1500)
    checkout = make_checkout(tmp_path)
    for use in (
        ("digits", *SMALL),
        ("digits", *SMALL, "train.optimizer=sgd", "augment.cutout=0.2"),
        ("folder", f"dataset.path={pictures}", "image.size=[12,12]", *SMALL),
        ("folder", f"dataset.path={mnist}", "image.size=[14,14]", "image.channels=1", *SMALL),
        ("folder", f"dataset.path={mnist}", "image.size=[14,14]", "image.channels=1", *SMALL, "model.dropout=0.2"),
    ):
        done = checkout.run("reprolens", "use", *use)
        assert done.returncode == 0, done.stdout
        checkout.repro()
    shutil.rmtree(pictures)
    keys = [tags["reprolens.run_key"] for tags in tags_of(checkout)]
    assert len(keys) == 5
    for key in keys:
        done = checkout.run("reprolens", "verify", key)
        assert done.returncode == 0 and "identical: run" in done.stdout, done.stdout
