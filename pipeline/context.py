"""Tags that every MLflow run in this environment gets by itself: code, experiment, versions, machine.

Registered as an MLflow run context provider in `pyproject.toml`; needs no import of MLflow.
"""

import json
import os

from pipeline import git, machine, paths


def provenance_tags() -> dict[str, str]:
    """Where the code of a run comes from and what it runs on."""
    changed, commit = git.changed_files(), git.commit()
    experiment = os.environ.get("DVC_EXP_NAME")
    return {
        "mlflow.user": machine.user(),
        "mlflow.source.name": "dvc repro",
        "mlflow.source.git.commit": commit,
        "reprolens.commit": commit,
        "reprolens.branch": git.branch(),
        "reprolens.dirty": "yes" if changed else "no",
        "reprolens.versions": json.dumps(machine.versions()),
        "reprolens.cpu": machine.cpu(),
        "reprolens.host": machine.host(),
        **({"reprolens.dvc_experiment": experiment} if experiment else {}),
    }


class ReprolensRunContext:
    """MLflow asks this for tags when a run starts."""

    def in_context(self) -> bool:
        """Only inside a repository of this project, or in one of its stages."""
        return (paths.root() / paths.GRAPH).exists()

    def tags(self) -> dict[str, str]:
        """See `provenance_tags`."""
        return provenance_tags()
