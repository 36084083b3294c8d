"""Decodes all raw images once, on all cores, into one scratch array; memory stays bounded."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.decode import Unreadable, fit, pixel_hash
from pipeline.params import Image
from pipeline.progress import progress_bar
from pipeline.raw import Raw, open_raw

CHUNK = 64  # images per task
ALONE_BELOW = 4 * CHUNK  # starting processes costs more than so few pictures

Outcome = tuple[str | None, str]
"""Pixel hash and "", or None and the reason why a file is unreadable."""


@dataclass(frozen=True)
class Task:
    """Images `start` to `stop` of the raw tar, to be written to the same rows of the scratch array."""

    raw: Path
    scratch: Path
    params: Image
    start: int
    stop: int


def decode_all(raw_path: Path, raw: Raw, scratch: Path, params: Image, workers: int | None = None) -> list[Outcome]:
    """Writes every image, resized, to the uint8 array `scratch` (count, height, width, channels).

    Returns:
        One outcome per record, in order. Rows of unreadable files stay zero.
    """
    count = len(raw.records)
    shape = (count, *params.size, params.channels)
    np.lib.format.open_memmap(scratch, mode="w+", dtype=np.uint8, shape=shape).flush()
    tasks = [Task(raw_path, scratch, params, start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    workers = workers or _cores()
    outcomes: list[Outcome] = [(None, "")] * count
    with progress_bar("decoding", count, "images") as advance:
        done = _alone(tasks, raw) if count < ALONE_BELOW or workers == 1 else _together(tasks, workers)
        for task, results in done:
            outcomes[task.start : task.stop] = results
            advance(len(results))
    return outcomes


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _alone(tasks: list[Task], raw: Raw) -> Iterator[tuple[Task, list[Outcome]]]:
    for task in tasks:
        yield task, _decode_rows(task, raw)


def _together(tasks: list[Task], workers: int) -> Iterator[tuple[Task, list[Outcome]]]:
    """Hands out tasks so that no more than a few wait at any time."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running: dict[Future[list[Outcome]], Task] = {}
        left = iter(tasks)
        while True:
            while len(running) < 4 * workers and (task := next(left, None)):
                running[pool.submit(_in_worker, task)] = task
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


_opened: dict[Path, Raw] = {}


def _in_worker(task: Task) -> list[Outcome]:
    if task.raw not in _opened:
        _opened[task.raw] = open_raw(task.raw)
    return _decode_rows(task, _opened[task.raw])


def _decode_rows(task: Task, raw: Raw) -> list[Outcome]:
    scratch: NDArray[np.uint8] = np.load(task.scratch, mmap_mode="r+", allow_pickle=False)
    outcomes: list[Outcome] = []
    for row in range(task.start, task.stop):
        try:
            pixels = raw.pixels(row)
        except Unreadable as error:
            outcomes.append((None, str(error)))
            continue
        scratch[row] = fit(pixels, task.params.size, task.params.channels)
        outcomes.append((pixel_hash(pixels), ""))
    return outcomes
