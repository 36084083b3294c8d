"""`reprolens history`: every decision on the model of a data set, in words."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import decision, predictions, registry
from pipeline.decision import Record
from pipeline.errors import os_errors
from pipeline.files import at_home, write_text
from pipeline.params import Params
from pipeline.registry import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

KINDS = (".md", ".json")


def history(client: "MlflowClient", params: Params, out: str | None = None) -> str:
    """Every decision, oldest first, one line each, then what the aliases name.

    Args:
        out: a file for them: .md or .json.

    Raises:
        UserError: the file cannot be written; MLflow is away.
    """
    target = at_home(out, "--out") if out else None
    if target:
        predictions.check_target(target, "--out", KINDS)
    name = registry.model_name(params)
    with registry.answering():
        known, versions = registry.decisions(client, name), registry.versions(client, name)
    if not known:
        return f"no decision on model {name} yet: `reprolens promote` makes the first"
    if target:
        with os_errors("cannot write the history", target):
            write_text(target, _as(target, known))
    lines = [f"{decision.when(record)}  {line(record)}" for record in known]
    return "\n".join([*lines, *_now(versions), *([f"history {target}"] if target else [])])


def line(record: Record) -> str:
    """A decision in one line; of several reasons why a version was not promoted, the first."""
    whole = decision.headline(record)
    return whole.partition("; ")[0] if record["kind"] == "keep" else whole


def _now(versions: Sequence[Version]) -> list[str]:
    """One line per alias."""
    return [
        f"{alias}: version {version.number} ({version.called})"
        for alias in (registry.CHAMPION, registry.PREVIOUS, registry.CHALLENGER)
        for version in versions
        if alias in version.aliases
    ]


def _as(target: Path, known: Sequence[Record]) -> str:
    if target.suffix.lower() == ".json":
        return json.dumps(known, indent=1) + "\n"
    return "\n".join(decision.markdown(record) for record in known)
