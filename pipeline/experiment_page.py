"""The page of an experiment in the MLflow UI: its description, and a view that opens as one would set it up by hand.

MLflow's UI keeps columns and charts in the browser, or as a saved view in a tag of the experiment, which
an address opens (`viewStateShareKey`). The view written here shows what tells the runs apart: test
accuracy with its interval beside the changes and the data; charts of both, and of the params that
differ. Pure: rows of params in, tags out. The fields are those of MLflow 3.17; a version that does not
know them shows its own default.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.wording import WORDS

VIEW = "reprolens"  # the key of the saved view; one per experiment, written anew as runs are added
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
VIEW_NAME = "What changed, what it did"
PRIMARY = "test/accuracy"
MAX_AXES = 7  # params in the parallel coordinates; more cannot be read
DESCRIPTION = """\
**[Open the run table]({table})** or **[the charts]({charts})**; unfold this for how to read them.

- **Which change helped?** A run is named by what it changes against its preset, which stands in brackets:
  `dropout 0.3, epochs 5 (digits)`. `reprolens.changes` names each change with the value before. `interval` is the 95%
  interval of `test/accuracy`: a gain smaller than that may be luck.
- **What differs between two runs?** Select them and press *Compare*; *Show diff only* leaves what differs.
- **Is it the data or the model?** `data`, `split`, `code` and `packages` are short digests, equal for equal bytes;
  `network` is the network in words. The full hashes are in `reprolens.*`.

`train/...` and `val/...` are logged per epoch, `test/...` once at the end; the test split steers nothing. The same
data, params and code are the same run.
"""
# Sections of charts: key, name, cards side by side.
SECTIONS = (
    ("helped", "Which change helped", 2),
    ("params", "Params that differ, and test accuracy", 1),
    ("differs", "What differs between these runs", 1),
)
# Columns of the run table from left to right, by MLflow's ids, and their widths in pixels.
COLUMNS = {
    "attributes.`Run Name`": 250,
    "runDateAndNestInfo": 130,
    "metrics.`test/accuracy`": 110,
    "tags.`interval`": 120,
    "tags.`reprolens.changes`": 260,
    "tags.`data`": 82,
    "tags.`split`": 82,
    "tags.`code`": 82,
    "tags.`network`": 230,
    "tags.`reprolens.preset`": 130,
    "metrics.`test/loss`": 100,
    "duration": 90,
}


def tags(experiment_id: str, runs: Iterable[Mapping[str, str]], when: int) -> dict[str, str]:
    """The tags of an experiment whose runs have these params.

    Args:
        when: the creation time of the experiment in milliseconds, so that the same runs give the same tags.
    """
    links = {name: view_address("", experiment_id, mode) for name, mode in (("table", "TABLE"), ("charts", "CHART"))}
    envelope = {"name": VIEW_NAME, "createdAt": when, "state": json.dumps(view(differing(runs)))}
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": PRIMARY,
        "mlflow.note.content": DESCRIPTION.format(**links),
        VIEW_TAG: json.dumps(envelope),
    }


def view_address(server: str, experiment_id: str, mode: str = "TABLE") -> str:
    """Where the view opens; `mode` is TABLE or CHART. without a `server`, a link inside the UI."""
    query = f"viewStateShareKey={VIEW}&compareRunsMode={mode}&workflowType=machine_learning"
    return f"{server.rstrip('/') + '/' if server else ''}#/experiments/{experiment_id}/runs?{query}"


def differing(runs: Iterable[Mapping[str, str]]) -> list[str]:
    """The params that have more than one value, the most telling first."""
    values: dict[str, set[str]] = {}
    for params in runs:
        for key, value in params.items():
            values.setdefault(key, set()).add(value)
    order = {key: place for place, key in enumerate(WORDS)}
    return sorted((key for key in values if len(values[key]) > 1), key=lambda key: (order.get(key, len(order)), key))


def view(params: list[str]) -> dict[str, Any]:
    """The state of the page: columns with widths, and charts in one section above MLflow's own."""
    charts = _charts(params)
    filled = {chart["metricSectionId"] for chart in charts}
    return {
        "orderByKey": f"metrics.`{PRIMARY}`",
        "orderByAsc": False,
        "selectedColumns": list(COLUMNS),
        "columnOrder": list(COLUMNS),
        "columnWidths": COLUMNS,
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": charts,
        "compareRunSections": [_section(*section) for section in SECTIONS if section[0] in filled],
        "isAccordionReordered": True,  # else MLflow sorts these sections among its own
        "hideEmptyCharts": True,
    }


def interval_tag(metrics: Mapping[str, float]) -> dict[str, str]:
    """The interval of the test accuracy in one short tag, as in `0.988 to 1.000`; none where it is not known."""
    low, high = metrics.get("test_interval/accuracy_low"), metrics.get("test_interval/accuracy_high")
    return {} if low is None or high is None else {"interval": f"{low:.3f} to {high:.3f}"}


def _section(key: str, name: str, num_columns: int) -> dict[str, Any]:
    fixed = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": key, "name": name, "columns": num_columns, **fixed}


def _charts(params: list[str]) -> list[dict[str, Any]]:
    parallel = {"selectedParams": params[:MAX_AXES], "selectedMetrics": [PRIMARY], "showAllRuns": True}
    difference = {"chartName": "What differs", "compareGroups": ["Parameters", "Tags"], "showDifferencesOnly": True}
    return [
        _chart("BAR", "helped", metricKey=PRIMARY),
        _chart("LINE", "helped", metricKey="val/loss", selectedMetricKeys=["val/loss"]),
        *([_chart("PARALLEL", "params", **parallel)] if params else []),
        _chart("DIFFERENCE", "differs", **difference),
    ]


def _chart(kind: str, section: str, **settings: Any) -> dict[str, Any]:
    shared = {"deleted": False, "isGenerated": False, "runsCountToCompare": 20}
    return {"type": kind, "uuid": f"reprolens-{kind.lower()}", "metricSectionId": section, **shared, **settings}
