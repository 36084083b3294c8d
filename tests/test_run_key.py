"""The same key is the same training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import paths, run_key
from pipeline.params import Params
from tests.conftest import edit_yaml

Make = Callable[..., Params]


@pytest.fixture
def deps(workspace: Path) -> list[Path]:
    """The deps of `train` as `dvc.yaml` names them, with something small for data."""
    for folder in (paths.TRAIN, paths.VAL):
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(folder.name.encode())
    paths.CLASSES.write_text('["a", "b"]')
    return run_key.train_deps()


def test_the_key_is_short_hex_and_repeats(make_params: Make, deps: list[Path]) -> None:
    key = run_key.run_key(make_params(), deps)
    assert key == run_key.run_key(make_params(), deps)
    assert len(key) == 20 and not set(key) - set("0123456789abcdef")


@pytest.mark.parametrize("override", ["model.dropout=0.77", "augment.cutout=0.77", "train.seed=77", "train.threads=1"])
def test_every_param_of_train_changes_it(make_params: Make, deps: list[Path], override: str) -> None:
    assert run_key.run_key(make_params(override), deps) != run_key.run_key(make_params(), deps)


@pytest.mark.parametrize("override", ["evaluate.bootstrap=200", "evaluate.seed=5", "dataset.mirror=/mirror"])
def test_what_does_not_reach_training_leaves_it(make_params: Make, deps: list[Path], override: str) -> None:
    assert run_key.run_key(make_params(override), deps) == run_key.run_key(make_params(), deps)


@pytest.mark.parametrize(
    "file",
    [
        paths.TRAIN / "images.npy",
        paths.VAL / "images.npy",
        paths.CLASSES,
        Path("pipeline/model.py"),
        paths.PACKAGE_LOCK,
    ],
)
def test_data_code_and_package_lock_change_it(make_params: Make, deps: list[Path], file: Path) -> None:
    before = run_key.run_key(make_params(), deps)
    file.write_bytes(file.read_bytes() + b"\n")
    assert run_key.run_key(make_params(), deps) != before


def test_a_new_and_a_renamed_file_in_the_data_change_it(make_params: Make, deps: list[Path]) -> None:
    keys = [run_key.run_key(make_params(), deps)]
    (paths.TRAIN / "new").write_bytes(b"")
    keys.append(run_key.run_key(make_params(), deps))
    (paths.TRAIN / "new").rename(paths.TRAIN / "renamed")
    keys.append(run_key.run_key(make_params(), deps))
    assert len(set(keys)) == 3


def test_neither_test_split_nor_evaluation_code_nor_dates_change_it(make_params: Make, deps: list[Path]) -> None:
    before = run_key.run_key(make_params(), deps)
    paths.TEST.mkdir(parents=True)
    (paths.TEST / "images.npy").write_bytes(b"test")
    Path("pipeline/report.py").write_text("# other code")
    (paths.TRAIN / "images.npy").touch()
    assert run_key.run_key(make_params(), deps) == before


def test_params_of_train_do_not_hold_other_sections(make_params: Make) -> None:
    assert set(run_key.train_params(make_params())) == {"model", "augment", "train"}


def test_comments_and_order_in_the_params_file_do_not_change_it(workspace: Path, deps: list[Path]) -> None:
    from pipeline import params_file

    before = run_key.run_key(params_file.load(paths.PARAMS), deps)
    edit_yaml(workspace / "params.yaml", evaluate__seed=9)
    paths.PARAMS.write_text("# a comment\n" + paths.PARAMS.read_text())
    assert run_key.run_key(params_file.load(paths.PARAMS), deps) == before
