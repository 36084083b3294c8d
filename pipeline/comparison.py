"""Runs side by side, one row each: as text, Markdown, HTML and CSV; pure.

Numbers that a run does not have are dashes, and a row may be no more than a name and a note.
"""

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pipeline import comparison_page, comparison_text
from pipeline.comparison_page import Span
from pipeline.comparison_text import DASH
from pipeline.facts import duration
from pipeline.mcnemar import Verdict
from pipeline.page_parts import visible
from pipeline.published import Published
from pipeline.wording import SHORT

TITLES = (
    *("data", "network", "parameters", "training images", "epochs", "training time"),
    *("test accuracy", "95% interval", "published"),
)
FIELDS = (
    *("data", "network", "run_key", "parameters", "training_images", "epochs", "seconds", "accuracy", "low", "high"),
    *(
        "published_accuracy",
        "published_images",
        "published_seconds",
        "published_comparable",
        "published_caveat",
        "note",
    ),
)
LEGEND = "published: what the course notebook printed for this network, on its own copy of the data and its own machine"
OF_TRAINING = "accuracy on the training images, which says little about new ones"
MARKED = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#~&"})


@dataclass(frozen=True)
class Row:
    """One run, or why there is none; None is what is not known, and `note` is as in "still running"."""

    network: str
    data: str
    key: str = ""
    parameters: int | None = None
    training_images: int | None = None
    epochs: int | None = None
    seconds: float | None = None
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    published: Published | None = None
    """Of the notebook whose network this is."""
    note: str = ""

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but a name and a note."""
        return bool(self.note) and not self.key


def skipped(network: str, data: str, reason: str) -> Row:
    """A row that is only a name and a reason."""
    return Row(network, data, note=f"skipped: {reason}")


def to_text(rows: Sequence[Row], width: int | None = None) -> str:
    """Lines for a terminal of so many columns; None: this one's, and no limit where the output is piped."""
    notes = footnotes(rows)
    table = comparison_text.table([_cells(row, notes) for row in _told_apart(rows)], width)
    return "\n".join([*table, *comparison_text.folded(_legend(rows), width)])


def to_markdown(rows: Sequence[Row], verdict: Verdict | None = None, picture: str = "") -> str:
    """A table as GitHub draws it, and below it what the test of two runs said.

    Args:
        picture: where their sheet is, as seen from the Markdown file.
    """
    notes = footnotes(rows)
    cells = [[cell.translate(MARKED) for cell in _cells(row, notes)] for row in _told_apart(rows)]
    table = [TITLES, (":--", ":--", *["--:"] * 5, ":-:", ":--"), *cells]
    lines = [f"| {' | '.join(line)} |" for line in table]
    lines += ["" if not line else f"{line.translate(MARKED)}  " for line in _legend(rows)]
    if verdict:
        lines += ["", "```", comparison_text.verdict(verdict), "```"]
    if picture:
        lines += ["", f"![Images on which the two differ](<{picture}>)"]
    return "\n".join([*lines, ""])


def to_html(rows: Sequence[Row], verdict: Verdict | None = None, picture: bytes = b"") -> str:
    """One page that needs nothing else, with the intervals drawn.

    Args:
        picture: the sheet of the two runs, a PNG.
    """
    notes = footnotes(rows)
    groups = []
    for data, group in groupby(rows, lambda row: row.data):
        members = list(group)
        spans = [_span(row) for row in members]
        keys = [row.key[:SHORT] for row in members]
        groups.append((visible(data) if data else DASH, [_cells(row, notes)[1:] for row in members], keys, spans))
    return comparison_page.render(groups, _legend(rows), verdict, picture)


def to_csv(rows: Sequence[Row]) -> str:
    """Every number as it is; empty where it is not known."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in rows:
        run = (row.data, row.network, row.key, row.parameters, row.training_images, row.epochs, row.seconds)
        judged = (row.accuracy, row.low, row.high)
        figure = row.published
        shown = (
            (figure.accuracy, figure.images, figure.seconds, "no" if _reason(figure) else "yes", figure.caveat)
            if figure
            else ("",) * 5
        )
        writer.writerow([visible(cell) if cell else cell for cell in (*run, *judged, *shown, row.note)])
    return stream.getvalue()


def footnotes(rows: Sequence[Row]) -> list[str]:
    """Why published figures cannot be compared, each reason once."""
    return list(dict.fromkeys(reason for row in rows if row.published and (reason := _reason(row.published))))


def _reason(figure: Published) -> str:
    """Why a published figure cannot be compared with a test accuracy; empty if it can."""
    return OF_TRAINING if figure.images == "training" else figure.caveat


def _legend(rows: Sequence[Row]) -> list[str]:
    """What stands under a table with published figures, after an empty line."""
    numbered = [f"[{place}] not comparable: {reason}" for place, reason in enumerate(footnotes(rows), start=1)]
    return ["", LEGEND, *numbered] if any(row.published for row in rows) else []


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """The rows, with the beginnings of their run keys where several runs have one name."""
    count = Counter((row.data, row.network) for row in rows)
    return [
        replace(row, network=f"{row.network} {row.key[:SHORT]}")
        if row.key and count[row.data, row.network] > 1
        else row
        for row in rows
    ]


def _cells(row: Row, notes: Sequence[str]) -> list[str]:
    """The row as texts, in the order of `TITLES`; of a bare row only data, network and, at the end, the note."""
    head = [visible(row.data) if row.data else DASH, visible(row.network)]
    if row.is_bare:
        return [*head, *[""] * 6, visible(row.note)]
    if row.note:
        head[1] += f" ({visible(row.note)})"
    known = row.low is not None and row.high is not None
    return [
        *head,
        *(DASH if value is None else f"{value:,}" for value in (row.parameters, row.training_images, row.epochs)),
        "unknown" if row.seconds is None else duration(row.seconds),
        _share(row.accuracy),
        f"{_share(row.low)} to {_share(row.high)}" if known else DASH,
        _figure(row.published, notes) if row.published else DASH,
    ]


def _figure(figure: Published, notes: Sequence[str]) -> str:
    shown = f"{figure.accuracy:.4f} {figure.images}, {figure.seconds} s"
    return f"{shown}, not comparable [{notes.index(reason) + 1}]" if (reason := _reason(figure)) else shown


def _share(value: float | None) -> str:
    return DASH if value is None or not math.isfinite(value) else f"{value:.4f}"


def _span(row: Row) -> Span | None:
    if row.accuracy is None or row.low is None or row.high is None:
        return None
    comparable = row.published and not _reason(row.published)
    return Span(row.low, row.accuracy, row.high, row.published.accuracy if row.published and comparable else None)
