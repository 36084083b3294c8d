"""`reprolens predict`: what a trained model says of any picture files, in bounded memory however many they are."""

import contextlib
import itertools
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import classifier, picture_files, prediction_table, predictions, report, sheets
from pipeline.classifier import Classifier
from pipeline.decode import Pixels
from pipeline.errors import UserError, os_errors
from pipeline.picture_stream import Form, Picture, pictures
from pipeline.predictions import Prediction
from pipeline.progress import Advance, progress_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS_SHOWN = 50
UNREADABLE_SHOWN = 20
PICTURES_SHOWN = 100
SIDES = ((1, 640), (9, 384), (PICTURES_SHOWN, 256))  # pictures on the sheet -> pixels a side at most
SOME_UNREADABLE = 3  # exit code
MIN_WIDTH = 40  # cells of a terminal


@dataclass(frozen=True)
class Wishes:
    """What to write besides the table on the terminal, and how much of it."""

    top: int | None = None  # of the likeliest classes; None: what the classifier says, or all if fewer
    out: Path | None = None
    picture: Path | None = None
    labelled: bool = False  # folders name the true labels


@dataclass
class Predicted:
    """What is kept of any number of predictions."""

    num_files: int
    first: list[Prediction] = field(default_factory=list)
    per_class: Counter[str] = field(default_factory=Counter)
    num_right: int = 0
    num_unreadable: int = 0
    thumbnails: list[Pixels] = field(default_factory=list)

    @property
    def num_read(self) -> int:
        return self.per_class.total()

    @property
    def unreadable(self) -> str:
        """How many files could not be read; empty if all could."""
        return f"{self.num_unreadable:,} of {self.num_files:,} files were unreadable" if self.num_unreadable else ""

    @property
    def exit_code(self) -> int:
        return SOME_UNREADABLE if self.num_unreadable else 0

    def keep(self, found: Sequence[Prediction], thumbnails: Iterable[Pixels | None]) -> None:
        self.first += found[: PICTURES_SHOWN - len(self.first)]
        self.per_class.update(item.label for item in found)
        self.num_right += sum(item.label == item.true_label for item in found)
        some = [thumbnail for thumbnail in thumbnails if thumbnail is not None]
        self.thumbnails += some[: PICTURES_SHOWN - len(self.thumbnails)]


def predict(given: Sequence[str], model: str | None, wishes: Wishes) -> tuple[Predicted, str]:
    """Predicts files and folders; returns what was found and what to say of it.

    Raises:
        UserError: before anything is predicted, where something that was given is not there or does not fit.
    """
    files = picture_files.find(given)
    _check_targets(wishes, files)
    asked = classifier.find(model)
    top = _top(wishes.top, asked)
    if wishes.labelled:
        picture_files.check_labels(files, asked.labels, asked.called)
    done = predict_files(asked, files, wishes, top)
    if wishes.picture and done.thumbnails:
        with os_errors("cannot write the picture", wishes.picture):
            report.save(_sheet(done, asked.called), wishes.picture)
    return done, prediction_table.encodable("\n".join(_told(done, wishes)), sys.stdout.encoding)


def _check_targets(wishes: Wishes, files: Sequence[str]) -> None:
    if wishes.out:
        predictions.check_target(wishes.out, "--out", predictions.TABLES)
    if wishes.picture:
        predictions.check_target(wishes.picture, "--picture", [".png"])
        picture_files.check_absent(wishes.picture, "--picture", files)


def _top(wanted: int | None, asked: Classifier) -> int:
    num_classes = len(asked.labels)
    if wanted and wanted > num_classes:
        raise UserError(f"--top {wanted} is above the {num_classes} classes of {asked.called}: give at most that")
    return wanted or min(asked.told, num_classes)


def predict_files(asked: Classifier, files: Sequence[str], wishes: Wishes, top: int) -> Predicted:
    """Predicts files in their order, and writes the table of `wishes`, if any of them can be read."""
    done = Predicted(len(files))
    side = next(side for most, side in SIDES if min(len(files), PICTURES_SHOWN) <= most)

    def form() -> Form:
        wanted = wishes.picture and len(done.thumbnails) < PICTURES_SHOWN
        return Form(asked.size, asked.channels, side if wanted else 0)

    with ExitStack() as stack:
        advance = _progress(stack, len(files), asked.batch)
        write = None
        for batch in _batches(pictures(files, form), asked.batch):
            _report_unreadable(batch, done)
            if readable := [picture for picture in batch if picture.pixels is not None]:
                found = _answers(asked, readable, top, wishes.labelled)
                done.keep(found, (picture.thumbnail for picture in readable))
                if wishes.out:
                    write = write or stack.enter_context(predictions.writing(wishes.out, top, wishes.labelled))
                    write(found)
            advance(len(batch))
    return done


def _progress(stack: ExitStack, total: int, batch: int) -> Advance:
    """On standard error, so that a program that reads the table never meets it; none for a few files."""
    if total <= batch:
        return lambda steps: None
    stack.enter_context(contextlib.redirect_stdout(sys.stderr))
    return stack.enter_context(progress_bar("predicting", total, "images"))


def _batches(stream: Iterator[Picture], size: int) -> Iterator[list[Picture]]:
    while batch := list(itertools.islice(stream, size)):
        yield batch


def _report_unreadable(batch: Sequence[Picture], done: Predicted) -> None:
    for picture in batch:
        if picture.pixels is None:
            done.num_unreadable += 1
            if done.num_unreadable <= UNREADABLE_SHOWN:
                name = prediction_table.shown(picture.file)
                print(f"predict: {name}: {picture.reason} (skipped)", file=sys.stderr)
            elif done.num_unreadable == UNREADABLE_SHOWN + 1:
                print("predict: more are unreadable, from here on they are only counted", file=sys.stderr)


def _answers(asked: Classifier, readable: Sequence[Picture], top: int, labelled: bool) -> list[Prediction]:
    likelihoods = asked.likelihoods(np.stack([picture.pixels for picture in readable if picture.pixels is not None]))
    best = predictions.likeliest(likelihoods, asked.labels, top)
    return [
        Prediction(picture.file, classes, picture_files.label_of(picture.file) if labelled else None)
        for picture, classes in zip(readable, best, strict=True)
    ]


def _sheet(done: Predicted, called: str) -> "Figure":
    shown = done.first[: len(done.thumbnails)]
    captions = [sheets.prediction_caption(item.label, item.likelihood, item.true_label) for item in shown]
    count = f"The first {len(shown)} of {done.num_read:,}" if done.num_read > len(shown) else f"{len(shown)}"
    by = called if len(called) <= report.LONGEST_NAME else f"…{called[1 - report.LONGEST_NAME :]}"
    noun = "picture" if done.num_read == 1 else "pictures"
    return sheets.prediction_sheet(done.thumbnails, captions, f"{count} {noun}, classified by {report.plain(by)}")


def _told(done: Predicted, wishes: Wishes) -> list[str]:
    if not done.num_read:
        return []
    width = max(MIN_WIDTH, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None
    lines = prediction_table.table(done.first[:ROWS_SHOWN], width)
    if (left := done.num_read - ROWS_SHOWN) > 0:
        lines.append(f"... and {left:,} more" + ("" if wishes.out else " (--out FILE.csv keeps all)"))
        lines += ["", *prediction_table.counts(done.per_class, width)]
    last = [f"table    {wishes.out}"] if wishes.out else []
    last += [f"picture  {wishes.picture}"] if wishes.picture else []
    if wishes.labelled:
        share = done.num_right / done.num_read
        last.append(f"{done.num_right:,} of {done.num_read:,} right (accuracy {share:.3f})")
    return [*lines, "", *last] if last else lines
