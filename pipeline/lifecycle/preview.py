"""`reprolens preview`: the data before training, as training will see it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import keras_setup, packed, params_file, paths, report, sheets
from pipeline.errors import UserError, os_errors
from pipeline.lifecycle.use import check
from pipeline.packed import Packed
from pipeline.params import Params

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES_SHOWN = 30
VERSIONS = 24  # of one image, augmented


def make_splits() -> None:
    """Brings `split` up to date, so that what is shown is what training would get.

    Raises:
        UserError: it failed; its own line above says why.
    """
    check()
    command = [str(Path(sys.executable).parent / "dvc"), "repro", "--quiet", "split"]
    if subprocess.run(command, check=False).returncode:
        raise UserError("the splits could not be made: mend what is said above, then run this again")


def overview() -> str:
    """Shapes, classes and counts per split, in a few lines."""
    params, train = params_file.load(paths.PARAMS), packed.load(paths.TRAIN)
    counts = params_file.read_yaml(paths.SPLIT_REPORT / "counts.json")
    per_class, classes = counts.pop("per_class"), packed.load_classes(paths.CLASSES)
    height, width, channels = train.images.shape[1:]
    splits = {name: sum(labels.values()) for name, labels in per_class.items()}
    lines = [
        f"{params.dataset.path or params.dataset.name}: {sum(splits.values()):,} images, {len(classes)} classes",
        f"images   {height} x {width} pixels, {'colour' if channels == 3 else 'grey'}, uint8 "
        f"{train.images.min()} to {train.images.max()}",
        f"splits   {', '.join(f'{name} {count:,}' for name, count in splits.items())}",
    ]
    left_out = [f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items() if count]
    if left_out:
        lines.append(f"besides  {', '.join(left_out)}: see {paths.SPLIT_REPORT}/quarantine.csv")
    return "\n".join([*lines, "", *_class_lines(per_class, classes), "", *_pictures()])


def _class_lines(per_class: dict[str, dict[str, int]], classes: Sequence[str]) -> list[str]:
    shown = classes[:CLASSES_SHOWN]
    width = max(len(report.plain(name)) for name in ("class", *shown))
    head = f"{'class':{width}}" + "".join(f"{name:>9}" for name in per_class)
    rows = [
        f"{report.plain(name):{width}}" + "".join(f"{counts[name]:>9,}" for counts in per_class.values())
        for name in shown
    ]
    more = [f"... and {len(classes) - len(shown)} more"] if len(classes) > len(shown) else []
    return [head, *rows, *more]


def _pictures() -> list[str]:
    return [f"pictures {file}" for file in sorted(paths.SPLIT_REPORT.glob("*.png"))]


def image(number: int) -> Path:
    """Draws one training image with its label; returns the picture's path.

    Raises:
        UserError: there is no such image.
    """
    train, row = packed.load(paths.TRAIN), packed.load_manifest(paths.TRAIN)
    _must_have(train, number)
    known = row.iloc[number]
    title = (
        f"Training image {number:,} of {len(train):,}: {report.plain(known['label'])}\n{report.plain(known['file'])}"
    )
    return _save(sheets.one_picture(np.asarray(train.images[number]), title), f"image_{number}.png")


def augmented(number: int) -> Path:
    """Draws one training image as training would see it in so many epochs; returns the picture's path.

    Raises:
        UserError: there is no such image, or `augment` changes nothing.
    """
    from pipeline.augment import augment

    params, train = params_file.load(paths.PARAMS), packed.load(paths.TRAIN)
    _must_have(train, number)
    if not params.augment.is_on:
        raise UserError("every key of `augment` is off: set one in params.yaml, as in augment.rotation=10")
    keras_setup.prepare()
    copies = np.repeat(np.asarray(train.images[number])[None], VERSIONS, axis=0)
    changed = augment(copies, (np.int64(params.train.seed), np.int64(0)), params.augment).numpy()
    title = f"label {_label(train, number)}, training image {number:,}, under {_changes(params)}"
    drawn = sheets.captioned_sheet([copies[0], *changed[1:]], ["as it is", *[""] * (VERSIONS - 1)], title)
    return _save(drawn, f"augmented_{number}.png")


def _label(train: Packed, number: int) -> str:
    return report.plain(packed.load_classes(paths.CLASSES)[train.labels[number]])


def _changes(params: Params) -> str:
    return ", ".join(
        name.replace("_", " ") + ("" if value is True else f" {value:g}")
        for name, value in params.augment.model_dump().items()
        if value
    )


def _must_have(train: Packed, number: int) -> None:
    if not 0 <= number < len(train):
        raise UserError(f"there is no training image {number}: give a number from 0 to {len(train) - 1}")


def _save(drawn: "Figure", name: str) -> Path:
    target = paths.PREVIEW / name
    with os_errors("cannot write the picture", target):
        report.save(drawn, target)
    return target
