"""The journal of a run: what happened and when, in a file that neither git nor DVC knows.

Dates, durations and machine facts live here and in MLflow, never in an out, whose bytes they would
change. MLflow is a projection of this file, so a run from the time when its server was away can be
completed later. One folder per run key: `journal.jsonl`, `artifacts/` still to be uploaded, checkpoints.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pipeline import paths

Status = Literal["FINISHED", "FAILED", "KILLED"]
Event = dict[str, Any]


@dataclass(frozen=True)
class Journal:
    """The journal in `folder`, which is named by the run key."""

    folder: Path

    @property
    def run_key(self) -> str:
        return self.folder.name

    @property
    def artifacts(self) -> Path:
        """Files that are not in MLflow yet, under the names they get there."""
        return self.folder / "artifacts"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def model(self) -> Path:
        return self.folder / "model.keras"

    @property
    def warned(self) -> Path:
        """Exists while MLflow misses something and the user was told so."""
        return self.folder / "tracking-was-away"

    def write(self, kind: str, **facts: Any) -> Event:
        """Appends an event, with the time in milliseconds."""
        event = {"event": kind, "time": int(time.time() * 1000), **facts}
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "journal.jsonl").open("ab+") as stream:
            start = "\n" if _is_cut_off(stream) else ""
            stream.write(f"{start}{json.dumps(event)}\n".encode())
        return event

    def events(self, kind: str) -> list[Event]:
        """All events of a kind, oldest first; a line cut off by a kill is passed over."""
        file = self.folder / "journal.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [event for line in lines if (event := _parse(line)).get("event") == kind]

    def last(self, kind: str) -> Event | None:
        """The newest event of a kind."""
        return (self.events(kind) or [None])[-1]  # type: ignore[list-item]

    def epochs(self) -> list[Event]:
        """One event per epoch, in order; an epoch that ran twice, after a kill, counts once."""
        return list({event["row"]["epoch"]: event for event in self.events("epoch")}.values())

    def keep(self, files: Mapping[str, Path]) -> None:
        """Copies files, by the names they get in MLflow, until they are uploaded; missing ones are passed over."""
        for name, file in files.items():
            if file.exists():
                (self.artifacts / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, self.artifacts / name)

    def keep_model(self, file: Path) -> None:
        """Keeps the model itself, for a run that MLflow did not get it of."""
        shutil.copyfile(file, self.model)

    def keep_text(self, name: str, text: str) -> None:
        """As `keep`, for a text."""
        self.artifacts.mkdir(parents=True, exist_ok=True)
        (self.artifacts / name).write_text(text, encoding="utf-8", errors="surrogateescape")


def open_journal(run_key: str) -> Journal:
    """The journal of a run, new or not."""
    return Journal(paths.run_folder(run_key))


def all_journals() -> list[Journal]:
    """Every journal of this checkout."""
    folder = paths.private() / "runs"
    return [Journal(item) for item in sorted(folder.iterdir()) if item.is_dir()] if folder.exists() else []


def _is_cut_off(stream: BinaryIO) -> bool:
    """Whether a kill left the last line without its end; what follows then needs a line of its own."""
    if not stream.seek(0, os.SEEK_END):
        return False
    stream.seek(-1, os.SEEK_END)
    return stream.read() != b"\n"


def _parse(line: str) -> Event:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}
