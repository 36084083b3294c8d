"""Progress for people: a live bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_LINE_EVERY = 10.0  # seconds between lines when there is no terminal

Advance = Callable[[int], None]


def say(line: str) -> None:
    """One line on standard output, at once."""
    print(line, flush=True)


@contextmanager
def progress_bar(what: str, total: int | None, unit: str, done: int = 0) -> Iterator[Advance]:
    """Yields `advance(steps)`; shows rate and time left. `unit` is "B" for bytes, else a plural noun."""
    if sys.stdout.isatty():
        with _live_bar(what, total, unit, done) as advance:
            yield advance
    else:
        yield _plain_lines(what, total, unit, done)


@contextmanager
def _live_bar(what: str, total: int | None, unit: str, done: int) -> Iterator[Advance]:
    from rich import progress as rich_progress

    amount = (
        [rich_progress.DownloadColumn(), rich_progress.TransferSpeedColumn()]
        if unit == "B"
        else [rich_progress.MofNCompleteColumn(), rich_progress.TextColumn("{task.fields[rate]}")]
    )
    columns = [rich_progress.TextColumn("{task.description}"), rich_progress.BarColumn(bar_width=30), *amount]
    with rich_progress.Progress(*columns, rich_progress.TimeRemainingColumn()) as bar:
        task = bar.add_task(what, total=total, completed=done, rate="")
        began, moved = time.monotonic(), 0

        def advance(steps: int) -> None:
            nonlocal moved
            moved += steps
            rate = moved / max(time.monotonic() - began, 1e-9)
            bar.update(task, advance=steps, rate=f"{rate:,.0f} {unit}/s")

        yield advance


@contextmanager
def batch_bar(done: int, total: int) -> Iterator[Callable[[], None] | None]:
    """Batches of a whole training on one live line, epoch lines above it; None where there is no terminal."""
    if not sys.stdout.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("batches"))
    with Progress(*columns, TimeRemainingColumn(), transient=True) as bar:
        task = bar.add_task("training", total=total, completed=done)
        yield lambda: bar.advance(task)


def _plain_lines(what: str, total: int | None, unit: str, done: int) -> Advance:
    began = last = time.monotonic()
    moved = 0

    def advance(steps: int) -> None:
        nonlocal last, moved
        moved += steps
        now = time.monotonic()
        if now - last < PLAIN_LINE_EVERY:
            return
        last, rate = now, moved / (now - began)
        left = f", {(total - done - moved) / rate:.0f} s left" if total and rate else ""
        of = f" of {_amount(total, unit)}" if total else ""
        say(f"{what}: {_amount(done + moved, unit)}{of}, {_amount(rate, unit)}/s{left}")

    return advance


def _amount(number: float, unit: str) -> str:
    return f"{number / 1e6:.1f} MB" if unit == "B" else f"{number:,.0f} {unit}"
