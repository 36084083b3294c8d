"""`reprolens summary`: what the last run made, and what to type next."""

import subprocess

from pipeline import params_file, paths
from pipeline.errors import UserError
from pipeline.record import locked_hashes


def summary() -> str:
    """The result of the workspace in a few lines.

    Raises:
        UserError: nothing was made yet.
    """
    if not paths.METRICS.exists():
        raise UserError("nothing was made yet: run `make repro`")
    params = params_file.load(paths.PARAMS)
    metrics = params_file.read_yaml(paths.METRICS)
    interval = metrics["interval"]["accuracy"]
    source = params.dataset.path or params.dataset.name
    lines = [
        "",
        f"  {source}: accuracy {metrics['accuracy']:.4f} on {metrics['images']:,} test images "
        f"(95% interval {interval['low']:.4f} to {interval['high']:.4f})",
        "",
        f"  model      {paths.MODEL}",
        f"  numbers    {paths.METRICS}, {paths.EVALUATE_REPORT}/*.csv",
        f"  report     {paths.REPORT_PAGE} (with times and machine: .venv/bin/reprolens report)",
        f"  pictures   {paths.EVALUATE_REPORT}/*.png, {paths.SPLIT_REPORT}/*.png",
        "",
        "  next       make ui                                               compare runs in the browser",
        "             .venv/bin/dvc exp run -S model.dropout=0.3            change one thing",
        "             .venv/bin/reprolens use folder dataset.path=PICTURES  take your own pictures",
        "             .venv/bin/dvc repro                                   make what changed",
    ]
    return "\n".join([*lines, *_compared_with_commit(), ""])


def _compared_with_commit() -> list[str]:
    """One line if the committed lock has another model for the same params, as another kind of CPU makes."""
    from ruamel.yaml import YAML

    shown = subprocess.run(["git", "show", "HEAD:dvc.lock"], capture_output=True, text=True, check=False)
    if shown.returncode:
        return []
    committed = YAML(typ="safe").load(shown.stdout)["stages"].get("train", {})
    now = params_file.read_yaml(paths.GRAPH_LOCK)["stages"].get("train", {})
    if (committed.get("deps"), committed.get("params")) != (now.get("deps"), now.get("params")):
        return []
    before = {out["path"]: out["md5"] for out in committed["outs"]}.get(str(paths.MODEL))
    if before == locked_hashes().get(paths.MODEL):
        return ["", "  The model is the committed one, byte for byte."]
    return [
        "",
        "  The model hash differs from the committed one: another kind of CPU sums in another order. That is fine.",
    ]
