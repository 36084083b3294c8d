"""Tracking while a study runs: a thread of its own brings trials to MLflow, which therefore slows no trial.

If MLflow is away, the study goes on with one warning; what was missed is added when it is back, at the
end, at the study's next start, or by `reprolens track`.
"""

import queue
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import study_record, study_runs, tracking_server, watchers
from pipeline.errors import UserError, one_line
from pipeline.journal import Status
from pipeline.study_runs import StudyRuns

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.study import Study
    from optuna.trial import FrozenTrial

RETRY = 30.0  # seconds from one try to reach MLflow to the next
PATIENCE = 60.0  # seconds that the end of a study waits for MLflow
Row = dict[str, Any]


class StudyTracker:
    """Tracks the trials of this process; see `study_runs.project` for `base_params` and `settings`.

    Args:
        study: an object of its own, which no other thread uses.
        retry: seconds from one try to reach MLflow to the next.
        patience: seconds that `finish` waits at most.
    """

    def __init__(
        self,
        study: "Study",
        base_params: Mapping[str, Any],
        settings: Mapping[str, str],
        retry: float = RETRY,
        patience: float = PATIENCE,
    ) -> None:
        self.study, self.base_params, self.settings = study, base_params, settings
        self.retry, self.patience = retry, patience
        self.news: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.thread = threading.Thread(target=self._work, name="study tracker", daemon=True)
        # What follows is the thread's own.
        self.client: MlflowClient | None = None
        self.runs: StudyRuns | None = None
        self.trials: dict[int, FrozenTrial] = {}  # of this process, as long as MLflow may miss something of them
        self.rows: dict[int, list[Row]] = {}
        self.due: set[int] = set()  # trials with news
        self.ended: dict[str, Any] | None = None
        self.remembered = self.warned = False
        self.next_try: float | None = None  # while MLflow is away

    def start(self) -> None:
        """Begins; returns at once."""
        self.watcher = watchers.start("pipeline.study_watcher")
        self.thread.start()

    def trial_started(self, trial: "FrozenTrial") -> None:
        """A trial of this process has begun; its `params`, `host` and `process` are known."""
        self.news.put(("trial", trial))

    def epoch(self, number: int, row: Row) -> None:
        """A trial has ended an epoch; a row as in its user attribute `rows`."""
        self.news.put(("epoch", (number, {"time": int(time.time() * 1000), **row})))

    def trial_ended(self, trial: "FrozenTrial") -> None:
        """A trial of this process has ended, in whichever way."""
        self.news.put(("trial", trial))

    def finish(self, pictures: Sequence[Path], status: Status) -> None:
        """Brings MLflow to the last state, uploads pictures, and ends the study's run unless others work on it."""
        ended = {"status": status, "time": int(time.time() * 1000)}
        self.news.put(("end", ended | {"pictures": [str(picture.resolve()) for picture in pictures]}))
        self.thread.join(self.patience)
        if self.thread.is_alive():
            self._warn(f"no answer in {self.patience:.0f} s")
        watchers.dismiss(self.watcher)

    def _work(self) -> None:
        self._attempt()
        while self.ended is None:
            self._listen()
            if self.ended or self.next_try is None or time.monotonic() >= self.next_try:
                self._attempt()

    def _listen(self) -> None:
        """Waits for news, while MLflow is away at most until the next try, and takes all there are."""
        wait = None if self.next_try is None else max(0.0, self.next_try - time.monotonic())
        try:
            self._note(*self.news.get(timeout=wait))
            while True:
                self._note(*self.news.get_nowait())
        except queue.Empty:
            return

    def _note(self, kind: str, fact: Any) -> None:
        if kind == "end":
            self.ended = fact
            return
        if kind == "trial":
            self.trials[fact.number] = fact
        else:
            self.rows.setdefault(fact[0], []).append(fact[1])
        self.due.add(fact.number if kind == "trial" else fact[0])

    def _attempt(self) -> None:
        """Brings all news to MLflow if it is there."""
        from optuna.exceptions import StorageInternalError

        try:
            self._remember()
            self.client = self.client or tracking_server.connect()
            with tracking_server.reachable():
                self._bring(self.client)
            self.next_try = None
        except (tracking_server.Away, StorageInternalError, UserError) as error:  # or the study's storage is
            self.client = self.runs = None
            self.due |= self.trials.keys()
            self.next_try = time.monotonic() + self.retry
            self._warn(one_line(error))

    def _remember(self) -> None:
        """Leaves in the study what completes its runs later, whatever becomes of MLflow."""
        if not self.remembered:
            study_runs.remember(self.study, self.base_params, self.settings)
            self.remembered = True
        if self.ended:
            self.study.set_user_attr(study_runs.ENDED, self.ended)

    def _bring(self, client: "MlflowClient") -> None:
        all_trials = self.study.get_trials(deepcopy=False)
        if not study_record.began(all_trials):
            return
        fresh = self.runs is None or self.ended is not None
        if self.runs is None or self.ended:
            at_work = self.ended is None
            self.runs = StudyRuns(client, self.study, self.base_params, self.settings, at_work)
        if self.ended:  # what was not told is in the study
            self.trials = {number: all_trials[number] for number in self.trials}
            self.due |= self.trials.keys()
        ended = [self._bring_trial(self.runs, number) for number in sorted(self.due & self.trials.keys())]
        if fresh:
            self.runs.project()
        elif any(ended):
            self.runs.bring_study(all_trials)

    def _bring_trial(self, runs: StudyRuns, number: int) -> bool:
        """Brings one trial; whether it has ended, and is forgotten."""
        trial = self.trials[number]
        runs.bring(trial, self.rows.get(number, ()))
        self.due.discard(number)
        if trial.state.is_finished():
            del self.trials[number]
            self.rows.pop(number, None)
        return trial.state.is_finished()

    def _warn(self, reason: str) -> None:
        """One warning per study and process."""
        if not self.warned:
            self.warned = True
            print(
                f"warning: MLflow at {tracking_server.tracking_uri()} is away ({reason}); the study goes on. What it "
                "misses is added once it is back, at the study's next start, or by `reprolens track`",
                file=sys.stderr,
                flush=True,
            )
