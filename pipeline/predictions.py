"""Predictions as records: what a model says of one picture, and tables of them as CSV or JSON, written as they come."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, os_errors
from pipeline.files import replacing

Write = Callable[[Iterable["Prediction"]], None]


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one picture with their likelihoods, likeliest first; the true label where known."""

    file: str
    likeliest: tuple[tuple[str, float], ...]
    true_label: str | None = None

    @property
    def label(self) -> str:
        return self.likeliest[0][0]

    @property
    def likelihood(self) -> float:
        return self.likeliest[0][1]


def likeliest(likelihoods: NDArray[np.float32], labels: Sequence[str], top: int) -> list[tuple[tuple[str, float], ...]]:
    """The `top` likeliest classes of each row; equally likely ones in the order of the classes.

    Args:
        likelihoods: (count, classes).
    """
    order = np.argsort(-likelihoods, axis=1, kind="stable")[:, :top]
    values = np.take_along_axis(likelihoods, order, axis=1)
    return [
        tuple((labels[number], value) for number, value in zip(numbers, row, strict=True))
        for numbers, row in zip(order.tolist(), values.tolist(), strict=True)
    ]


def check_target(target: Path, option: str, endings: Iterable[str]) -> None:
    """Raises a `UserError` that names `option` unless a file with one of `endings` can stand at `target`."""
    known = list(endings)
    if target.suffix.lower() not in known:
        raise UserError(f"{option} {target} must end in {' or '.join(known)}")
    if not target.parent.is_dir():
        raise UserError(f"{option} {target}: there is no folder {target.parent}: make it first, or give another")
    if target.is_dir():
        raise UserError(f"{option} {target} is a folder: give the name of a file")


def writing(target: Path, top: int, labelled: bool) -> AbstractContextManager[Write]:
    """Yields what writes predictions to a table, which appears whole at the end or not at all.

    Floats keep nine digits, enough for any float32; odd file names survive.

    Raises:
        UserError: the file cannot be written.
    """
    return TABLES[target.suffix.lower()](target, top, labelled)


@contextmanager
def _csv(target: Path, top: int, labelled: bool) -> Iterator[Write]:
    head = ["file", *(["true_label"] if labelled else []), "label", "likelihood"]
    head += [name for rank in range(2, top + 1) for name in (f"label_{rank}", f"likelihood_{rank}")]
    with _opened(target, errors="surrogateescape") as stream:
        plain = csv.writer(stream, lineterminator="\n")
        quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(head)

        def write(predictions: Iterable[Prediction]) -> None:
            for row in map(_row, predictions):
                # Python before 3.13 does not see that a lone carriage return ends a line for readers.
                (quoted if any("\r" in text for text in row) else plain).writerow(row)

        yield write


def _row(prediction: Prediction) -> list[str]:
    truth = [] if prediction.true_label is None else [prediction.true_label]
    values = [text for label, likelihood in prediction.likeliest for text in (label, f"{likelihood:.9g}")]
    return [prediction.file, *truth, *values]


@contextmanager
def _json(target: Path, top: int, labelled: bool) -> Iterator[Write]:
    before = "[\n"
    with _opened(target) as stream:

        def write(predictions: Iterable[Prediction]) -> None:
            nonlocal before
            for prediction in predictions:
                stream.write(before + json.dumps(_object(prediction)))
                before = ",\n"

        yield write
        stream.write("\n]\n" if before == ",\n" else "[]\n")


def _object(prediction: Prediction) -> dict[str, Any]:
    truth = {} if prediction.true_label is None else {"true_label": prediction.true_label}
    likelihoods = [
        {"label": label, "likelihood": float(f"{likelihood:.9g}")} for label, likelihood in prediction.likeliest
    ]
    return {"file": prediction.file, **truth, "likelihoods": likelihoods}


@contextmanager
def _opened(target: Path, errors: str = "strict") -> Iterator[IO[str]]:
    with (
        os_errors("cannot write the table", target),
        replacing(target) as beside,
        beside.open("w", encoding="utf-8", errors=errors, newline="") as stream,
    ):
        yield stream


TABLES = {".csv": _csv, ".json": _json}
