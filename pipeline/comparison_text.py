"""A comparison laid out for a terminal: what does not fit beside stands below; pure but for asking for its width."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len

from pipeline.mcnemar import Verdict, difference_interval, sentence

Cells = Sequence[str]
TITLES = (
    *("\ndata", "\nnetwork", "\nparameters", "training\nimages", "\nepochs", "training\ntime"),
    *("test\naccuracy", "\n95% interval", "\npublished"),
)
DATA, NETWORK, NUMBERS, PUBLISHED = 0, 1, slice(2, 8), 8
RIGHT = range(2, 7)  # columns set flush right
NARROWEST = {PUBLISHED: 25, NETWORK: 16}  # what they are wrapped to before the table is given up
GAP = "  "
DASH = "–"  # what is not known
ENDLESS = 1_000_000


def screen_width() -> int:
    """The terminal's columns; without one, as in a pipe, more than any line has."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else ENDLESS


def table(rows: Sequence[Cells], width: int | None = None) -> list[str]:
    """The lines of a table.

    Args:
        rows: nine texts each; one without numbers (`NUMBERS`) is a name and, at the end, a note.
        width: columns; None: `screen_width()`.
    """
    room = screen_width() if width is None else width
    full = [cells for cells in rows if not _is_bare(cells)]
    if not full:
        return [GAP.join(part for part in (cells[DATA], cells[NETWORK], cells[-1])) for cells in rows]
    named = [list(cells[:2]) for cells in rows]
    columns = list(zip(TITLES, *full))
    widths = [max(cell_len(line) for text in column for line in text.split("\n")) for column in columns]
    widths[:2] = [max(widths[place], *(cell_len(name[place]) for name in named)) for place in (DATA, NETWORK)]
    some = any(cells[PUBLISHED] != DASH for cells in full)
    for count in (len(TITLES), PUBLISHED) if some else (PUBLISHED,):
        if fitted := _fitted(widths[:count], room):
            return list(_wide(rows, fitted, room))
    return list(_stacked(rows, widths, room))


def folded(lines: Sequence[str], width: int | None = None) -> list[str]:
    """Lines broken to the width, as in `table`."""
    return [part for line in lines for part in _wrapped(line, screen_width() if width is None else width)]


def verdict(found: Verdict) -> str:
    """What a test of two runs said, in a few lines."""
    counts, interval = found.table, difference_interval(found.table)
    long = max(cell_len(found.a), cell_len(found.b))
    both, wrong = f"{counts.both:,}", f"{counts.neither:,}"
    only_a, only_b = f"{counts.only_a:,}", f"{counts.only_b:,}"
    lines = [
        f"A  {_padded(found.a, long)}  {counts.accuracy_a:.4f} on {counts.total:,} test images",
        f"B  {_padded(found.b, long)}  {counts.accuracy_b:.4f}",
        "",
        f"{'':10}{'B right':>10}{'B wrong':>10}",
        f"{'A right':10}{both:>10}{only_a:>10}",
        f"{'A wrong':10}{only_b:>10}{wrong:>10}",
        "",
        f"A minus B: {counts.accuracy_a - counts.accuracy_b:+.4f}, 95% interval {interval['low']:+.4f} to "
        f"{interval['high']:+.4f} (Newcombe's, paired)",
        sentence(counts),
    ]
    return "\n".join(lines)


def _is_bare(cells: Cells) -> bool:
    return not any(cells[NUMBERS])


def _fitted(widths: Sequence[int], room: int) -> list[int] | None:
    """Widths at which all columns stand side by side; None if they can't."""
    spare = room - sum(widths) - len(GAP) * (len(widths) - 1)
    found = list(widths)
    for place, least in NARROWEST.items():
        if spare < 0 and place < len(found):
            given = min(-spare, max(0, found[place] - least))
            found[place] -= given
            spare += given
    return found if spare >= 0 else None


def _wide(rows: Sequence[Cells], widths: Sequence[int], room: int) -> Iterator[str]:
    """One line per run; the published figure stands below where there is no width left for it."""
    yield from _lines([title.split("\n") for title in TITLES[: len(widths)]], widths)
    yield "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    left = sum(widths[:2]) + 2 * len(GAP)
    for cells in rows:
        wrapped = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=False)]
        if not _is_bare(cells):
            yield from _lines(wrapped, widths)
            if len(widths) <= PUBLISHED:
                yield from _below(cells, widths[DATA] + 2 * len(GAP), room)
            continue
        note = _wrapped(cells[-1], max(NARROWEST[NETWORK], room - left))
        yield from _lines([*wrapped[:2], note], [*widths[:2], 0], right=())


def _stacked(rows: Sequence[Cells], widths: Sequence[int], room: int) -> Iterator[str]:
    """For a narrow terminal: the name, the numbers below it, the published figure below them."""
    inner = [4, *widths[NUMBERS]]
    right = range(1, len(inner) - 1)
    yield from _lines([[""], *(title.split("\n") for title in TITLES[NUMBERS])], inner, right)
    before = None
    for cells in rows:
        if cells[DATA] != before:
            yield cells[DATA]
        before = cells[DATA]
        yield from _indented(cells[NETWORK], len(GAP), room)
        if not _is_bare(cells):
            yield from _lines([[""], *([cell] for cell in cells[NUMBERS])], inner, right)
            yield from _below(cells, 3 * len(GAP), room)
        else:
            yield from _indented(cells[-1], 3 * len(GAP), room)


def _below(cells: Cells, indent: int, room: int) -> list[str]:
    """The published figure on a line of its own, if there is one."""
    return _indented(f"published {cells[PUBLISHED]}", indent, room) if cells[PUBLISHED] != DASH else []


def _indented(text: str, indent: int, room: int) -> list[str]:
    return [" " * indent + line for line in _wrapped(text, room - indent)]


def _lines(cells: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[int] = RIGHT) -> Iterator[str]:
    """Cells of several lines, side by side."""
    for parts in zip_longest(*cells, fillvalue=""):
        padded = [_padded(part, widths[place], place in right) for place, part in enumerate(parts)]
        yield GAP.join(padded).rstrip()


def _padded(text: str, width: int, right: bool = False) -> str:
    space = " " * max(0, width - cell_len(text))
    return space + text if right else text + space


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(1, width), break_on_hyphens=False) or [""]
