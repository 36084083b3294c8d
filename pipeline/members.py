"""The files of an archive that a stranger made, listed within limits.

Nothing is ever unpacked under a name of theirs; names are checked all the same, since they go into tables and tars.
"""

import io
import re
from dataclasses import dataclass, field

from pipeline.errors import UserError
from pipeline.layout import parts_of
from pipeline.raw_tar import Open

REMEDY = "if you trust it, unpack it yourself and give the folder"
LONGEST_SHOWN = 60  # characters of a name in a message
DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: far more than data sets need, and too little to do harm."""

    num_entries: int = 500_000
    unpacked: int = 1 << 30  # bytes; or
    ratio: int = 100  # times the size of the archive, if that is more
    name: int = 1_000  # characters, with the folders
    memory: int = 1 << 28  # bytes that an xz may ask for; the greatest of its presets asks for a quarter

    def most(self, packed: int) -> int:
        """How many bytes may come out of an archive of `packed` bytes."""
        return max(self.unpacked, self.ratio * packed)


LIMITS = Limits()


@dataclass
class Listing:
    """Collects members one by one and refuses what no honest archive of pictures holds."""

    called: str
    limits: Limits
    members: dict[str, tuple[int, Open]] = field(default_factory=dict)
    num_entries: int = 0

    def count(self) -> None:
        """Counts an entry, also one that is no file.

        Raises:
            UserError: there are too many.
        """
        self.num_entries += 1
        if self.num_entries > self.limits.num_entries:
            raise too_many(self.called, self.limits)

    def add(self, name: str, size: int, opener: Open, odd: str = "") -> None:
        """Takes a file in; `odd` says what it is if it is no plain file.

        Raises:
            UserError: its name or kind is refused, or it is there twice.
        """
        plain = "/".join(parts_of(name))
        if problem := self._problem(name) or odd or ("which is there twice" if plain in self.members else ""):
            shown = repr(name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}...")
            raise UserError(f"{self.called} holds {shown}, {problem}: only plain files with plain names are taken")
        self.members[plain] = (size, opener)

    def _problem(self, name: str) -> str:
        slashed = name.replace("\\", "/")
        parts = parts_of(slashed)
        if slashed.startswith("/") or ".." in parts or DRIVE.match(name):
            return "a path that leads out of the archive"
        if not parts or "\0" in name:
            return "a name that no file can have"
        return f"a name of {len(name):,} characters" if len(name) > self.limits.name else ""


def too_many(called: str, limits: Limits) -> UserError:
    """The refusal of an archive with more entries than `limits` allow."""
    return UserError(f"{called} holds more than {limits.num_entries:,} files: {REMEDY}")


def too_large(called: str, packed: int, most: int) -> UserError:
    """The refusal of an archive of `packed` bytes that unpacks to more than `most`."""
    return UserError(f"{called} has {packed:,} bytes but unpacks to more than {most:,}: {REMEDY}")


class Guarded(io.BufferedReader):
    """A file that a header with wrong numbers cannot make read backwards, or more than `most` bytes at once."""

    def __init__(self, raw: io.RawIOBase, most: int) -> None:
        super().__init__(raw)
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.most if size in (None, -1) else size
        if not 0 <= (wanted or 0) <= self.most:
            raise ValueError("a header asks for more than there can be")
        return super().read(wanted)
