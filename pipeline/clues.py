"""What a person may mean by a text or a file, and by which tag of a run its runs are found."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import commits, packed, page, params_file, paths, record, runs
from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.lineage import HASHES, MODEL

COMMIT = "reprolens.commit"
EXPERIMENT = "reprolens.dvc_experiment"
LEAST = 4  # digits of a hash
RAW = "reprolens.data"
OF_THE_RUN = (paths.RUN_KEY, paths.TRAIN_REPORT, paths.EVALUATE_REPORT, paths.METRICS)


@dataclass(frozen=True)
class Clue:
    """What it is, in words; and a tag of a run with the beginning of its value ("": no run has it).

    sure: it is that even where no run has it.
    """

    what: str
    tag: str = ""
    value: str = ""
    sure: bool = False


def of_text(text: str) -> list[Clue]:
    """What a text may be besides the name of a run."""
    found = []
    if re.fullmatch(f"[0-9a-f]{{{LEAST},40}}(\\.dir)?", text):
        found = [Clue(called, tag, text) for tag, called in HASHES.items() if tag != COMMIT]
    if commit := commits.find(text):
        found.append(Clue(f'commit {commit.number} "{commit.subject}"', COMMIT, commit.number, sure=True))
    elif found:
        found.append(Clue("commit (not in this repository)", COMMIT, text))
    return [*found, Clue("DVC experiment", EXPERIMENT, text)]


def of_file(file: Path) -> list[Clue]:
    """What a file or folder is.

    Raises:
        UserError: it is of none of the kinds that lead to a run.
    """
    inside = _inside(file)
    found = list(_outs(inside)) if inside else []
    if not found and file.is_file():
        found = [*_by_name(file), *_by_content(file)]
    if not found:
        raise UserError(
            f"{file} is not of a run: give what `dvc repro` made, params.yaml, a picture of dataset.path, or code"
        )
    return found


def _inside(file: Path) -> Path | None:
    """The path from the repository's root, of a file in it."""
    absolute, root = Path(file).absolute(), Path.cwd()
    return absolute.relative_to(root) if absolute.is_relative_to(root) else None


def _outs(file: Path) -> Iterator[Clue]:
    """The out of the graph that it is or lies in."""
    hashes = record.locked_hashes()
    out = next((out for out in hashes if file == out or out in file.parents), None)
    if out is None:
        return
    md5 = hashes[out]
    changed = out.is_file() and file_digest(out, "md5") != md5
    what = f"{'' if file == out else f'part of {out}, '}an out of `dvc repro` (MD5 {md5}{', changed since' * changed})"
    if tag := _tag_of(out):
        yield Clue(what, tag, md5, sure=True)
    elif any(out == known or known in out.parents for known in OF_THE_RUN) and paths.RUN_KEY.exists():
        key = paths.RUN_KEY.read_text(encoding="utf-8").strip()
        yield Clue(f"{what}, of the run in this folder", runs.KEY_TAG, key, sure=True)
    elif paths.TRAIN in hashes:
        yield Clue(what, str(_tag_of(paths.TRAIN)), hashes[paths.TRAIN], sure=True)


def _tag_of(out: Path) -> str | None:
    """The tag of a run that holds the hash of an out."""
    if out.parent == paths.TRAIN.parent and not out.suffix:
        return f"reprolens.split.{out.name}"
    return {paths.RAW: RAW, paths.MODEL: MODEL}.get(out)


def _by_name(file: Path) -> Iterator[Clue]:
    """A picture of the data set, a file of a journal, or a file that git knows."""
    if picture := _picture(file):
        yield picture
    elif key := next((part for part in file.absolute().parts if re.fullmatch("[0-9a-f]{20}", part)), None):
        yield Clue("a file of a run", runs.KEY_TAG, key, sure=True)
    elif (commit := commits.last_change(file)) and file.name != paths.PARAMS.name:
        what = f'code, last changed in commit {commit.number} "{commit.subject}"'
        yield Clue(what, COMMIT, commit.number, sure=True)


def _by_content(file: Path) -> Iterator[Clue]:
    """A report by the run key in it, a model by its hash, wherever they lie."""
    if file.suffix == ".html" and (key := page.run_key_of(file.read_text(encoding="utf-8", errors="replace"))):
        yield Clue("the report of a run", runs.KEY_TAG, key, sure=True)
    if file.suffix in (".keras", ".tar"):
        md5 = file_digest(file, "md5")
        yield Clue(f"a file of MD5 {md5}", MODEL if file.suffix == ".keras" else RAW, md5, sure=True)


def _picture(file: Path) -> Clue | None:
    """Where a picture of the data set went, as the run in this folder has it."""
    source = Path(params_file.load(paths.PARAMS).dataset.path or ".").expanduser().absolute()
    if not source.is_dir() or source == Path.cwd() or not file.absolute().is_relative_to(source):
        return None
    name = file.absolute().relative_to(source).as_posix()
    key = paths.RUN_KEY.read_text(encoding="utf-8").strip() if paths.RUN_KEY.exists() else ""
    for where, place in _places_of(name):
        return Clue(f"a picture of the data set, {where}: {place}", runs.KEY_TAG if key else "", key, sure=True)
    return Clue(f"a picture of {source} that no split has: it is newer, or a copy of another one", sure=True)


def _places_of(name: str) -> Iterator[tuple[str, str]]:
    """In which split a file is and what is known of it there; of the test split only what `evaluate` wrote."""
    tables = {
        "in the training split": (paths.TRAIN / "manifest.csv", ("label",)),
        "in the validation split": (paths.VAL / "manifest.csv", ("label",)),
        "in the test split": (paths.PREDICTIONS, ("label", "guess")),
        "left out": (paths.SPLIT_REPORT / "quarantine.csv", ("label", "reason")),
    }
    for where, (file, columns) in tables.items():
        if file.exists():
            table = packed.read_table(file)
            for row in table[table["file"] == name].to_dict("records"):
                yield where, ", ".join(f"{column} {row[column]}" for column in columns)
