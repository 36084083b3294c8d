"""A checkpoint holds everything that the next epoch depends on, or counts for nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import checkpoint, keras_setup
from pipeline.checkpoint import Progress
from pipeline.model import build_model
from pipeline.optimizer import compile_model
from pipeline.params import Params

Make = Callable[..., Params]
TINY = (
    "model.filters=[4]",
    "model.kernel=3",
    "model.padding=same",
    "model.pool=2",
    "model.dense=[8]",
    "model.dropout=0.2",
    "model.dense_dropout=0.2",
    "model.batch_norm=true",
    "train.optimizer=adam",
)
ROW = {"epoch": 1.0, "loss": 0.1, "accuracy": 0.3, "val_loss": 1 / 3, "val_accuracy": 0.5}


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    keras_setup.deterministic(0, 2)


def compiled(make: Make, *overrides: str, seed: int = 0) -> Any:
    params = make(*TINY, *overrides)
    model = build_model(params.model, (8, 8, 1), 3, seed)
    compile_model(model, params.train, 2, 3)
    return model


def used(make: Make, *overrides: str) -> Any:
    """A model that has learned, so that moments, batch statistics and dropout states are not the first ones."""
    model = compiled(make, *overrides)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    model.fit(images, random.integers(0, 3, 20), epochs=2, batch_size=10, verbose=0)
    return model


def state(model: Any) -> list[Any]:
    return [np.asarray(variable.value) for variable in checkpoint._variables(model)]


def test_every_variable_comes_back(tmp_path: Path, make_params: Make) -> None:
    model, fresh = used(make_params), compiled(make_params, seed=1)
    best = model.get_weights()
    checkpoint.save(tmp_path / "saved.npz", model, Progress([ROW], best))
    progress = checkpoint.restore(tmp_path / "saved.npz", fresh)
    assert progress.history == [ROW]
    assert all(np.array_equal(a, b) for a, b in zip(progress.best_weights, best, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(state(fresh), state(model), strict=True))


def test_optimizer_and_dropout_are_part_of_the_state(make_params: Make) -> None:
    model = used(make_params)
    paths = [variable.path for variable in checkpoint._variables(model)]
    assert sum("seed_generator" in path for path in paths) == 2
    assert any(path.endswith("iteration") for path in paths) and any("moving_mean" in path for path in paths)
    assert len(paths) == len(set(paths))


def test_a_missing_checkpoint_means_a_new_start(tmp_path: Path, make_params: Make) -> None:
    model = compiled(make_params)
    before = model.get_weights()
    assert checkpoint.restore(tmp_path / "none.npz", model) == Progress()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _text(file: Path) -> None:
    file.write_text("not a checkpoint")


def _plain_array(file: Path) -> None:
    with file.open("wb") as stream:
        np.save(stream, np.zeros(3))


def _no_history(file: Path) -> None:
    with np.load(file) as saved:
        arrays = {name: saved[name] for name in saved.files if name != "history"}
    np.savez(file, allow_pickle=False, **arrays)


def _other_content(file: Path) -> None:
    np.savez(file, allow_pickle=False, something=np.zeros(3))


@pytest.mark.parametrize("damage", [_cut, _flip, _empty, _text, _plain_array, _no_history, _other_content])
def test_a_broken_checkpoint_means_a_new_start(
    tmp_path: Path, make_params: Make, damage: Callable[[Path], None]
) -> None:
    saved, model = tmp_path / "saved.npz", compiled(make_params)
    checkpoint.save(saved, used(make_params), Progress([ROW]))
    damage(saved)
    before = model.get_weights()
    assert checkpoint.restore(saved, model) == Progress()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("override", ["model.dense=[9]", "model.batch_norm=false", "train.optimizer=sgd"])
def test_a_checkpoint_of_another_network_or_optimizer_means_a_new_start(
    tmp_path: Path, make_params: Make, override: str
) -> None:
    checkpoint.save(tmp_path / "saved.npz", used(make_params), Progress([ROW]))
    assert checkpoint.restore(tmp_path / "saved.npz", compiled(make_params, override)) == Progress()


def test_a_failed_save_leaves_the_last_checkpoint(tmp_path: Path, make_params: Make) -> None:
    saved, model = tmp_path / "saved.npz", used(make_params)
    checkpoint.save(saved, model, Progress([ROW]))
    with pytest.raises(TypeError):
        checkpoint.save(saved, model, Progress([{"epoch": b"no json"}]))  # type: ignore[dict-item]
    assert checkpoint.restore(saved, model).history == [ROW]
    assert list(tmp_path.iterdir()) == [saved]
