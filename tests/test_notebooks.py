"""`make notebooks` as a user runs it: real DVC experiments on small data, stopped, gone on with, and their table."""

import json
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.lifecycle.notebooks import planned
from tests.checkout import Checkout, make_checkout
from tests.conftest import write_pictures
from tests.test_fetch import closed_port
from tests.tracked_runs import params_of

KINDS = ("daisy", "dandelion", "rose", "sunflower", "tulip")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which no host can be reached."""
    proxies = {name: closed_port() for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    return proxies


def test_the_plan_has_every_network_and_says_what_is_missing(
    workspace: Path, tmp_path: Path, offline: dict[str, str]
) -> None:
    write_pictures(tmp_path / "flowers", KINDS, 1)
    rows = planned((), str(tmp_path), 2)
    assert len(rows) == 20 and len({row.name for row in rows}) == 20
    assert {row.preset for row in rows if row.params} == {row.preset for row in rows if "flowers" in row.preset}
    second = next(row for row in rows if row.name == "flowers-padding-seed1")
    own = ("dataset.name=folder", f"dataset.path={tmp_path / 'flowers'}", "train.seed=1")
    assert second.params == params_of(*own, preset="flowers-padding")
    assert all("toronto" in row.problem for row in rows if row.preset.startswith("cifar"))


@pytest.mark.parametrize(
    ("presets", "folder", "says"),
    [(("digits",), None, "no notebook `digits`: there are cifar100-cnn"), ((), "nowhere", "'nowhere' is not a folder")],
)
def test_bad_input_costs_one_line(workspace: Path, presets: tuple[str, ...], folder: str | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        planned(presets, folder, 1)


def run_notebooks(checkout: Checkout, folder: Path, offline: dict[str, str], *presets: str) -> tuple[int, str]:
    done = checkout.run("reprolens", "notebooks", *presets, "--data", str(folder), **offline)
    return done.returncode, done.stdout


@pytest.mark.slow  # three minutes
def test_rows_are_made_once_kept_and_tabled(tmp_path: Path, offline: dict[str, str]) -> None:
    data = tmp_path / "data"
    write_pictures(data / "flowers", KINDS, 80, side=20)
    checkout = make_checkout(tmp_path)
    quick = "train:\n  epochs: 1\n  batch_size: 64\n"
    for name in ("flowers-baseline", "flowers-padding"):
        preset = checkout.folder / "presets" / f"{name}.yaml"
        preset.write_text(preset.read_text().partition("train:\n")[0] + quick)
    before = (checkout.folder / "params.yaml").read_bytes()

    failing = data / "flowers" / "lily"
    failing.mkdir()
    (failing / "1.jpg").write_bytes(b"no picture")  # a class without an image: `split` stops
    code, output = run_notebooks(checkout, data, offline, "flowers-baseline")
    assert code == 1 and "flowers-baseline-seed0: failed" in output and "Traceback" not in output

    (failing / "1.jpg").unlink()
    failing.rmdir()
    code, output = run_notebooks(checkout, data, offline, "flowers-baseline", "cifar100-cnn")
    assert code == 0 and "cifar-100-binary.tar.gz" in output and "6,649,925" in output
    assert (checkout.folder / "params.yaml").read_bytes() == before
    assert not (checkout.folder / "models").exists()
    assert "flowers-baseline-seed0" in checkout.run("dvc", "exp", "list", "--name-only").stdout

    edited = checkout.folder / "presets" / "flowers-baseline.yaml"
    edited.write_text(edited.read_text() + "evaluate:\n  bootstrap: 100\n")  # the same training, judged anew
    code, output = run_notebooks(checkout, data, offline, "flowers-baseline")
    assert code == 0 and "flowers-baseline-seed0: running" in output and "epoch   1/1" not in output

    code, output = run_notebooks(checkout, data, offline, "flowers-baseline", "flowers-padding")
    assert code == 0 and "flowers-baseline-seed0: made before" in output and "flowers-padding-seed0: running" in output
    journals = list((checkout.folder / ".reprolens" / "runs").glob("*/journal.jsonl"))
    starts = [json.loads(journal.read_text().splitlines()[0])["name"] for journal in journals]
    assert sorted(starts) == ["flowers-baseline", "flowers-padding"]
