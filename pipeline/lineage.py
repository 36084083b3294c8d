"""Everything that is connected with a run, laid out for people; pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.wording import SHORT

# Row of the text -> tags that are hashes of data, by what they are of.
DATA = {"reprolens.data": "raw images"}
SPLIT = {f"reprolens.split.{name}": name for name in ("train", "val", "test")}
MODEL = "reprolens.model"
# What the beginning of a hash may be of: tag -> in words.
HASHES = {
    "reprolens.run_key": "run key",
    "reprolens.commit": "commit",
    **DATA,
    **{tag: f"{name} split" for tag, name in SPLIT.items()},
    MODEL: "model",
    "reprolens.package_lock": "package lock",
}
WIDTH = 11


@dataclass(frozen=True)
class VersionLine:
    """A model version of a run: its address, its aliases, and one line per decision on it, oldest first."""

    address: str
    aliases: Sequence[str] = ()
    decisions: Sequence[str] = ()


@dataclass(frozen=True)
class Lineage:
    """A run and what hangs on it.

    started: milliseconds since 1970. subject: of its commit ("": this repository does not have it).
    places: where the bytes of a hash are, as far as is known.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: int
    tags: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)
    subject: str = ""
    versions: Sequence[VersionLine] = ()
    places: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def line(self) -> str:
        """In one line."""
        key, when = self.tags.get("reprolens.run_key", self.run_id)[:SHORT], _when(self.started)
        return f"{self.name}, key {key}, of {self.experiment}, {when}{self._accuracy(', accuracy ')}"

    def text(self) -> str:
        """In full."""
        tags = self.tags
        rows = [
            ("run", f"{self.name}, key {tags.get('reprolens.run_key', 'none')}"),
            ("", f"MLflow id {self.run_id} in {self.experiment}, {self.status.lower()}, started {_when(self.started)}"),
            (
                "params",
                f"preset {tags.get('reprolens.preset', 'unknown')}; changes: {tags.get('reprolens.changes', '?')}",
            ),
            ("commit", self._commit()),
            *self._hashes("data", DATA),
            *self._hashes("split", SPLIT),
            *self._hashes("model", {MODEL: ""}),
            ("test", self._accuracy() or "not evaluated"),
            *self._versions(),
            ("experiment", tags.get("reprolens.dvc_experiment", "")),
            ("made on", f"{tags.get('reprolens.host', 'unknown')}: {tags.get('reprolens.cpu', 'unknown')}"),
            ("", _packages(tags)),
            ("verified", " ".join(tags.get(name, "") for name in ("reprolens.verified", "reprolens.verified_when"))),
        ]
        return "\n".join(f"{title:{WIDTH}}{text}" for title, text in rows if text.strip())

    def _commit(self) -> str:
        commit = self.tags.get("reprolens.commit", "unknown")
        said = f' "{self.subject}"' if self.subject else " (not in this repository)"
        changed = ", with changes that are in its code.diff" if self.tags.get("reprolens.dirty") == "yes" else ""
        return f"{commit}{said} on {self.tags.get('reprolens.branch', 'unknown')}{changed}"

    def _hashes(self, title: str, wanted: Mapping[str, str]) -> list[tuple[str, str]]:
        """One row per hash, with where its bytes are."""
        rows: list[tuple[str, str]] = []
        for tag, called in wanted.items():
            if md5 := self.tags.get(tag):
                where = ", ".join(self.places.get(md5, ())) or "not at hand"
                rows.append((title if not rows else "", f"{called + ' ' if called else ''}{md5}: {where}"))
        return rows

    def _accuracy(self, before: str = "accuracy ") -> str:
        accuracy, interval = self.metrics.get("test/accuracy"), self.tags.get("interval")
        if accuracy is None:
            return ""
        return f"{before}{accuracy:.4f}" + (f" (95% interval {interval})" if interval else "")

    def _versions(self) -> list[tuple[str, str]]:
        rows: list[tuple[str, str]] = []
        for version in self.versions:
            aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
            rows.append(("version", f"{version.address}{aliases}"))
            rows += [("" if number else "decisions", line) for number, line in enumerate(version.decisions)]
        return rows


def _packages(tags: Mapping[str, str]) -> str:
    versions: dict[str, str] = json.loads(tags.get("reprolens.versions", "{}"))
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _when(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"
