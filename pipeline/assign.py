"""Which split an image belongs to: a function of `split.seed` and its pixels, never of name or order.

So exact copies cannot lie on both sides, and when the data grows no old image moves.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import UserError
from pipeline.layout import Placed
from pipeline.params import Split

SPLITS = ("train", "val", "test")
SEEDS_TRIED = 1000


@dataclass(frozen=True)
class Quarantined:
    """A file that is used nowhere, and why."""

    file: str
    label: str
    reason: str


@dataclass(frozen=True)
class Assigned:
    """Positions of the records per split, in the order of their pixel hashes, and what was left out."""

    positions: dict[str, list[int]]
    quarantined: list[Quarantined]


def position_of(pixel_hash: str, seed: int) -> float:
    """Where an image falls in [0, 1): the first 53 bits of SHA-256 over seed and pixel hash, uniform."""
    digest = hashlib.sha256(f"{seed}:{pixel_hash}".encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def choose(pixel_hash: str, given: frozenset[str], params: Split) -> str:
    """The split of an image whose data set already comes with the splits `given`.

    What is missing is drawn from the training part, in proportion to the shares.
    """
    return _draw(pixel_hash, params.seed, _shares(given, params))


def _shares(given: frozenset[str], params: Split) -> dict[str, float]:
    return {name: getattr(params, name) for name in SPLITS if name == "train" or name not in given}


def _draw(pixel_hash: str, seed: int, shares: Mapping[str, float]) -> str:
    left = position_of(pixel_hash, seed) * sum(shares.values())
    for name, share in shares.items():
        left -= share
        if left < 0:
            return name
    return "train"


def assign(
    records: Sequence[Placed],
    hashes: Sequence[str | None],
    params: Split,
    alike: Sequence[Sequence[int]] = (),
) -> Assigned:
    """Divides records by pixel hash; `None` stands for an unreadable file and is passed over.

    Equal pixels under different labels are quarantined; a training image found again in a given val or
    test part leaves training.

    Args:
        alike: groups of positions, of near-duplicates; each goes where its lowest pixel hash falls.

    Raises:
        UserError: a class has no image in some split; names a `split.seed` that works.
    """
    quarantined = _conflicts(records, hashes)
    out = {item.file for item in quarantined}
    usable = {i: digest for i, digest in enumerate(hashes) if digest is not None and records[i].file not in out}
    drawn_by = _drawn_by(usable, alike)
    given = frozenset(record.split for record in records if record.split)
    held_out = {drawn_by[i]: name for name in ("val", "test") for i in usable if records[i].split == name}
    leaked = [i for i, digest in drawn_by.items() if digest in held_out and records[i].split != held_out[digest]]
    exact = {usable[i] for i in usable if records[i].split in ("val", "test")}
    quarantined += [_leak(records[i], held_out[drawn_by[i]], usable[i] in exact) for i in leaked]
    kept = sorted(usable.keys() - set(leaked), key=lambda i: (usable[i], records[i].file))
    shares = _shares(given, params)
    chosen = {i: held_out.get(drawn_by[i]) or _draw(drawn_by[i], params.seed, shares) for i in kept}
    positions = {name: [i for i in kept if chosen[i] == name] for name in SPLITS}
    drawn: dict[str, set[str]] = {record.label: set() for record in records}
    for i in kept:
        if records[i].split in (None, "train"):
            drawn[records[i].label].add(drawn_by[i])
    _check_classes(records, positions, lambda name: _remedy(name, drawn.values(), given, params))
    return Assigned(positions, sorted(quarantined, key=lambda item: item.file))


def _drawn_by(usable: Mapping[int, str], alike: Sequence[Sequence[int]]) -> dict[int, str]:
    """The pixel hash that decides about each image: its own, or the lowest of its near-duplicates."""
    deciding = dict(usable)
    for group in alike:
        members = [i for i in group if i in usable]
        deciding |= dict.fromkeys(members, min((usable[i] for i in members), default=""))
    return deciding


def _leak(record: Placed, held_out: str, exact: bool) -> Quarantined:
    reason = f"also in {held_out}" if exact else f"near-duplicate of an image in {held_out}"
    return Quarantined(record.file, record.label, reason)


def _conflicts(records: Sequence[Placed], hashes: Sequence[str | None]) -> list[Quarantined]:
    first: dict[str, str] = {}
    clashing: dict[str, set[str]] = {}
    for record, digest in zip(records, hashes, strict=True):
        if digest is not None and first.setdefault(digest, record.label) != record.label:
            clashing.setdefault(digest, {first[digest]}).add(record.label)
    return [
        Quarantined(
            record.file, record.label, f"equal pixels as {', '.join(sorted(clashing[digest] - {record.label}))}"
        )
        for record, digest in zip(records, hashes, strict=True)
        if digest in clashing
    ]


def _check_classes(records: Sequence[Placed], positions: dict[str, list[int]], remedy: Callable[[str], str]) -> None:
    classes = sorted({record.label for record in records})
    for name, chosen in positions.items():
        present = {records[i].label for i in chosen}
        for label in classes:
            if label not in present:
                raise UserError(f"class {label!r} has no image in {name}: {remedy(name)}")


def _remedy(lacking: str, drawn: Collection[Collection[str]], given: frozenset[str], params: Split) -> str:
    """Names a seed under which every class is in every drawn split; `drawn` holds the pixel hashes per class."""
    if lacking != "train" and lacking in given:
        return f"add images of it to {lacking}/, or remove {lacking}/ so that it is drawn"
    wanted = {name for name in SPLITS if name == "train" or name not in given}
    rarest_first = sorted(drawn, key=len)
    for seed in range(SEEDS_TRIED):
        trial = params.model_copy(update={"seed": seed})
        if all({choose(digest, given, trial) for digest in digests} >= wanted for digests in rarest_first):
            return f"set split.seed to {seed}, or add images"
    return f"no split.seed below {SEEDS_TRIED} helps, so add images of it"
