"""The view of a study while it runs: a live table on a terminal, a line for each trial that ends elsewhere."""

import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING

from pipeline import study
from pipeline.metrics import Metric
from pipeline.progress import say
from pipeline.study_facts import best_of, complete_of
from pipeline.study_rows import Moment, Row, rows
from pipeline.study_screen import Screen
from pipeline.study_summary import summary
from pipeline.study_words import heading, line, standing, time_left

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Console
    from rich.live import Live

__all__ = ["LiveTable", "Row", "rows", "summary"]

REFRESHES = 4  # a second


class LiveTable:
    """Shows a study while it runs. `update` and `epoch` may be called from any thread.

    Args:
        num_trials: that are wanted, complete or pruned.
        epochs: that a trial takes at most.
        workers: trials that run at once here.
        timeout: seconds; None: no end.
        console: where to draw; None: standard output, if that is a terminal.
    """

    def __init__(
        self,
        objectives: list[Metric],
        num_trials: int,
        epochs: int,
        workers: int,
        timeout: float | None,
        console: "Console | None" = None,
    ) -> None:
        self.objectives, self.num_trials, self.epochs, self.workers = objectives, num_trials, epochs, workers
        self.deadline = time.monotonic() + timeout if timeout else None
        self.console = console
        self.lock = threading.Lock()
        self.trials: list[FrozenTrial] = []
        self.best: list[FrozenTrial] = []
        self.reports: dict[int, tuple[int, float]] = {}
        self.told: set[int] | None = None  # trials whose end has been told
        self.live: Live | None = None

    def __enter__(self) -> "LiveTable":
        if sys.stdout.isatty() if self.console is None else self.console.is_terminal:
            from rich.live import Live

            self.live = Live(console=self.console, get_renderable=self._screen, refresh_per_second=REFRESHES)
            self.live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def update(self, trials: Sequence["FrozenTrial"]) -> None:
        """Takes all trials as they are now. On a terminal only failures get a line, above the table."""
        ordered = sorted(trials, key=lambda trial: trial.number)
        best = best_of(complete_of(ordered), self.objectives)
        with self.lock:
            self.trials, self.best = ordered, best
            lines = self._news()
        # Not under the lock: the thread that draws the table holds rich's lock when it asks for ours.
        for text in lines:
            say(text)

    def epoch(self, number: int, epoch: int, value: float) -> None:
        """Takes the report of a running trial: the epoch it has done, and its first objective, or nan."""
        with self.lock:
            self.reports[number] = (epoch, value)

    def _news(self) -> list[str]:
        """Lines for the trials that ended since the last call; of those before the first call only how many."""
        ended = [trial for trial in self.trials if trial.state.is_finished()]
        if self.told is None:
            self.told = {trial.number for trial in ended}
            done = study.num_finished(ended)
            return [f"tune: going on: {done} of {self.num_trials} are done"] if done and not self.live else []
        lines = []
        ended.sort(key=lambda trial: (trial.datetime_complete or datetime.max, trial.number))
        for trial in ended:
            if trial.number not in self.told:
                self.told.add(trial.number)
                known = [other for other in self.trials if other.number in self.told or not other.state.is_finished()]
                if not self.live or trial.state.name == "FAIL":
                    lines.append(line(trial, known, self.objectives, self.num_trials))
        return lines

    def _screen(self) -> Screen:
        now = datetime.now()
        with self.lock:
            trials, best, reports = self.trials, self.best, dict(self.reports)
        limit = None if self.deadline is None else self.deadline - time.monotonic()
        left = time_left(trials, self.num_trials, self.workers, now, limit)
        footing = ", ".join(part for part in (standing(trials, self.objectives), left) if part)
        moment = Moment(reports, self.epochs, now)
        return Screen(trials, self.objectives, best, moment, heading(trials, self.num_trials), footing)
