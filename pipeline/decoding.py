"""Decodes all raw images once, on all cores, into one scratch array; memory stays bounded."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.decode import Pixels, Unreadable, fit, pixel_hash
from pipeline.errors import UserError
from pipeline.files import reserve
from pipeline.near_duplicates import perceptual_hash
from pipeline.params import Image
from pipeline.progress import progress_bar
from pipeline.raw import Pictures, Raw, open_raw

CHUNK = 128  # images per task
FILES_NAMED = 4  # in the message about a process that was ended
LISTEN = 2.0  # seconds without a result before it is asked whether anybody is still at work
ALONE_BELOW = 4 * CHUNK  # starting processes costs more than so few pictures


@dataclass(frozen=True)
class Outcome:
    """What became of one file: its hashes, or the reason why it is unreadable."""

    pixel_hash: str | None
    reason: str = ""
    perceptual: int | None = None  # 64-bit perceptual hash, where it is wanted


@dataclass(frozen=True)
class Task:
    """Images `start` to `stop` of the raw tar, to be written to the same rows of the scratch array."""

    raw: Path
    scratch: Path
    size: tuple[int, int]  # height, width
    channels: int
    perceptual: bool  # whether perceptual hashes are wanted
    start: int
    stop: int
    pictures: Pictures | None = None  # those of this task alone, so that no worker has to list the tar


def decode_all(
    raw_path: Path, raw: Raw, scratch: Path, params: Image, workers: int | None = None, perceptual: bool = False
) -> list[Outcome]:
    """Writes every image, resized, to the uint8 array `scratch` (count, height, width, channels).

    Returns:
        One outcome per record, in order. Rows of unreadable files stay zero.

    Raises:
        UserError: memory ran out, or a process that decodes was ended; names pictures that it may have been.
    """
    count = len(raw.records)
    shape = (count, *params.size, params.channels)
    np.lib.format.open_memmap(scratch, mode="w+", dtype=np.uint8, shape=shape).flush()
    reserve(scratch)
    starts = range(0, count, CHUNK)
    tasks = [
        Task(raw_path, scratch, params.size, params.channels, perceptual, start, min(start + CHUNK, count))
        for start in starts
    ]
    workers = workers or _cores()
    outcomes: list[Outcome] = [Outcome(None)] * count
    with progress_bar("decoding", count, "images") as advance:
        alone = count < ALONE_BELOW or workers == 1
        done = _alone(tasks, raw) if alone else _together(tasks, workers, raw)
        for task, results in done:
            outcomes[task.start : task.stop] = results
            advance(len(results))
    return outcomes


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _alone(tasks: list[Task], raw: Raw) -> Iterator[tuple[Task, list[Outcome]]]:
    for task in tasks:
        try:
            yield task, _decode_rows(task, raw.pixels)
        except MemoryError as error:
            raise _short_of_memory(task, raw) from error


def _together(tasks: list[Task], workers: int, raw: Raw) -> Iterator[tuple[Task, list[Outcome]]]:
    """Hands out tasks so that no more than a few wait at any time."""
    context = multiprocessing.get_context("spawn")
    running: dict[Future[list[Outcome]], Task] = {}
    left = iter(tasks)
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            while True:
                while len(running) < 4 * workers and (task := next(left, None)):
                    running[_submitted(pool, task, raw)] = task
                if not running:
                    return
                for future in _finished(running):
                    yield running[future], _result(future, running[future], raw)
                    del running[future]
    except BrokenProcessPool as error:
        raise _ended(sorted(task.start for task in running.values())[:workers], raw) from error


def _submitted(pool: ProcessPoolExecutor, task: Task, raw: Raw) -> "Future[list[Outcome]]":
    try:
        return pool.submit(_in_worker, _with_pictures(task, raw))
    except (OSError, ValueError) as error:  # the pool was just closing its pipes, since a process ended
        raise BrokenProcessPool(str(error)) from error


def _finished(running: Mapping["Future[list[Outcome]]", Task]) -> set["Future[list[Outcome]]"]:
    """Waits for the next results."""
    while not (done := wait(running, LISTEN, FIRST_COMPLETED).done):
        if not multiprocessing.active_children():
            raise BrokenProcessPool("the pool misses deaths while it starts (Python 3.11)")
    return done


def _result(future: "Future[list[Outcome]]", task: Task, raw: Raw) -> list[Outcome]:
    try:
        return future.result()
    except MemoryError as error:
        raise _short_of_memory(task, raw) from error


def _short_of_memory(task: Task, raw: Raw) -> UserError:
    file = raw.records[task.start].file
    return UserError(f"memory ran out while decoding {file!r} and those after it: close other programs, then run again")


def _ended(starts: Sequence[int], raw: Raw) -> UserError:
    """The tasks that were handed out first are the ones that were being worked on."""
    files = ", ".join(repr(raw.records[start].file) for start in starts[:FILES_NAMED])
    return UserError(
        f"a process that decodes pictures was ended by the system, as when memory runs out, or crashed on a picture "
        f"among the {CHUNK} from {files} on. Close other programs, or look at those pictures, then run again"
    )


def _with_pictures(task: Task, raw: Raw) -> Task:
    return replace(task, pictures=raw.pictures.part(task.start, task.stop)) if raw.pictures else task


_opened: dict[Path, Raw] = {}


def _in_worker(task: Task) -> list[Outcome]:
    if task.pictures:
        with task.pictures.opened() as pixels_of:
            return _decode_rows(task, pixels_of, task.start)
    if task.raw not in _opened:
        _opened[task.raw] = open_raw(task.raw)
    return _decode_rows(task, _opened[task.raw].pixels)


def _decode_rows(task: Task, pixels_of: Callable[[int], Pixels], first: int = 0) -> list[Outcome]:
    """Decodes the rows of a task; `first` is the row that `pixels_of` calls 0."""
    scratch: NDArray[np.uint8] = np.load(task.scratch, mmap_mode="r+", allow_pickle=False)
    outcomes: list[Outcome] = []
    for row in range(task.start, task.stop):
        try:
            pixels = pixels_of(row - first)
        except Unreadable as error:
            outcomes.append(Outcome(None, str(error)))
            continue
        scratch[row] = fit(pixels, task.size, task.channels)
        alike = perceptual_hash(pixels) if task.perceptual else None
        outcomes.append(Outcome(pixel_hash(pixels), perceptual=alike))
    return outcomes
