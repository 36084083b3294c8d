"""Reading the raw tar: pictures in class folders, or arrays in IDX format, as one list of records."""

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.decode import Pixels, decode
from pipeline.errors import UserError
from pipeline.idx import CLASSES, IMAGES, LABELS, SUPERCLASSES, idx_array
from pipeline.layout import Placed, place
from pipeline.raw_tar import Span, read_index


@dataclass(frozen=True)
class Pictures:
    """Where pictures lie in a raw tar: all that a worker needs to decode some of them."""

    path: Path
    spans: Sequence[Span]

    def part(self, start: int, stop: int) -> "Pictures":
        """The pictures from `start` to before `stop`."""
        return Pictures(self.path, self.spans[start:stop])

    @contextmanager
    def opened(self) -> Iterator[Callable[[int], Pixels]]:
        """Yields what decodes one by its position; that raises `decode.Unreadable`."""
        with self.path.open("rb", buffering=0) as stream:

            def pixels(position: int) -> Pixels:
                span = self.spans[position]
                stream.seek(span.offset)
                return decode(stream.read(span.size))

            yield pixels

    def pixels(self, position: int) -> Pixels:
        """Decodes one; raises `decode.Unreadable`."""
        with self.opened() as pixels:
            return pixels(position)


@dataclass(frozen=True)
class Raw:
    """The records of a raw tar, and how to get the pixels of one by its position."""

    records: list[Placed]
    classes: list[str]  # sorted; a label's index is its number
    pixels: Callable[[int], Pixels]  # position -> uint8 (height, width, 3); raises `decode.Unreadable`
    superclasses: Mapping[str, str] = field(default_factory=dict)  # class -> superclass, for data that has them
    pictures: Pictures | None = None  # None: arrays


def open_raw(path: Path) -> Raw:
    """Opens the tar that `download` wrote.

    Raises:
        UserError: no such file, or not a tar.
    """
    try:
        members = read_index(path)
    except (FileNotFoundError, tarfile.TarError) as error:
        raise UserError(f"{path} is missing or broken: run `dvc repro --force download`") from error
    if any(name.endswith(IMAGES) for name in members):
        return _open_idx(path, members)
    return _open_pictures(path, members)


def _open_pictures(path: Path, members: dict[str, Span]) -> Raw:
    records = place(members, str(path))
    pictures = Pictures(path, [members[record.file] for record in records])
    return Raw(records, sorted({record.label for record in records}), pictures.pixels, pictures=pictures)


def _open_idx(path: Path, members: dict[str, Span]) -> Raw:
    names = _listed(path, members.get(CLASSES))
    records: list[Placed] = []
    arrays = []
    for name in sorted(name for name in members if name.endswith(IMAGES)):
        folder = name.rpartition("images")[0]
        labels = idx_array(path, members[folder + LABELS].offset)
        split = folder.rstrip("/") or None
        arrays.append(idx_array(path, members[name].offset))
        called = [names[label] if names else str(label) for label in labels.tolist()]
        records += [Placed(f"{folder}{number:05d}", label, split) for number, label in enumerate(called)]
    starts = np.cumsum([0, *(len(images) for images in arrays)])

    def pixels(position: int) -> Pixels:
        which = int(np.searchsorted(starts, position, side="right")) - 1
        image = arrays[which][position - starts[which]]
        return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)

    superclasses = dict(zip(names, _listed(path, members.get(SUPERCLASSES)), strict=False))
    return Raw(records, sorted({record.label for record in records}), pixels, superclasses)


def _listed(path: Path, member: Span | None) -> list[str]:
    """Names by label number; empty where the tar has none, as for digits, whose labels are their names."""
    if member is None:
        return []
    with path.open("rb") as stream:
        stream.seek(member.offset)
        names: list[str] = json.loads(stream.read(member.size))
    return names
