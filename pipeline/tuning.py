"""The workers of a study: threads that ask for a trial, have it trained by a process, and tell what came of it.

Asking happens under a lock that spans threads, processes and hosts, so that no point is taken twice and exactly as many
trials finish as are wanted.
"""

import threading
from typing import TYPE_CHECKING

from pipeline import study, suggest
from pipeline.attempt import Attempt, Lock, Work
from pipeline.errors import UserError, one_line
from pipeline.trainer import Failed

if TYPE_CHECKING:
    from optuna import Study

IN_A_ROW = 5  # failures after which a study stops: it is not the point that is wrong
WAITS = 0.5  # seconds between looks at what others run


class Workers:
    """Runs a study until enough trials have finished, it is stopped, or nothing is left to try."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.stopping = threading.Event()
        self.error: BaseException | None = None
        self.exhausted = 0  # points of a space that has no more
        self.failures = 0
        self.threads: list[threading.Thread] = []

    def start(self, num_workers: int) -> None:
        for number in range(num_workers):
            self.threads.append(threading.Thread(target=self._run, name=f"worker-{number}", daemon=True))
            self.threads[-1].start()

    def busy(self) -> bool:
        """Whether any worker is at it."""
        return any(thread.is_alive() for thread in self.threads)

    def stop(self) -> None:
        """Ends running trials, which are queued again, and waits for the workers."""
        self.stopping.set()
        self.work.trainer.stop()
        for thread in self.threads:
            thread.join()

    def _run(self) -> None:
        try:
            opened, lock = self.work.open_study(), self.work.new_lock()
            while not self.stopping.is_set() and self._one(opened, lock):
                pass
        except BaseException as error:
            self.error = self.error or error
            self.stopping.set()
            self.work.trainer.stop()

    def _one(self, opened: "Study", lock: Lock) -> bool:
        """Asks for a trial and runs it, or waits for those of others; False: nothing is left to do."""
        if not lock.acquire(self.stopping):
            return False
        try:
            study.sweep(opened)
            study.requeue(opened)
            todo = self._todo(opened)
            if todo == "run":
                self._attempt(Attempt(self.work, opened, lock, self.stopping.is_set))
                return True
        finally:
            lock.release()
        return todo == "wait" and not self.stopping.wait(WAITS)

    def _attempt(self, attempt: Attempt) -> None:
        try:
            attempt.study.optimize(attempt, n_trials=1, catch=(Failed,))
        finally:
            attempt.ended()
        self._count(attempt.failure)

    def _todo(self, opened: "Study") -> str:
        from optuna.trial import TrialState

        trials = opened.get_trials(deepcopy=False)
        states = [trial.state for trial in trials]
        finished, running = study.num_finished(trials), states.count(TrialState.RUNNING)
        if finished >= self.work.num_trials:
            return "done"
        if finished + running >= self.work.num_trials:
            return "wait"
        if TrialState.WAITING not in states and suggest.is_exhausted(trials, self.work.space.distributions):
            self.exhausted = len(trials) - states.count(TrialState.FAIL)
            return "wait" if running else "done"
        return "run"

    def _count(self, failure: Failed | None) -> None:
        """Counts failures in a row; too many stop the study."""
        self.failures = self.failures + 1 if failure else 0
        if failure and self.failures >= IN_A_ROW:
            raise UserError(
                f"{self.failures} trials in a row failed, the last one: {one_line(failure)}. "
                "Mend its cause, then run the same command again"
            )
