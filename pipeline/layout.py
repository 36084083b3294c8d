"""How class folders are read: which file has which label, and which split it was given in, if any."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.errors import UserError

PARTITIONS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LEFT_OUT = {"__MACOSX", "Thumbs.db", "desktop.ini"}
LAYOUT_HELP = "expected class folders such as cats/1.jpg and dogs/2.jpg, optionally inside train/, val/, test/"


@dataclass(frozen=True)
class Placed:
    """One file: its path, its label, and the split its folder names (None: by content)."""

    file: str
    label: str
    split: str | None


def wanted(name: str) -> bool:
    """Whether a file counts: hidden files and what operating systems leave behind do not."""
    return not any(part.startswith(".") or part in LEFT_OUT for part in PurePosixPath(name).parts)


def without_wrapper(names: Iterable[str]) -> dict[str, str]:
    """Each name with the folders cut off that wrap everything, as archives often have: `{old: new}`."""
    parts = {name: PurePosixPath(name).parts for name in names}
    depth = 0
    while parts and all(len(part) > depth + 2 for part in parts.values()):
        top = {part[depth] for part in parts.values()}
        if len(top) != 1 or top <= PARTITIONS.keys():
            break
        depth += 1
    return {name: "/".join(part[depth:]) for name, part in parts.items()}


def place(names: Iterable[str], where: str) -> list[Placed]:
    """Label and split of each name, sorted by name.

    Raises:
        UserError: no class folders, only one class, or a class of val/test that train lacks; names `where`.
    """
    ordered = sorted(names)
    if not ordered:
        raise UserError(f"{where} holds no files: {LAYOUT_HELP}")
    tops = {PurePosixPath(name).parts[0] for name in ordered}
    partitioned = tops <= PARTITIONS.keys()
    placed = [_place_one(name, partitioned, where) for name in ordered]
    _check_classes(placed, where)
    return placed


def _place_one(name: str, partitioned: bool, where: str) -> Placed:
    parts = PurePosixPath(name).parts
    needed = 3 if partitioned else 2
    if len(parts) < needed:
        raise UserError(f"{where}: {name!r} is in no class folder: {LAYOUT_HELP}")
    return Placed(name, parts[needed - 2], PARTITIONS[parts[0]] if partitioned else None)


def _check_classes(placed: list[Placed], where: str) -> None:
    trained = {item.label for item in placed if item.split in (None, "train")}
    if not trained:
        raise UserError(f"{where} has no train/ folder: {LAYOUT_HELP}")
    if len(trained) < 2:
        raise UserError(f"{where} has only one class, {min(trained)!r}: a classifier needs at least two class folders")
    unknown = sorted({item.label for item in placed} - trained)
    if unknown:
        raise UserError(
            f"{where}: class {unknown[0]!r} is in val/ or test/ but not in train/: add it there, or remove it"
        )
