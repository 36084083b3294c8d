"""What the report says of a run besides its numbers: data, params, hashes; and apart from them times and machine.

`About` holds nothing that changes when a run is made again, so it may stand in an out. `Facts` are the rest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from pipeline import packed, params_file, paths
from pipeline.files import file_digest
from pipeline.params import Params

# They say where data is fetched and what DVC watches, and are other paths on another machine.
PLACES = ("backbone.mirror", "dataset.mirror", "dataset.watch")


@dataclass(frozen=True)
class About:
    """What is the same each time a run is made."""

    data: str
    run_key: str
    params: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    """As in `reports/split/counts.json`."""
    quarantined: Sequence[tuple[str, str, str]] = ()
    """File, label, reason."""


@dataclass(frozen=True)
class Facts:
    """What is known of when and where a run was made."""

    line: str
    commit: str
    rows: Sequence[tuple[str, str]]


def about_workspace(params: Params, hashes: Mapping[str, str]) -> About:
    """Of the run whose outs lie in the workspace; `hashes` are shown beside those of model and packages."""
    table = packed.read_table(paths.SPLIT_REPORT / "quarantine.csv")
    return About(
        data_name(params),
        paths.RUN_KEY.read_text(encoding="utf-8").strip(),
        shown_params(params),
        {
            "Model": file_digest(paths.MODEL, "md5"),
            **hashes,
            "Packages": file_digest(paths.PACKAGE_LOCK, "md5"),
        },
        json.loads((paths.SPLIT_REPORT / "counts.json").read_text(encoding="utf-8")),
        list(zip(table["file"], table["label"], table["reason"], strict=True)),
    )


def shown_params(params: Params) -> dict[str, Any]:
    """Every parameter by its dotted name but the `PLACES`; of a path its last part, which is the same elsewhere."""
    flat = params_file.flatten(params.model_dump(mode="json"))
    shown = {name: value for name, value in flat.items() if name not in PLACES}
    return shown | {"dataset.path": last_part(params.dataset.path)}


def data_name(params: Params) -> str:
    """What the data set is called: by its source, or a folder or archive by its own name."""
    return last_part(params.dataset.path).split(".")[0] or params.dataset.name


def last_part(place: str) -> str:
    """The name at the end of a path or address, without what follows a question mark in an address."""
    return PurePath(place.partition("?")[0] if "://" in place else place).name


def folder_digest(folder: Path) -> str:
    """The MD5 of a folder as DVC writes it in `dvc.lock`."""
    files = sorted(item for item in folder.rglob("*") if item.is_file())
    listed = [{"md5": file_digest(file, "md5"), "relpath": file.relative_to(folder).as_posix()} for file in files]
    text = json.dumps(sorted(listed, key=lambda item: item["relpath"]), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
