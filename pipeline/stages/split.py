"""Stage 2: decodes once, divides by content, packs each split, and shows what there is."""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import packed, params_file, paths, report
from pipeline.assign import Assigned, Quarantined, assign
from pipeline.decoding import Outcome, decode_all
from pipeline.errors import UserError, os_errors, run_main
from pipeline.files import replacing_folder, write_text
from pipeline.layout import Placed
from pipeline.params import Image, Split
from pipeline.progress import say
from pipeline.raw import Raw, open_raw

SAMPLES_PER_CLASS = 10
REASONS_SHOWN = 3


@dataclass(frozen=True)
class Outputs:
    """Where the stage writes."""

    splits: dict[str, Path]
    classes: Path
    report: Path


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
    outputs.classes.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=outputs.classes.parent, prefix=".decoding-") as folder:
        scratch = Path(folder) / "images.npy"
        outcomes = decode_all(raw_path, raw, scratch, image)
        unreadable = _unreadable(raw.records, outcomes, params)
        assigned = assign(raw.records, [digest for digest, _ in outcomes], params)
        _pack(raw, outcomes, assigned, scratch, outputs)
    write_text(outputs.classes, json.dumps(raw.classes, indent=1, ensure_ascii=True) + "\n")
    _write_report(raw, outcomes, assigned, unreadable, outputs)


def _unreadable(records: Sequence[Placed], outcomes: Sequence[Outcome], params: Split) -> list[Quarantined]:
    found = [
        Quarantined(record.file, record.label, reason)
        for record, (digest, reason) in zip(records, outcomes, strict=True)
        if digest is None
    ]
    if len(found) > params.max_unreadable * len(records):
        shown = "; ".join(f"{item.file!r}: {item.reason}" for item in found[:REASONS_SHOWN])
        raise UserError(
            f"{len(found)} of {len(records)} files are unreadable, more than split.max_unreadable "
            f"{params.max_unreadable:g} allows ({shown}{'; ...' if len(found) > REASONS_SHOWN else ''}). "
            "Mend or remove them, or raise split.max_unreadable"
        )
    return found


def _pack(raw: Raw, outcomes: Sequence[Outcome], assigned: Assigned, scratch: Path, outputs: Outputs) -> None:
    import pandas as pd

    pixels = np.load(scratch, mmap_mode="r", allow_pickle=False)
    number = {label: i for i, label in enumerate(raw.classes)}
    for name, positions in assigned.positions.items():
        with replacing_folder(outputs.splits[name]) as folder:
            packed.write(folder, pixels, positions, [number[raw.records[i].label] for i in positions])
            rows = [(raw.records[i].file, raw.records[i].label, name, outcomes[i][0]) for i in positions]
            table = pd.DataFrame(rows, columns=["file", "label", "split", "pixel_hash"])
            packed.write_table(folder / "manifest.csv", table)


def _write_report(
    raw: Raw, outcomes: Sequence[Outcome], assigned: Assigned, unreadable: list[Quarantined], outputs: Outputs
) -> None:
    import pandas as pd

    found = {name: Counter(raw.records[i].label for i in positions) for name, positions in assigned.positions.items()}
    counts = {name: {label: labels[label] for label in raw.classes} for name, labels in found.items()}
    quarantined = [*unreadable, *assigned.quarantined]
    left_out = _left_out(outcomes, assigned, unreadable)
    with replacing_folder(outputs.report) as folder:
        rows = [(item.file, item.label, item.reason) for item in quarantined]
        packed.write_table(folder / "quarantine.csv", pd.DataFrame(rows, columns=["file", "label", "reason"]))
        write_text(folder / "counts.json", json.dumps(left_out | {"per_class": counts}, indent=1) + "\n")
        train = packed.load(outputs.splits["train"])
        samples = report.rows_of_samples(train.images, train.labels, len(raw.classes), SAMPLES_PER_CLASS)
        report.save(report.sample_sheet(samples, raw.classes), folder / "samples.png")
        report.save(report.class_counts(counts, raw.classes), folder / "class_counts.png")
    say(f"split: {', '.join(f'{len(positions):,} {name}' for name, positions in assigned.positions.items())}")
    if any(left_out.values()):
        shown = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in left_out.items() if count)
        say(f"split: {shown}; see {outputs.report}/quarantine.csv")


def _left_out(outcomes: Sequence[Outcome], assigned: Assigned, unreadable: Sequence[Quarantined]) -> dict[str, int]:
    """Files left out, by reason, and copies that were kept, all on one side."""
    used = [outcomes[i][0] for positions in assigned.positions.values() for i in positions]
    reasons = [item.reason for item in assigned.quarantined]
    return {
        "unreadable": len(unreadable),
        "conflicting_labels": sum(reason.startswith("equal") for reason in reasons),
        "copies_of_held_out_images": sum(reason.startswith("also") for reason in reasons),
        "copies_kept": len(used) - len(set(used)),
    }


def main() -> None:
    params = params_file.load(paths.PARAMS)
    with os_errors("cannot write the splits", paths.CLASSES.parent):
        split(params.split, params.image, paths.RAW, OUTPUTS)


if __name__ == "__main__":
    run_main("split", main)
