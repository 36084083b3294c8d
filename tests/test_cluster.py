"""What goes to a cluster and comes back, without a cluster; `test_ray` has a real one."""

import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline import cluster_bundle
from pipeline.checkpoint import Row
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.ray_workers import connected
from pipeline.study_follower import Follower


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("slurm", "this is no address of a Ray cluster: give ray"),
        ("ray://", "this is no address of a Ray cluster"),
        ("ray://host", "this is no address of a Ray cluster"),
        ("ray://host:many", "this is no address of a Ray cluster"),
        (
            "ray://127.0.0.1:9",
            "--on ray://127.0.0.1:9: nothing answers there (Connection refused): check that the cluster",
        ),
        ("ray://nowhere.invalid:10001", "nothing answers there"),
    ],
)
def test_a_cluster_that_is_none_costs_one_line(on: str, said: str) -> None:
    with pytest.raises(UserError) as refused, connected(on):
        pass
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_cluster_too_busy_to_begin_is_asked_again_and_then_told_of_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray gives its own server for a client half a minute to start, whatever else the machine does."""
    import ray

    answer = "Initialization failure from server:\nTraceback (most recent call last):\n  ...\nRuntimeError: failed\n"
    asked = []

    def refuse(address: str, **_: Any) -> None:
        asked.append(address)
        raise ConnectionAbortedError(answer)

    monkeypatch.setattr(ray, "init", refuse)
    with socket.create_server(("127.0.0.1", 0)) as there:
        on = f"ray://127.0.0.1:{there.getsockname()[1]}"
        with pytest.raises(UserError) as refused, connected(on):
            pass
    assert str(refused.value) == f"--on {on}: RuntimeError: failed" and asked == [on] * 3


@pytest.fixture
def splits(workspace: Path) -> Path:
    """A workspace whose splits are there, if only in name."""
    for name in ("train", "val", "test"):
        folder = workspace / "data" / "split" / name
        folder.mkdir(parents=True)
        (folder / "images.npy").write_text(name)
    (workspace / "data" / "split" / "classes.json").write_text("[]")
    return workspace


def names_in(tar: Path) -> set[str]:
    with tarfile.open(tar) as opened:
        names = opened.getnames()
    assert len(names) == len(set(names)), "each file once"
    return set(names)


def test_the_bundle_has_what_trials_read_but_no_test_image(
    splits: Path, make_params: Callable[..., Params], tmp_path: Path
) -> None:
    cluster_bundle.pack(make_params(), tmp_path / "a.tar")
    names = names_in(tmp_path / "a.tar")
    wanted = {"params.yaml", "dvc.yaml", "requirements.lock", "pipeline/cluster_worker.py", "data/split/classes.json"}
    assert wanted | {f"data/split/{name}/images.npy" for name in ("train", "val")} <= names
    assert not [name for name in names if "split/test" in name or name.endswith(".pyc") or name.startswith((".", "/"))]


def test_equal_contents_are_equal_bytes(splits: Path, make_params: Callable[..., Params], tmp_path: Path) -> None:
    first = cluster_bundle.pack(make_params(), tmp_path / "a.tar")
    os.utime(splits / "params.yaml", (0, 0))
    assert cluster_bundle.pack(make_params(), tmp_path / "b.tar") == first
    (splits / "data" / "split" / "train" / "images.npy").write_text("others")
    assert cluster_bundle.pack(make_params(), tmp_path / "c.tar") != first


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def trial_started(self, trial: FrozenTrial) -> None:
        self.told.append(("started", trial.number))

    def epoch(self, number: int, row: Row) -> None:
        raise AssertionError("an epoch is the table's")

    def trial_ended(self, trial: FrozenTrial) -> None:
        self.told.append((trial.state.name, trial.number))


def trial(number: int, state: TrialState, values: dict[int, float] | None = None, **facts: Any) -> FrozenTrial:
    made = optuna.trial.create_trial(
        state=state,
        value=1.0 if state == TrialState.COMPLETE else None,
        intermediate_values=values or {},
        user_attrs=facts,
    )
    made.number = number
    return made


def test_a_follower_tells_each_thing_once() -> None:
    listener, epochs = Listener(), []
    follower = Follower((listener,), lambda *told: epochs.append(told))
    before = trial(0, TrialState.COMPLETE, process="1@1")
    follower.look([before, trial(1, TrialState.RUNNING)])  # the second one's point is not taken yet
    assert listener.told == []
    for done in (1, 1, 3):
        values = {step: step / 10 for step in range(1, done + 1)}
        follower.look([before, trial(1, TrialState.RUNNING, values, process="1@1")])
    for _ in range(2):
        follower.look([before, trial(1, TrialState.FAIL, process="1@1"), trial(2, TrialState.COMPLETE, process="1@1")])
    assert listener.told == [("started", 1), ("FAIL", 1), ("started", 2), ("COMPLETE", 2)]
    assert epochs == [(1, 1, 0.1), (1, 3, 0.3)]
