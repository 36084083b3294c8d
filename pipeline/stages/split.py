"""Stage 2: decodes once, divides by content, packs each split, and shows what there is."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import packed, params_file, paths, report, sheets
from pipeline.assign import Assigned, Quarantined, assign
from pipeline.decoding import Outcome, decode_all
from pipeline.errors import UserError, os_errors, run_main
from pipeline.files import replacing_folder, scratch_folder, write_text
from pipeline.layout import Placed
from pipeline.near_duplicates import groups
from pipeline.params import Image, Split
from pipeline.progress import say
from pipeline.raw import Raw, open_raw

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SAMPLES_PER_CLASS = 10
REASONS_SHOWN = 3
GROUPS_SHOWN = 18


@dataclass(frozen=True)
class Outputs:
    """Where the stage writes."""

    splits: dict[str, Path]
    classes: Path
    report: Path


@dataclass(frozen=True)
class Divided:
    """The records, what became of each, where each goes, and which look alike."""

    raw: Raw
    outcomes: Sequence[Outcome]
    assigned: Assigned
    alike: list[list[int]]


OUTPUTS = Outputs(
    {"train": paths.TRAIN, "val": paths.VAL, "test": paths.TEST},
    paths.CLASSES,
    paths.SPLIT_REPORT,
)


def split(params: Split, image: Image, raw_path: Path, outputs: Outputs) -> None:
    """Packs the images of the tar `raw_path` into train, val and test.

    Raises:
        UserError: too many unreadable files, or a class without an image in a split.
    """
    raw = open_raw(raw_path)
    with scratch_folder(outputs.classes.with_name("decoding")) as folder:
        scratch = folder / "images.npy"
        outcomes = decode_all(raw_path, raw, scratch, image, perceptual=params.near_duplicates > 0)
        unreadable = _unreadable(raw.records, outcomes, params)
        alike = _alike(outcomes, params)
        divided = Divided(
            raw, outcomes, assign(raw.records, [item.pixel_hash for item in outcomes], params, alike), alike
        )
        _pack(divided, scratch, outputs)
        _write_report(divided, unreadable, scratch, outputs)
    write_text(outputs.classes, json.dumps(raw.classes, indent=1, ensure_ascii=True) + "\n")


def _alike(outcomes: Sequence[Outcome], params: Split) -> list[list[int]]:
    """Groups of near-duplicates, as positions of the records; none where that is switched off."""
    positions = [i for i, item in enumerate(outcomes) if item.perceptual is not None]
    found = groups([outcomes[i].perceptual or 0 for i in positions], params.near_duplicates)
    return [[positions[i] for i in group] for group in found]


def _unreadable(records: Sequence[Placed], outcomes: Sequence[Outcome], params: Split) -> list[Quarantined]:
    found = [
        Quarantined(record.file, record.label, outcome.reason)
        for record, outcome in zip(records, outcomes, strict=True)
        if outcome.pixel_hash is None
    ]
    if len(found) > params.max_unreadable * len(records):
        shown = "; ".join(f"{item.file!r}: {item.reason}" for item in found[:REASONS_SHOWN])
        raise UserError(
            f"{len(found)} of {len(records)} files are unreadable, more than split.max_unreadable "
            f"{params.max_unreadable:g} allows ({shown}{'; ...' if len(found) > REASONS_SHOWN else ''}). "
            "Mend or remove them, or raise split.max_unreadable"
        )
    return found


def _pack(divided: Divided, scratch: Path, outputs: Outputs) -> None:
    pixels = np.load(scratch, mmap_mode="r", allow_pickle=False)
    number = {label: i for i, label in enumerate(divided.raw.classes)}
    for name, positions in divided.assigned.positions.items():
        with replacing_folder(outputs.splits[name]) as folder:
            packed.write(folder, pixels, positions, [number[divided.raw.records[i].label] for i in positions])
            packed.write_table(folder / "manifest.csv", _manifest(divided, name))


def _manifest(divided: Divided, name: str) -> "pd.DataFrame":
    """file, label, split, pixel_hash; superclass where there are any; near_duplicates (a group) where looked for."""
    import pandas as pd

    raw, positions = divided.raw, divided.assigned.positions[name]
    records = [raw.records[i] for i in positions]
    columns: dict[str, Any] = {
        "file": [record.file for record in records],
        "label": [record.label for record in records],
        "split": name,
        "pixel_hash": [divided.outcomes[i].pixel_hash for i in positions],
    }
    if raw.superclasses:
        columns["superclass"] = [raw.superclasses[record.label] for record in records]
    if any(item.perceptual is not None for item in divided.outcomes):
        group = {i: str(number) for number, members in enumerate(divided.alike, start=1) for i in members}
        columns["near_duplicates"] = [group.get(i, "") for i in positions]
    return pd.DataFrame(columns)


def _write_report(divided: Divided, unreadable: list[Quarantined], scratch: Path, outputs: Outputs) -> None:
    import pandas as pd

    raw, assigned = divided.raw, divided.assigned
    found = {name: Counter(raw.records[i].label for i in positions) for name, positions in assigned.positions.items()}
    counts = {name: {label: labels[label] for label in raw.classes} for name, labels in found.items()}
    left_out = _left_out(divided, unreadable)
    with replacing_folder(outputs.report) as folder:
        rows = [(item.file, item.label, item.reason) for item in (*unreadable, *assigned.quarantined)]
        packed.write_table(folder / "quarantine.csv", pd.DataFrame(rows, columns=["file", "label", "reason"]))
        write_text(folder / "counts.json", json.dumps(left_out | {"per_class": counts}, indent=1) + "\n")
        train = packed.load(outputs.splits["train"])
        samples = report.rows_of_samples(train.images, train.labels, len(raw.classes), SAMPLES_PER_CLASS)
        report.save(report.sample_sheet(samples, raw.classes), folder / "samples.png")
        report.save(report.class_counts(counts, raw.classes), folder / "class_counts.png")
        if divided.alike:
            report.save(_near_duplicates_sheet(divided, scratch), folder / "near_duplicates.png")
    say(f"split: {', '.join(f'{len(positions):,} {name}' for name, positions in assigned.positions.items())}")
    if any(left_out.values()):
        shown = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in left_out.items() if count)
        say(f"split: {shown}; see {outputs.report}/quarantine.csv")


def _near_duplicates_sheet(divided: Divided, scratch: Path) -> "Figure":
    """The largest groups, as many to a row as fit."""
    pixels = np.load(scratch, mmap_mode="r", allow_pickle=False)
    split = {i: name for name, positions in divided.assigned.positions.items() for i in positions}
    numbered = enumerate(divided.alike, start=1)  # as in the manifests
    largest = sorted(numbered, key=lambda item: len(item[1]), reverse=True)[:GROUPS_SHOWN]
    rows: list[list[tuple[np.ndarray, str]]] = [[]]
    for number, group in largest:
        cells = [
            (np.asarray(pixels[i]), _caption(number, divided.raw.records[i], split.get(i, "left out")))
            for i in group[: sheets.COLUMNS]
        ]
        if len(rows[-1]) + len(cells) > sheets.COLUMNS:
            rows.append([])
        rows[-1] += cells
    title = f"Near-duplicates: the {len(largest)} largest of {len(divided.alike):,} groups"
    return sheets.rows_sheet(rows, title)


def _caption(number: int, record: Placed, where: str) -> str:
    return f"group {number}: {report.plain(record.label)}, {where}\n{report.plain(record.file.rpartition('/')[2])}"


def _left_out(divided: Divided, unreadable: Sequence[Quarantined]) -> dict[str, int]:
    """Files left out, by reason, and copies that were kept, all on one side."""
    assigned = divided.assigned
    used = [divided.outcomes[i].pixel_hash for positions in assigned.positions.values() for i in positions]
    reasons = [item.reason for item in assigned.quarantined]
    return {
        "unreadable": len(unreadable),
        "conflicting_labels": sum(reason.startswith("equal") for reason in reasons),
        "copies_of_held_out_images": sum(reason.startswith(("also", "near")) for reason in reasons),
        "copies_kept": len(used) - len(set(used)),
        "groups_of_near_duplicates": len(divided.alike),
    }


def main() -> None:
    params = params_file.load(paths.PARAMS)
    with os_errors("cannot write the splits", paths.CLASSES.parent):
        split(params.split, params.image, paths.RAW, OUTPUTS)


if __name__ == "__main__":
    run_main("split", main)
