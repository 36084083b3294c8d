"""What `reprolens retrain` knows between its steps, and between a killed call and the next; and what was settled."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pipeline import paths, tracking_server
from pipeline.files import write_text
from pipeline.params import Params

Phase = Literal["snapshot", "train", "judge", "finish"]
KEPT = 100  # settled locks
STAMP = "%Y%m%dT%H%M%SZ"  # of times: as in records of decisions


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for."""

    tune: bool = False
    push: bool = False
    commit: bool = False


@dataclass(frozen=True)
class State:
    """How far a call has come. Each phase can be done again from its beginning.

    began: when, as in `20260131T235959Z`. lock: `dvc.lock` before the snapshot was taken; None: there was none.
    snapshot: path -> MD5 of what the splits are. checks: what the checks of the data found. tuned: what tuning said.
    decided: what the gate said. failed: the phase has failed before. resumed: it was begun by an earlier call.
    """

    phase: Phase
    began: str
    wishes: Wishes
    lock: str | None
    snapshot: dict[str, str] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    tuned: str = ""
    decided: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    resumed: bool = False

    @classmethod
    def new(cls, wishes: Wishes) -> Self:
        """The beginning; remembers the lock as it is."""
        lock = paths.GRAPH_LOCK.read_text(encoding="utf-8") if paths.GRAPH_LOCK.exists() else None
        return cls("snapshot", now(), wishes, lock)

    @classmethod
    def load(cls) -> Self | None:
        """What a call that was cut off has left."""
        try:
            held = json.loads(_file().read_text(encoding="utf-8"))
            return cls(**{**held, "wishes": Wishes(**held["wishes"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):  # of another version of this project
            return None

    def save(self) -> None:
        """Keeps it, whole or not at all."""
        write_text(_file(), json.dumps(asdict(self), indent=1) + "\n")

    def joined(self, wishes: Wishes) -> "State":
        """With what this call asks for as well."""
        both = Wishes(*(a or b for a, b in zip(asdict(self.wishes).values(), asdict(wishes).values())))
        return replace(self, wishes=both)

    def stumbled(self) -> "State":
        """Where the next call begins. After a failed training it looks at the source again: new data may mend it."""
        return replace(self, phase="snapshot" if self.phase == "train" else self.phase, failed=True)


def forget() -> None:
    """The work is done."""
    _file().unlink(missing_ok=True)


def now() -> str:
    """As in `20260131T235959Z`."""
    return datetime.now(UTC).strftime(STAMP)


def settle(params: Params, decided: dict[str, Any]) -> None:
    """Notes that all is done for the lock and the rule as they are, so that the next call need not ask MLflow."""
    kept = _settled()
    kept.pop(key := _key(params), None)
    kept[key] = decided
    write_text(_settled_file(), json.dumps(dict(list(kept.items())[-KEPT:]), indent=1) + "\n")


def settled(params: Params) -> dict[str, Any] | None:
    """What was decided for the lock and the rule as they are, if it is known here."""
    return _settled().get(_key(params)) if paths.GRAPH_LOCK.exists() else None


def _settled() -> dict[str, dict[str, Any]]:
    try:
        held = json.loads(_settled_file().read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _key(params: Params) -> str:
    parts = (
        paths.GRAPH_LOCK.read_bytes(),
        json.dumps(params.promote.model_dump(mode="json"), sort_keys=True).encode(),
        tracking_server.tracking_uri().encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]


def _file() -> Path:
    return paths.private() / "retrain" / "state.json"


def _settled_file() -> Path:
    return paths.private() / "retrain" / "settled.json"
