"""`reprolens tune` as a process to be killed, with light trials: `python -m tests.tuning_parent URL TRIALS WORKERS`."""

import sys

from pipeline import params_file, paths
from pipeline.errors import run_main
from pipeline.lifecycle.tune import run
from pipeline.study_plan import Plan, Wishes
from pipeline.study_storage import open_storage
from pipeline.trainer import Trainer
from tests import light_trial


def main() -> None:
    url, trials, workers = sys.argv[1:4]
    params = params_file.load(paths.PARAMS)
    wishes = Wishes(trials=int(trials), workers=int(workers), study="light")
    print(run(Plan(params, wishes, open_storage(url)), Trainer(light_trial.main, ["tests.tuning_parent"])))


if __name__ == "__main__":
    run_main("tune", main)
