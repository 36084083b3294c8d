"""When, where and by what code a run was made, from its journal: what may be shown but not stand in an out."""

import json
import statistics
from datetime import UTC, datetime
from typing import Any

from pipeline.about import Facts
from pipeline.journal import Journal

UNKNOWN = Facts("Times and machine are not known here: this checkout has no journal of the run.", "COMMIT", ())
# Title -> tag of the run.
TAGGED = {
    "Branch": "reprolens.branch",
    "Processor": "reprolens.cpu",
    "Machine": "reprolens.host",
    "Threads": "reprolens.threads",
    "Raw data": "reprolens.data",
    "Training split": "reprolens.split.train",
    "Validation split": "reprolens.split.val",
}


def facts_of(journal: Journal) -> Facts:
    """The facts of the last training of a run."""
    starts = journal.events("start")
    if not starts:
        return UNKNOWN
    tags: dict[str, Any] = starts[-1]["tags"]
    commit, restored = str(tags.get("reprolens.commit", "unknown")), tags.get("reprolens.restored") == "yes"
    seconds = [event["seconds"] for event in journal.epochs() if event.get("seconds")]
    end = journal.last("end")
    times = _times(None if restored or not end else end["time"], seconds)
    changed = ", with changes that are in its code.diff" if tags.get("reprolens.dirty") == "yes" else ""
    rows = {
        "Run": starts[-1]["name"],
        "Commit": f"{commit}{changed}",
        **times,
        **{title: str(tags[tag]) for title, tag in TAGGED.items() if tag in tags},
        "Versions": _versions(tags),
    }
    line = "Restored from DVC's cache: when it was trained is not known here" if restored else _line(times)
    return Facts(f"{line}, at commit {commit[:10]}{' with changes' if changed else ''}.", commit, list(rows.items()))


def duration(seconds: float) -> str:
    """`0.21 s`, `4.2 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _times(ended: int | None, seconds: list[float]) -> dict[str, str]:
    when = {"Trained": f"{datetime.fromtimestamp(ended / 1000, UTC):%Y-%m-%d %H:%M} UTC"} if ended else {}
    if not seconds:
        return when
    per_epoch = duration(statistics.median(seconds))
    return when | {"Time": f"{duration(sum(seconds))}, {per_epoch} per epoch (median of {len(seconds)})"}


def _line(times: dict[str, str]) -> str:
    when, took = times.get("Trained"), times.get("Time", "").partition(",")[0]
    return f"Trained{f' {when}' if when else ''}{f' in {took}' if took else ''}"


def _versions(tags: dict[str, Any]) -> str:
    found: dict[str, str] = json.loads(tags.get("reprolens.versions", "{}"))
    return ", ".join(f"{name} {version}" for name, version in found.items())
