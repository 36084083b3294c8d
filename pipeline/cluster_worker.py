"""One worker of a study, in a folder that `cluster_bundle` packed: `python -m pipeline.cluster_worker TRIALS STUDY`.

Runs trials until so many of the study have finished. The study's storage is REPROLENS_TUNE_STORAGE. Ends, with its
trial queued again, once its standard input closes. Prints how many points a space has that has no more to try, else 0.
"""

import os
import signal
import sys
import threading
import time

from pipeline import params_file, paths
from pipeline.errors import run_main
from pipeline.study_plan import Plan, Wishes
from pipeline.study_storage import open_storage
from pipeline.trainer import Trainer
from pipeline.tuning import Workers

LOOKS = 0.5  # seconds between two looks at the worker


def main() -> None:
    """Works until nothing is left to do.

    Raises:
        UserError: the storage cannot be reached, or too many trials failed.
    """
    num_trials, name = int(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    url = os.environ["REPROLENS_TUNE_STORAGE"]
    plan = Plan(params_file.load(paths.PARAMS), Wishes(num_trials, study=name, storage=url), open_storage(url))
    opened, trainer = plan.begin(), Trainer()
    trainer.warm_up()
    workers = Workers(plan.work(trainer, ()))
    workers.start(1)
    try:
        while workers.busy():
            time.sleep(LOOKS)
    finally:
        workers.stop()
        plan.queue_again(opened)
    if workers.error:
        raise workers.error
    print(workers.exhausted)


def _end_with_standard_input() -> None:
    os.read(sys.stdin.fileno(), 1)  # no stream of Python's, whose lock would hold up the end of this process
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run_main("cluster_worker", main)
