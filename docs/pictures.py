"""Makes every picture of the README: real trainings in a checkout of its own, MLflow on loopback, Chromium.

    python -m docs.pictures [--keep FOLDER]      (or `make pictures`; eight minutes, most of it training)

With `--keep` the checkout stays in FOLDER, and the next call takes its runs instead of training anew.
Needs Chromium with chromedriver.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docs.window import click_all, settled, show, take, until
from pipeline import experiment_page, paths
from tests.browser import browser, missing
from tests.checkout import Checkout, free_port, make_checkout, mlflow_server
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

DOCS = REPOSITORY / "docs"
WIDTH, HEIGHT = 1440, 940  # of the page in pixels; pictures have 1.75 times as many
TALL = 1850  # for the comparison: what differs in params, metrics and tags
TRAINING = "workflowType=machine_learning"  # the side of the UI that is about training
START = ("digits",)
# One training each, changes as `dvc exp run -S` takes them.
CHANGES = (
    (),
    ("model.dropout=0.3",),
    ("train.epochs=10",),
    ("model.dropout=0.3", "train.epochs=10"),
    ("train.learning_rate=0.02",),
    ("train.optimizer=sgd", "train.learning_rate=0.1"),
    ("model.filters=[8,16]",),
    ("split.seed=1",),
)
# A machine with a mouse, as the reader has: without one, charts show their tool bars all the time.
MOUSE = (
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
    "--force-device-scale-factor=1.75",
)
REMEMBERED = "localStorage['mlflow.assistant.fab.autoOpenedOnFirstLoad_v1'] = 'true'"


def make_runs(folder: Path) -> Checkout:
    """A checkout under `folder` in which every change was trained; one that is there already is taken."""
    trained = folder / "trained"
    if trained.exists():
        return Checkout(folder / "repository", folder / "home")
    if (folder / "repository").exists():
        sys.exit(f"pictures: {folder} holds trainings that were cut off: remove it, or name another folder")
    checkout = make_checkout(folder, *START)
    checkout.repro()
    checkout.run("git", "commit", "-qam", "trained")
    for change in filter(None, CHANGES):
        print(f"training {' '.join(change)}", flush=True)
        words = [word for setting in change for word in ("-S", setting)]
        done = checkout.run("dvc", "exp", "run", *words)
        assert done.returncode == 0, done.stdout
        checkout.run("git", "checkout", "-q", "params.yaml", "dvc.lock")
    checkout.repro()  # the workspace holds the first run again, for the report
    trained.touch()
    return checkout


def of_mlflow(window: "Chrome", server: str) -> None:
    """The pictures of the MLflow UI, of the runs as `server` shows them."""
    from mlflow import MlflowClient

    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("digits").experiment_id
    runs = {run.info.run_name: run.info.run_id for run in client.search_runs([experiment])}
    pair = [runs["digits"], runs["dropout 0.3, epochs 10 (digits)"]]
    table = experiment_page.view_address(server, experiment)
    charts = experiment_page.view_address(server, experiment, "CHART")
    compare = f"{server}/#/compare-runs?runs={json.dumps(pair)}&experiments={json.dumps([experiment])}"
    rows = until('.ag-row a[href*="/runs/"]', len(runs))
    take(window, f"{server}/#/experiments/{experiment}/runs/{pair[0]}?{TRAINING}", DOCS / "run.png", settled)
    take(window, table, DOCS / "runs.png", rows, settled)
    lines = until(".parcoords .axis")
    take(
        window,
        charts,
        DOCS / "parallel.png",
        rows,
        settled,
        show("Params that differ, and test accuracy"),
        lines,
        settled,
    )
    window.set_window_size(WIDTH, TALL)
    folded = (click_all("Visualizations"), click_all("Artifacts"))
    differ = (
        until("table", 3),
        *folded,
        click_all("Show diff only"),
        show("Comparing 2 Runs from 1 Experiment"),
        settled,
    )
    take(window, f"{compare}&{TRAINING}", DOCS / "compare.png", *differ)
    window.set_window_size(WIDTH, HEIGHT)


def of_report(window: "Chrome", checkout: Checkout) -> None:
    """The picture of the run's own page."""
    page = checkout.folder / paths.REPORT_PAGE
    if page.exists():
        take(window, page.as_uri(), DOCS / "report.png", settled)
    else:
        print(f"no {page.name} in {page.parent}: its picture is left as it is")


def make_pictures(folder: Path) -> None:
    """Makes the runs in `folder`, unless they are there, and all pictures."""
    checkout = make_runs(folder)
    (folder / "server").mkdir(exist_ok=True)
    shutil.copyfile(checkout.folder / "mlruns" / "mlflow.db", folder / "server" / "server.db")
    with mlflow_server(folder / "server", free_port()) as server, browser(WIDTH, HEIGHT, *MOUSE) as window:
        window.get(f"{server}/health")
        window.execute_script(REMEMBERED)
        of_mlflow(window, server)
        of_report(window, checkout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="keep the checkout with its runs in this folder")
    keep: Path | None = parser.parse_args().keep
    if why := missing():
        sys.exit(f"pictures: {why}")
    folder = keep.absolute() if keep else Path(tempfile.mkdtemp(prefix="pictures-"))
    try:
        make_pictures(folder)
    finally:
        if not keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
