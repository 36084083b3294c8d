"""How class folders are read: which file has which label, and which split it was given in, if any."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.errors import UserError

PARTITIONS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LEFT_OUT = {"__MACOSX", "Thumbs.db", "desktop.ini"}
# Documents that data sets bring along. They are passed over where no picture could lie: beside class folders and above.
DOCUMENT_ENDINGS = {".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".pdf", ".html", ".htm"}
DOCUMENTS = {"readme", "license", "licence", "copying", "notice", "authors", "citation", "changelog"}
LAYOUT_HELP = "expected class folders such as cats/1.jpg and dogs/2.jpg, optionally inside train/, val/, test/"


@dataclass(frozen=True)
class Placed:
    """One file: its path, its label, and the split its folder names (None: by content)."""

    file: str
    label: str
    split: str | None


def parts_of(name: str) -> tuple[str, ...]:
    """Folders and file of a name, as `PurePosixPath(name).parts` but many times as fast."""
    parts = name.split("/")
    return tuple(parts if "" not in parts and "." not in parts else (part for part in parts if part not in ("", ".")))


def wanted(name: str) -> bool:
    """Whether a file counts: hidden files and what operating systems leave behind do not."""
    return not any(part.startswith(".") or part in LEFT_OUT for part in parts_of(name))


def without_wrapper(names: Iterable[str]) -> dict[str, str]:
    """Each name with the folders cut off that wrap everything, as archives often have: `{old: new}`.

    Documents outside of class folders are left out.
    """
    parts = {name: parts_of(name) for name in names}
    pictures = [part for part in parts.values() if not _is_document(part[-1])] or list(parts.values())
    depth = 0
    while pictures and all(len(part) > depth + 2 for part in pictures):
        top = {part[depth] for part in pictures}
        if len(top) != 1 or top <= PARTITIONS.keys():
            break
        depth += 1
    wrapper = pictures[0][:depth] if pictures else ()
    partitioned = {part[depth] for part in pictures} <= PARTITIONS.keys()
    return {
        name: "/".join(part[depth:])
        for name, part in parts.items()
        if not _is_document(part[-1]) or (part[:depth] == wrapper and len(part) - depth >= _least(partitioned))
    }


def _is_document(file: str) -> bool:
    stem, dot, ending = file.lower().rpartition(".")
    return (dot + ending) in DOCUMENT_ENDINGS or (stem or ending) in DOCUMENTS


def _least(partitioned: bool) -> int:
    """How many parts the name of a file in a class folder has at least: class and file, or split before them."""
    return 3 if partitioned else 2


def place(names: Iterable[str], where: str) -> list[Placed]:
    """Label and split of each name, sorted by name.

    Raises:
        UserError: no class folders, only one class, classes that a person would take for one, or a class of
            val/test that train lacks; names `where`.
    """
    ordered = sorted(names)
    if not ordered:
        raise UserError(f"{where} holds no files: {LAYOUT_HELP}")
    tops = {parts_of(name)[0] for name in ordered}
    partitioned = tops <= PARTITIONS.keys()
    placed = [_place_one(name, partitioned, where) for name in ordered]
    _check_classes(placed, where)
    return placed


def _place_one(name: str, partitioned: bool, where: str) -> Placed:
    parts = parts_of(name)
    needed = _least(partitioned)
    if len(parts) < needed:
        raise UserError(f"{where}: {name!r} is in no class folder: {LAYOUT_HELP}")
    return Placed(name, parts[needed - 2], PARTITIONS[parts[0]] if partitioned else None)


def _check_classes(placed: list[Placed], where: str) -> None:
    _check_alike({item.label for item in placed}, where)
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


def _check_alike(labels: set[str], where: str) -> None:
    """Labels that differ in nothing a person sees as a difference, or that some file systems take for one folder."""
    seen: dict[str, str] = {}
    for label in sorted(labels):
        first = seen.setdefault(unicodedata.normalize("NFC", label.strip()).casefold(), label)
        if first != label:
            raise UserError(
                f"{where} has the classes {first!a} and {label!a}, which differ only in {_difference(first, label)}: "
                "make them one folder, or give them names that tell them apart"
            )


def _difference(one: str, other: str) -> str:
    if one.strip() == other.strip():
        return "spaces around them"
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "how Unicode spells them"
    return "upper and lower case" if one.casefold() == other.casefold() else "case, spaces or Unicode spelling"
