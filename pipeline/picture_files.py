"""Which picture files a person means by a mix of files and folders, and which label their folders give them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.layout import DOCUMENT_ENDINGS, DOCUMENTS, wanted

NAMED = 5  # classes named in a message


def find(given: Sequence[str]) -> list[str]:
    """The files among `given`, and those in its folders at any depth, sorted by name; each once.

    Hidden files, what operating systems leave behind, and documents are passed over in folders.

    Raises:
        UserError: something given is not there, or a folder holds no pictures.
    """
    return list(dict.fromkeys(file for name in given for file in _one(name)))


def _one(name: str) -> list[str]:
    path = Path(name)
    if path.is_file():
        return [str(path)]
    if not path.is_dir():
        raise UserError(f"{name} {'is no plain file' if path.exists() else 'does not exist'}: give pictures or folders")
    found = sorted(_inside(path))
    if not found:
        raise UserError(f"{name} holds no pictures: give pictures, or a folder with some")
    return found


def _inside(folder: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise error

    for here, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = [name for name in folders if wanted(name)]
        if os.path.realpath(here) in map(os.path.realpath, Path(here).parents):  # a link that leads back up
            folders.clear()
            continue
        for file in (Path(here, name) for name in files if wanted(name) and not _is_document(name)):
            if file.is_file():
                yield str(file)


def _is_document(name: str) -> bool:
    path = Path(name.lower())
    return path.suffix in DOCUMENT_ENDINGS or path.stem in DOCUMENTS


def label_of(file: str) -> str:
    """The name of the folder that a file lies in; that of a link, not of what it leads to."""
    name = Path(file).parent.name
    return name if name not in ("", "..") else Path(os.path.normpath(Path.cwd() / file)).parent.name


def check_absent(target: Path, option: str, files: Iterable[str]) -> None:
    """Raises a `UserError` that names `option` if `target` would be written over one of `files`."""
    if target.exists() and any(target.samefile(file) for file in files if Path(file).name == target.name):
        raise UserError(f"{option} {target} is among the pictures to predict: give another place for it")


def check_labels(files: Iterable[str], labels: Sequence[str], called: str) -> None:
    """Raises a `UserError` unless the folder of each file is one of the classes of the model, which is `called` so."""
    unknown = sorted({label_of(file) for file in files} - set(labels))
    if unknown:
        more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
        raise UserError(
            f"{called} is for other classes: it does not know the folder {unknown[0]!r}, but "
            f"{', '.join(map(repr, labels[:NAMED]))}{more}. Give another --model, or leave out --labelled"
        )
