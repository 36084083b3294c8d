"""Every path of the graph, once. All are relative to the repository root, where stages run.

What DVC does not track (tracking store, journal, partial downloads, checkpoints) lies under the main
checkout, also when DVC runs a stage in a temporary copy of the repository.
"""

import os
from pathlib import Path

PARAMS = Path("params.yaml")
GRAPH = Path("dvc.yaml")
GRAPH_LOCK = Path("dvc.lock")
PACKAGE_LOCK = Path("requirements.lock")
PRESETS = Path("presets")
DVC_LOCKS = Path(".dvc/tmp/rwlock")
DVC_COPIES = Path(".dvc/tmp/exps/standalone")  # where experiments run, and notes about those that do
DVC_RUNNING = Path(".dvc/tmp/exps/run")

RAW = Path("data/download/images.tar")
TRAIN = Path("data/split/train")
VAL = Path("data/split/val")
TEST = Path("data/split/test")
CLASSES = Path("data/split/classes.json")
SPLIT_REPORT = Path("reports/split")

PREVIEW = Path("reports/preview")  # what `reprolens preview` draws; DVC does not know it
COMPARE = Path("reports/compare")  # what `reprolens compare --pair` draws; neither
RETRAIN = Path("reports/retrain")  # the summary of the last `reprolens retrain`; neither

MODEL = Path("models/model.keras")
RUN_KEY = Path("models/run_key.txt")
TRAIN_REPORT = Path("reports/train")
HISTORY = TRAIN_REPORT / "history.csv"
SUMMARY = TRAIN_REPORT / "summary.txt"

METRICS = Path("reports/metrics.json")
EVALUATE_REPORT = Path("reports/evaluate")
PREDICTIONS = EVALUATE_REPORT / "predictions.csv"
MISTAKE_IMAGES = EVALUATE_REPORT / "mistakes.npz"
REPORT_PAGE = EVALUATE_REPORT / "report.html"


def root() -> Path:
    """The main checkout: `DVC_ROOT` inside a stage, else the nearest folder upwards with a `dvc.yaml`."""
    if given := os.environ.get("DVC_ROOT"):
        return Path(given)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / GRAPH).exists()), here)


def private() -> Path:
    """Ignored by git and DVC: journals, checkpoints, partial downloads."""
    return root() / ".reprolens"


def downloads() -> Path:
    """Finished and partial downloads, kept so that a repeated `download` goes on."""
    return private() / "downloads"


def run_folder(run_key: str) -> Path:
    """The journal, checkpoints and outbox of one run."""
    return private() / "runs" / run_key


def tracking_store() -> Path:
    """The local MLflow store: SQLite file and artifacts."""
    return root() / "mlruns"
