"""What `reprolens doctor` says: one line per thing that was looked at, and what to do; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "bad"]
SHOWN = 4  # names in a line
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;)?", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One thing: how it is, what was found, and what to do where it is not well."""

    level: Level
    name: str
    found: str
    remedy: str = ""

    def text(self) -> str:
        """For people."""
        return f"{self.level:5} {self.name:11} {self.found}{f': {self.remedy}' if self.remedy else ''}"


def text(lines: Sequence[Line]) -> str:
    """All lines, and how many are not well."""
    counts = {level: sum(line.level == level for line in lines) for level in ("ok", "warn", "bad")}
    return "\n".join([*(line.text() for line in lines), "", ", ".join(f"{n} {level}" for level, n in counts.items())])


def is_well(lines: Iterable[Line]) -> bool:
    """Whether nothing is bad."""
    return all(line.level != "bad" for line in lines)


def locked(lock: str) -> dict[str, tuple[set[str], bool]]:
    """Package -> the versions that a lock pins it to, and whether every machine must have it.

    A universal lock has several versions, or none, by Python version and system.
    """
    found: dict[str, tuple[set[str], bool]] = {}
    for name, version, marker in PINNED.findall(lock):
        versions, always = found.get(plain(name), (set(), True))
        found[plain(name)] = (versions | {version}, always and not marker)
    return found


def plain(name: str) -> str:
    """A package's name as packaging tools compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(lock: str, lock_name: str, installed: Mapping[str, str], weighty: Iterable[str]) -> Line:
    """Holds installed packages to a lock; `weighty` are those that matter for a result."""
    pinned = locked(lock)
    missing = sorted(name for name, (_, always) in pinned.items() if always and name not in installed)
    other = {
        name: f"{name} {installed[name]} instead of {' or '.join(sorted(versions))}"
        for name, (versions, _) in sorted(pinned.items())
        if name in installed and installed[name] not in versions
    }
    if not missing and not other:
        present = sum(name in installed for name in pinned)
        return Line("ok", "packages", f"{present} as {lock_name} pins them")
    told = [*(f"{name} is missing" for name in missing), *other.values()]
    shown = ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "")
    level: Level = "bad" if missing or set(other) & set(weighty) else "warn"
    return Line(level, "packages", shown, f"not as {lock_name}: run `make setup`")


def disk(where: str, free: int, needed: int) -> Line:
    """Free room in bytes; `needed` is what the next run may write."""
    said = f"{free / 1e9:,.1f} GB free for {where}"
    if free < needed:
        return Line("bad", "disk", said, f"a run needs about {needed / 1e9:,.1f} GB: make room there")
    if free < 3 * needed:
        return Line("warn", "disk", said, f"a run needs about {needed / 1e9:,.1f} GB: make room there soon")
    return Line("ok", "disk", said)


def threads(wanted: int, cores: int) -> Line:
    """`train.threads` beside the cores that this process may use."""
    said = f"train.threads is {wanted}, on {cores} core{'s' if cores != 1 else ''}"
    if wanted > cores:
        return Line(
            "warn", "threads", said, "training is slowed down; another number makes another, equally good model"
        )
    return Line("ok", "threads", said)
