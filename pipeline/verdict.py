"""Whether a run that was made again is the same, or what differs and by how much; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pipeline.wording import SHORT

SHOWN = 6  # metrics of which the difference is told
FIRST = ("accuracy", "loss", "macro_f1")  # they are told before others


@dataclass(frozen=True)
class Made:
    """What a run is compared by.

    data: MD5 of the raw tar. parts: MD5 of each part of the split, by its path. model: MD5 of the file.
    environment: what a result may depend on besides code and params, as `numpy` or `processor`, in words.
    """

    data: str
    parts: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """A run as it was and as it was made again; `data_from` says where the data came from.

    Where the data differ nothing is trained, and `now` has no model.
    """

    called: str
    commit: str
    then: Made
    now: Made
    data_from: str

    @property
    def word(self) -> Literal["identical", "differs"]:
        """Identical: data, split, model and every metric."""
        return "differs" if self.differing() else "identical"

    @property
    def exit_code(self) -> int:
        """0: identical, 3: differs."""
        return 3 if self.differing() else 0

    def differing(self) -> list[str]:
        """Which of data, split, model and metrics differ; what could not be made is not among them."""
        if self.then.data != self.now.data:
            return ["data"]
        compared = {
            "split": bool(self._other_parts()),
            "model": self.then.model != self.now.model,
            "metrics": bool(_unlike(self.then.metrics, self.now.metrics)),
        }
        return [name for name, differs in compared.items() if differs]

    def tags(self, when: datetime) -> dict[str, str]:
        """What the run is told."""
        found = self.differing()
        what = f" ({', '.join(found)})" if found else ""
        return {
            "reprolens.verified": self.word,
            "reprolens.verified_when": f"{when:%Y-%m-%d %H:%M} UTC{what}",
        }

    def text(self) -> str:
        """For people."""
        head = f"{self.word}: run {self.called}, made again at commit {self.commit[:SHORT]}, data from {self.data_from}"
        found = self.differing()
        if not found:
            count = len(self.then.metrics)
            same = [f"  model    {self.then.model}", f"  metrics  all {count} equal to the last digit"]
            return "\n".join([head, *same, *(f"  though   {line}" for line in self._other_environment())])
        lines = [line for name in found for line in self._lines(name)]
        if found == ["data"]:
            lines.append("           nothing was trained, since it would be another model")
            return "\n".join([head, *lines])
        return "\n".join([head, *lines, *self._why()])

    def _lines(self, name: str) -> list[str]:
        if name == "data":
            return [f"  data     raw images: {_then_now(self.then.data, self.now.data)}"]
        if name == "model":
            return [f"  model    {_then_now(self.then.model, self.now.model)}"]
        if name == "split":
            return [
                f"  split    {path}: {_then_now(self.then.parts[path], self.now.parts.get(path, 'none'))}"
                for path in self._other_parts()
            ]
        return self._metrics()

    def _other_parts(self) -> list[str]:
        return sorted(path for path, md5 in self.then.parts.items() if self.now.parts.get(path) != md5)

    def _metrics(self) -> list[str]:
        unlike = _unlike(self.then.metrics, self.now.metrics)
        lines = [f"  metrics  {name}: {_by_how_much(self.then, self.now, name)}" for name in unlike[:SHOWN]]
        rest = len(unlike) - SHOWN
        return [*lines, *([f"           and {rest} more of {len(self.then.metrics)}"] if rest > 0 else [])]

    def _why(self) -> list[str]:
        """What else is not as it was: the likely reasons."""
        others = self._other_environment()
        if not others:
            return ["  because  of nothing that is recorded: Python, packages and processor are the same"]
        return [f"  {'because' if number == 0 else '':7}  {line}" for number, line in enumerate(others)]

    def _other_environment(self) -> list[str]:
        then, now = self.then.environment, self.now.environment
        return [
            f"{name}: {_then_now(then.get(name, 'none'), now.get(name, 'none'))}"
            for name in sorted(then.keys() | now.keys())
            if then.get(name) != now.get(name)
        ]


def _then_now(then: str, now: str) -> str:
    return f"{then} then, {now} now"


def _unlike(then: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Names of the metrics that are not equal, those that people look at first; a NaN equals another one."""
    order = {name: place for place, name in enumerate(FIRST)}
    names = sorted(then.keys() | now.keys(), key=lambda name: (order.get(name, len(order)), name))
    return [name for name in names if json.dumps(then.get(name)) != json.dumps(now.get(name))]


def _by_how_much(then: Made, now: Made, name: str) -> str:
    before, after = then.metrics.get(name), now.metrics.get(name)
    if before is None or after is None:
        return _then_now(_number(before), _number(after))
    return f"{_then_now(_number(before), _number(after))} ({after - before:+.3g})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.7g}"
