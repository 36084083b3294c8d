"""What the benchmarks of tuning make of records, studies and samples."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.tuning import other_seeds, summed
from benchmarks.tuning_race import OURS, UNPRUNED, compared, told
from benchmarks.tuning_runs import (
    epochs_for,
    finished,
    phases,
    pooled_deviation,
    records_of,
    while_finished,
    write_mnist,
)
from tests.official import idx_gz

NOON = datetime(2026, 1, 1, 12)


def trial(start: float, epochs: list[float], fit: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    """Begun `start` seconds after noon; its first epoch begins a second later, it ends half a second after its last."""
    at, rows = start + 1, []
    for number, seconds in enumerate(epochs, start=1):
        at += seconds
        time = (NOON.timestamp() + at) * 1000
        rows.append({"epoch": number, "val_accuracy": number / 10, "seconds": seconds, "time": time})
    value = None if state == TrialState.FAIL else 0.5
    made = create_trial(state=state, value=value, user_attrs={"rows": rows, "fit_seconds": fit})
    made.datetime_start, made.datetime_complete = (NOON + timedelta(seconds=when) for when in (start, at + 0.5))
    return made


def test_a_run_reaches_what_its_trials_had_by_the_end_of_the_time() -> None:
    trials = [trial(0, [2, 2], 4), trial(6, [2, 2, 2], 6), trial(20, [2], 2, TrialState.FAIL)]
    reached = told(records_of(trials, NOON.timestamp()), 12)
    assert reached["best"] == 0.2  # the third epoch of the second trial comes a second too late
    assert reached["so_far"] == pytest.approx([0, 0.1, 0.2, 0.2, 0.2])
    assert reached["trials"] == 1 and reached["per_minute"] == 5


def test_a_trial_that_the_end_of_the_time_cut_off_counts_by_its_epochs_only() -> None:
    reached = told(records_of([trial(0, [2, 2], 4, TrialState.FAIL)], NOON.timestamp()), 60)
    assert (reached["best"], reached["trials"]) == (0.2, 0)


def test_sides_are_compared_by_mean_best_and_trials() -> None:
    runs = {
        OURS: [{"best": 0.9, "trials": 20}, {"best": 0.8, "trials": 10}],
        UNPRUNED: [{"best": 0.8, "trials": 5}, {"best": 0.7, "trials": 5}],
    }
    against = compared(runs)[UNPRUNED]
    assert against["difference"] == pytest.approx(0.1) and against["ratio_of_trials"] == 3
    assert against["pooled_deviation"] == pytest.approx(0.005**0.5)


def test_one_seed_has_no_deviation() -> None:
    assert pooled_deviation([0.9], [0.8]) is None


def test_phases_of_trials_that_run_one_after_another() -> None:
    found = phases(finished([trial(10, [2, 2], 4.2), trial(0, [3, 2], 5.5)]))
    assert found["fit"] == [5.5, 4.2]
    assert found["outside"] == pytest.approx([1.0, 1.3])
    assert found["to_epoch"] == pytest.approx([1, 1])
    assert found["after"] == pytest.approx([0.5, 0.5])
    assert found["between"] == pytest.approx([3.5])


def test_epochs_for_a_time_leave_room_for_what_the_first_one_takes_longer() -> None:
    probe = trial(0, [3, 1, 1], 5.2)
    assert epochs_for(6.2, probe) == 4
    assert epochs_for(0.5, probe) == 1


def test_samples_are_told_by_how_many_trials_had_finished() -> None:
    samples = [{"at": at} for at in (0.5, 1.0, 1.5, 2.5, 3.5)]
    assert while_finished(samples, [1.0, 2.0, 3.0], range(1, 3)) == [{"at": 1.0}, {"at": 1.5}, {"at": 2.5}]


def test_a_process_has_its_median_size_and_files() -> None:
    samples = [{"command": {"rss": size, "uss": 1.0, "files": files}} for size, files in ((5, 9), (7, 20), (6, 8))]
    assert summed([*samples, {"fork server": {}}], "command") == {"rss": 6, "uss": 1.0, "files": 9}


def test_values_of_other_seeds_come_by_seed() -> None:
    assert other_seeds({"retrained:1:10": 0.3, "retrained:1:2": 0.2, "retrained:12:1": 0.1}, 1) == [0.2, 0.3]


def test_the_images_asked_for_are_written_to_the_folder_of_its_class(tmp_path: Path) -> None:
    for name, content in idx_gz(40).items():
        (tmp_path / name).write_bytes(content)
    write_mnist(tmp_path, tmp_path / "tenth", range(0, 40, 10))
    files = sorted(file.relative_to(tmp_path / "tenth").as_posix() for file in (tmp_path / "tenth").rglob("*.png"))
    assert files == ["0/00000.png", "0/00010.png", "0/00020.png", "0/00030.png"]
