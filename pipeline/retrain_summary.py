"""What a call of `reprolens retrain` came to: its exit code, a few lines, a page in Markdown, and JSON; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Answer = Literal["nothing", "promoted", "kept", "locked", "refused", "failed"]
# 2 is click's, of a wrong command line.
CODES: dict[Answer, int] = {"nothing": 0, "failed": 1, "promoted": 10, "kept": 11, "locked": 12, "refused": 13}
WORDS: dict[Answer, str] = {
    "nothing": "nothing to do",
    "promoted": "promoted",
    "kept": "champion kept",
    "locked": "locked",
    "refused": "data refused",
    "failed": "failed",
}
DATA = {"data/download/images.tar": "raw data", "data/split/train": "train", "data/split/val": "val"}
TEST = {"data/split/test": "test"}
CHECK = ("name", "answer", "size", "limit", "p", "text")
FINDING = ("name", "value", "limit", "text")


@dataclass(frozen=True)
class Summary:
    """A finished call.

    why: one line. name: of the registered model. began, ended: as in `20260131T235959Z`. snapshot: path -> MD5.
    checks: `verdict`, `new_images`, `results`. decided: `version`, `why`, `record`. commit: what was committed.
    """

    answer: Answer
    why: str
    began: str
    ended: str
    host: str
    name: str = ""
    snapshot: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
    tuned: str = ""
    decided: Mapping[str, Any] = field(default_factory=dict)
    pushed: bool = False
    commit: str = ""

    @property
    def code(self) -> int:
        """The exit code."""
        return CODES[self.answer]

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file."""
        return {"exit_code": self.code, **asdict(self)}

    def line(self) -> str:
        """The answer and why, in one line."""
        return f"retrain: {WORDS[self.answer]}: {self.why}"

    def markdown(self) -> str:
        """The page for people."""
        title = f"# Retraining{f' of {self.name}' if self.name else ''}: {WORDS[self.answer]}"
        times = f"{readable(self.began)} to {readable(self.ended)} on {self.host}, exit code {self.code}"
        parts = [[title, "", self.why, "", times], self._data(), self._checks(), self._tuned(), self._decision()]
        return "\n".join(line for part in (*parts, self._after()) for line in part) + "\n"

    def _data(self) -> list[str]:
        if not self.snapshot:
            return []
        rows = [f"| {name} | `{self.snapshot.get(path, '?')}` |" for path, name in (DATA | TEST).items()]
        return ["", "## Data", "", "| | MD5 |", "|---|---|", *rows]

    def _checks(self) -> list[str]:
        results = self.checks.get("results", [])
        if not results:
            return []
        new = f"{self.checks.get('new_images', 0):,} images for training and validation are new to the champion."
        head = ["| check | answer | size | limit | p | |", "|---|---|--:|--:|--:|---|"]
        rows = [f"| {_cells(result, CHECK)} |" for result in results]
        return ["", "## Checks", "", new, "", *head, *rows]

    def _tuned(self) -> list[str]:
        return ["", "## Tuning", "", "```", self.tuned, "```"] if self.tuned else []

    def _decision(self) -> list[str]:
        found = (self.decided.get("record", {}).get("decision") or {}).get("findings", [])
        if not found:
            return []
        head = ["| | rule | found | limit | |", "|---|---|--:|--:|---|"]
        rows = [f"| {'met' if item['passed'] else '**not met**'} | {_cells(item, FINDING)} |" for item in found]
        return ["", "## Decision", "", *head, *rows, "", "The whole record: `reprolens history`."]

    def _after(self) -> list[str]:
        done = ["- data and model are in the DVC remote"] if self.pushed else []
        done += [f"- committed as `{self.commit[:10]}`"] if self.commit else []
        return ["", "## Afterwards", "", *done] if done else []


def readable(stamp: str) -> str:
    """`20260131T235959Z` as `2026-01-31 23:59:59 UTC`."""
    day, _, time = stamp.rstrip("Z").partition("T")
    return f"{day[:4]}-{day[4:6]}-{day[6:]} {time[:2]}:{time[2:4]}:{time[4:]} UTC"


def _cells(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return " | ".join(_cell(row.get(name)) for name in names)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").split())
