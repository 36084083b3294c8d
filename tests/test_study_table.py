"""The view of a running study: exact rows and lines, nothing wider than the terminal, and its last words."""

import io
import math
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console
from rich.text import Text

from pipeline.metrics import Metric
from pipeline.study_facts import best_of
from pipeline.study_rows import Moment, shown
from pipeline.study_screen import broken, fitted
from pipeline.study_table import LiveTable, Row, rows, summary
from pipeline.study_words import heading, standing, time_left

NOW = datetime(2026, 9, 1, 12)
ACCURACY, PARAMETERS = Metric("val_accuracy", True), Metric("parameters", False)
ONE, TWO = [ACCURACY], [ACCURACY, PARAMETERS]
SPACE: dict[str, BaseDistribution] = {"model.dropout": FloatDistribution(0.0, 0.5)}
OUT_OF_MEMORY = "out of memory: [OOM] when allocating a tensor with shape 4096 x 4096 x 512 on the CPU, so it says"


def trial(
    state: str, *values: float, dropout: float = 0.2, seconds: float = 5.1, began: datetime = NOW, **attrs: Any
) -> FrozenTrial:
    """One that sets a dropout and two blocks of filters; a pruned or running one has reported its values."""
    reports = dict(enumerate(values, start=1)) if state in ("PRUNED", "RUNNING") else {}
    rows = [{"epoch": epoch} for epoch in (1, 2, 3)] if state == "COMPLETE" else []
    made = create_trial(
        state=TrialState[state],
        values=list(values) if state == "COMPLETE" else [values[-1]] if state == "PRUNED" else None,
        params={"model.dropout": dropout},
        distributions=SPACE,
        intermediate_values=reports,
        user_attrs={"params": {"model.dropout": dropout, "model.filters": [16, 32]}, "rows": rows} | attrs,
    )
    made.datetime_start = began if state != "WAITING" else None
    made.datetime_complete = began + timedelta(seconds=seconds) if made.state.is_finished() else None
    return made


def study_of(trials: Sequence[FrozenTrial], objectives: Sequence[Metric] = ONE) -> optuna.Study:
    """Trials get their points in order, as a worker would give them."""
    study = optuna.create_study(directions=["maximize" if m.higher_is_better else "minimize" for m in objectives])
    for number, one in enumerate(trials):
        one.set_user_attr("point", one.user_attrs.get("point", number))
        study.add_trial(one)
    return study


def trials_of(*trials: FrozenTrial, objectives: Sequence[Metric] = ONE) -> list[FrozenTrial]:
    return study_of(trials, objectives).get_trials()


def mixed() -> list[FrozenTrial]:
    """One of each kind; trial 1 is the best."""
    return trials_of(
        trial("COMPLETE", 0.95, dropout=0.0),
        trial("COMPLETE", 0.9713),
        trial("PRUNED", 0.8, 0.9, dropout=0.123456),
        trial("FAIL", reason=OUT_OF_MEMORY),
        trial("FAIL", reason="killed: its process ended by signal 9"),
        trial("RUNNING", 0.5, dropout=0.3),
        trial("WAITING", retry_of=4),
    )


def rows_of(trials: list[FrozenTrial], objectives: Sequence[Metric] = ONE, **reports: tuple[int, float]) -> list[Row]:
    moment = Moment({int(key[1:]): told for key, told in reports.items()}, 20, NOW + timedelta(seconds=150))
    complete = [one for one in trials if one.state == TrialState.COMPLETE]
    return rows(trials, objectives, best_of(complete, objectives), moment)


def test_rows_tell_what_differs_from_the_best_trial() -> None:
    assert rows_of(mixed(), t5=(2, 0.6)) == [
        Row(0, "complete", "3/20", ("start: dropout 0",), ("0.9500",), "5.1", False),
        Row(1, "complete", "3/20", ("best: dropout 0.2", "filters 16-32"), ("0.9713",), "5.1", True),
        Row(2, "pruned", "2/20", ("dropout 0.123",), ("0.9000",), "5.1", False),
        Row(3, "failed", "0/20", (OUT_OF_MEMORY,), ("",), "5.1", False),
        Row(4, "killed", "0/20", ("its process ended by signal 9, queued again",), ("",), "5.1", False),
        Row(5, "running", "2/20", ("dropout 0.3",), ("0.6000",), "150", False),
    ]


def test_rows_of_two_objectives_mark_the_front() -> None:
    found = rows_of(
        trials_of(
            trial("COMPLETE", 0.9, 9000, dropout=0.0),
            trial("COMPLETE", 0.97, 50_000),
            trial("COMPLETE", 0.96, 60_000),
            objectives=TWO,
        ),
        TWO,
    )
    assert [(row.parts[0] if row.parts else "", row.values, row.is_best) for row in found] == [
        ("start, front: dropout 0", ("0.9000", "9,000"), True),
        ("front: dropout 0.2", ("0.9700", "50,000"), True),
        ("", ("0.9600", "60,000"), False),
    ]


def test_a_report_that_is_no_number_moves_the_epoch_alone() -> None:
    [row] = rows_of(trials_of(trial("RUNNING"), objectives=TWO), TWO, t0=(4, math.nan))
    assert (row.epoch, row.values) == ("4/20", ("", ""))


def test_of_many_trials_the_best_the_running_and_the_last_are_shown() -> None:
    values = [0.9, 0.99, *[0.5 + number / 1000 for number in range(98)]]
    done = [trial("COMPLETE", value, began=NOW + timedelta(seconds=n)) for n, value in enumerate(values)]
    trials = trials_of(*done, *[trial("RUNNING") for _ in range(3)])
    numbers = [one.number for one in shown(trials, [trials[1]], 15)]
    assert numbers == [1, *range(89, 100), 100, 101, 102]
    crowd = trials_of(*done, *[trial("RUNNING") for _ in range(50)])
    assert [one.number for one in shown(crowd, [crowd[1]], 15)] == [1, 99, *range(100, 113)]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("objectives", [ONE, TWO], ids=["one", "two"])
def test_the_table_is_never_wider_than_the_terminal(width: int, objectives: list[Metric]) -> None:
    pairs = [(0.9 + number / 1000, number * 1000.0)[: len(objectives)] for number in range(40)]
    done = [trial("COMPLETE", *pair, dropout=0.123456789, host="here") for pair in pairs]
    long = {f"model.very_long_name_{number}": "x" * 30 for number in range(9)}
    trials = trials_of(*done, trial("RUNNING", params=long), trial("FAIL", reason=OUT_OF_MEMORY), objectives=objectives)
    drawn = screen(trials, objectives, width)
    assert max(map(len, drawn)) <= width
    assert sum("complete" in text for text in drawn[2:]) >= 13 and len(drawn) <= 24
    assert any("…" in text for text in drawn)


def screen(trials: list[FrozenTrial], objectives: list[Metric], width: int, height: int = 24) -> list[str]:
    """What stands on a terminal at the end, line by line: all that was written since lines were last erased."""
    written = io.StringIO()
    console = Console(width=width, height=height, force_terminal=True, file=written)
    with LiveTable(objectives, 50, 20, 2, None, console) as table:
        table.update(trials)
    last = written.getvalue().rpartition("\x1b[2K")[2]
    return Text.from_ansi(last).plain.splitlines()


def test_a_low_terminal_has_fewer_rows_but_heading_and_foot() -> None:
    drawn = screen(mixed(), ONE, 80, height=12)
    assert len(drawn) <= 12
    assert drawn[0].startswith("tune: 3 of 50 done") and drawn[-1].startswith("best val_accuracy")


def test_the_screen_of_a_mixed_study() -> None:
    assert [text.rstrip() for text in screen(mixed()[:5], ONE, 80)] == [
        "tune: 3 of 50 done (2 complete, 1 pruned), 1 failed, 1 broken off",
        f"{'val_':>71}",
        "trial  state     epoch  params, against trial 1                accuracy  seconds",
        "    0  complete   3/20  start: dropout 0                         0.9500      5.1",
        "    1  complete   3/20  best: dropout 0.2, filters 16-32         0.9713      5.1",
        "    2  pruned     2/20  dropout 0.123                            0.9000      5.1",
        "    3  failed     0/20  out of memory: [OOM] when allocating…                5.1",
        "    4  killed     0/20  its process ended by signal 9, queue…                5.1",
        "best val_accuracy 0.9713 (trial 1, start 0.9500), about 2 min 0 s left",
    ]


def test_params_that_do_not_fit_are_counted() -> None:
    parts = ["dropout 0.2", "filters 16-32", "rate 0.001"]
    assert fitted(parts, 40) == "dropout 0.2, filters 16-32, rate 0.001"
    assert fitted(parts, 30) == "dropout 0.2, filters 16-32, +1"
    assert fitted(parts, 29) == "dropout 0.2, +2"
    assert broken("val_expected_calibration_error").split("\n") == ["val_", "expected_", "calibration_", "error"]


def test_where_a_study_stands() -> None:
    trials = mixed()
    assert heading(trials, 40) == (
        "tune: 3 of 40 done (2 complete, 1 pruned), 1 running, 1 queued, 1 failed, 1 broken off"
    )
    assert standing(trials, ONE) == "best val_accuracy 0.9713 (trial 1, start 0.9500)"
    assert standing([], ONE) == "none complete yet"


def test_the_time_left_goes_by_the_mean_of_finished_trials_and_the_workers() -> None:
    done = [trial("COMPLETE", 0.9, seconds=seconds) for seconds in (10, 20)]
    running = trial("RUNNING", began=NOW - timedelta(seconds=5))
    assert time_left(done, 12, 1, NOW, None) == "about 2 min 30 s left"
    assert time_left(done, 12, 5, NOW, None) == "about 30 s left"
    assert time_left([*done, running], 12, 1, NOW, None) == "about 2 min 25 s left"
    assert time_left(done, 12, 1, NOW, 60) == "stops in 1 min 0 s"
    assert time_left([], 12, 1, NOW, None) == time_left(done, 2, 1, NOW, None) == ""


LINES = [
    "tune: 1 of 9, trial 0 complete: val_accuracy 0.9500 (best so far), dropout 0, filters 16-32, 5.1 s",
    "tune: 2 of 9, trial 1 complete: val_accuracy 0.9713 (best so far), dropout 0.2, filters 16-32, 5.1 s",
    "tune: 3 of 9, trial 2 pruned after epoch 2: val_accuracy 0.9000 (best 0.9713, trial 1), "
    "dropout 0.123, filters 16-32, 5.1 s",
    f"tune: 3 of 9, trial 3 failed: {OUT_OF_MEMORY}",
    "tune: 3 of 9, trial 4 killed: its process ended by signal 9, queued again",
]


def test_without_a_terminal_each_trial_gets_a_line_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTable(ONE, 9, 20, 2, None) as table:
        table.update([])
        for count in (1, 1, 2, 7, 7):
            table.update(mixed()[:count])
            table.epoch(5, 3, 0.5)
    assert capsys.readouterr().out.splitlines() == LINES


def test_what_was_done_before_is_only_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTable(ONE, 9, 20, 2, None) as table:
        table.update(mixed()[:3])
        table.update(mixed()[:4])
    assert capsys.readouterr().out.splitlines() == ["tune: going on: 3 of 9 are done", LINES[3]]


def test_lines_of_two_objectives_tell_the_front(capsys: pytest.CaptureFixture[str]) -> None:
    done = [trial("COMPLETE", 0.97, 50_000), trial("COMPLETE", 0.96, 60_000)]
    with LiveTable(TWO, 9, 20, 2, None) as table:
        table.update([])
        table.update(trials_of(*done, objectives=TWO))
    assert [text.split(": ", 2)[2] for text in capsys.readouterr().out.splitlines()] == [
        "val_accuracy 0.9700, parameters 50,000 (on the Pareto front of 1), dropout 0.2, filters 16-32, 5.1 s",
        "val_accuracy 0.9600, parameters 60,000 (not on the Pareto front of 1), dropout 0.2, filters 16-32, 5.1 s",
    ]


@pytest.mark.parametrize(
    ("attrs", "told"),
    [
        ({"reason": "interrupted: it is queued again"}, "interrupted: it is queued again"),
        ({"reason": "interrupted"}, "interrupted, queued again"),
        ({"reason": "killed", "kills": 1}, "killed"),
        ({"reason": "killed", "params": {}}, "killed, queued again"),
        ({}, "killed: its host went away, queued again"),
        ({"reason": "no such\nnetwork"}, "failed: no such network"),
    ],
)
def test_a_failure_says_why_and_whether_it_comes_again(
    attrs: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with LiveTable(ONE, 9, 20, 2, None) as table:
        table.update([])
        table.update(trials_of(trial("FAIL", **attrs)))
    assert capsys.readouterr().out == f"tune: 0 of 9, trial 0 {told}\n"


def test_on_a_terminal_failures_and_lines_of_others_stand_above_the_table() -> None:
    console = Console(width=80, height=24, force_terminal=True, record=True, file=io.StringIO())
    with LiveTable(ONE, 9, 20, 2, None, console) as table:
        table.update(mixed()[:1])
        print("said by another, [red]in brackets[/red]")
        table.update(mixed())
    text = console.export_text()
    assert "said by another, [red]in brackets[/red]\n" in text
    assert "tune: 3 of 9, trial 3 failed: out of memory: [OOM] when" in text
    assert "going on" not in text and "trial 1 complete" not in text
    assert sys.stdout is not console.file


def test_epochs_move_the_rows_between_updates_from_any_thread() -> None:
    console = Console(width=80, height=24, force_terminal=True, file=io.StringIO())
    with LiveTable(ONE, 9, 20, 2, 600, console) as table:
        table.update(trials_of(trial("RUNNING")))
        workers = [threading.Thread(target=table.epoch, args=(0, 7, 0.875)) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        written = console.file
        assert isinstance(written, io.StringIO)
        until = time.monotonic() + 20
        while "7/20" not in written.getvalue() and time.monotonic() < until:
            time.sleep(0.05)
    assert "7/20" in written.getvalue() and "0.8750" in written.getvalue()
    assert "stops in" in written.getvalue()


def test_the_summary_holds_the_best_against_the_start() -> None:
    assert summary(study_of([one for one in mixed() if one.state != TrialState.RUNNING]), ONE).splitlines() == [
        "tune: 2 complete, 1 pruned, 1 failed, 1 broken off",
        "best: trial 1, val_accuracy 0.9713; the start had 0.9500 (+0.0213)",
        "  model.dropout  0.2    (start 0)",
        "  model.filters  16-32",
    ]


def test_the_summary_says_where_nothing_was_gained() -> None:
    loss = Metric("val_loss", False)
    alone = study_of([trial("COMPLETE", 0.25), trial("COMPLETE", 0.5)], [loss])
    assert "best: trial 0, val_loss 0.2500, the start itself: nothing better was found" in summary(alone, [loss])
    assert summary(study_of([]), ONE) == "tune: 0 complete, 0 pruned, 0 failed\nbest: no trial is complete"
    lost = study_of([trial("FAIL", reason="no"), trial("COMPLETE", 0.5)])
    assert "best: trial 1, val_accuracy 0.5000; the start is not complete" in summary(lost, ONE)


def test_the_summary_of_two_objectives_is_the_front_in_columns() -> None:
    done = [(0.9, 95_000, 0.0), (0.97, 90_000, 0.1), (0.95, 5_000, 0.2), (0.9, 99_000, 0.3)]
    study = study_of([trial("COMPLETE", one, two, dropout=rate) for one, two, rate in done], TWO)
    assert summary(study, TWO).splitlines() == [
        "tune: 4 complete, 0 pruned, 0 failed",
        "Pareto front: 2 trials",
        "trial    val_accuracy  parameters  params that differ",
        "1              0.9700      90,000  dropout 0.1",
        "2              0.9500       5,000  dropout 0.2",
        "0 start        0.9000      95,000  dropout 0",
        "the same in all: filters 16-32",
    ]


def test_no_line_of_a_front_is_wider_than_a_hundred_columns() -> None:
    done = []
    for number in range(4):
        params = {f"model.some_param_{key}": number + key / 7 for key in range(12)}
        done.append(trial("COMPLETE", 0.9 + number / 100, 1000.0 + number, params=params))
    lines = summary(study_of(done, TWO), TWO).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("some param 11" in text for text in lines) == 4
