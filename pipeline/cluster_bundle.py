"""What workers elsewhere need of this checkout, as one tar: code, params, the splits that trials read, weights.

The test split is not in it.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from pipeline import paths, run_key, start_weights
from pipeline.files import file_digest
from pipeline.params import Params

CODE = Path("pipeline")


def pack(params: Params, target: Path) -> str:
    """Writes the tar; returns its SHA-256. The same contents are the same bytes."""
    with tarfile.open(target, "w") as tar:
        for name, file in sorted(set(_files(params))):
            tar.add(file, name, filter=_plain)
    return file_digest(target)


def _files(params: Params) -> Iterator[tuple[str, Path]]:
    """Names in the tar, and where each lies."""
    named = {paths.PARAMS, paths.GRAPH, *run_key.train_deps(), CODE}
    for place in named:
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                yield file.as_posix(), file
    weights = start_weights.find(params.backbone)
    if weights is not None:
        yield weights.relative_to(paths.root()).as_posix(), weights


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime, entry.mode = 0, 0o644
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
