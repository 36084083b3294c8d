"""Any number of picture files, decoded and resized as `split` does, in their order and in bounded memory."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.decode import Pixels, Unreadable, decode, fit
from pipeline.errors import UserError

CHUNK = 16  # files a process gets at once
AHEAD = 4  # chunks waiting per process
# From here on more processes pay: they need a second to start, in which one reads that much.
MANY_FILES, MANY_BYTES = 5_000, 1 << 26
MOST_BYTES = 1 << 30  # of one file; more than `decode` takes in any format without waste
LISTEN = 5.0  # seconds between looks whether the processes live


@dataclass(frozen=True)
class Picture:
    """One file as the model takes it, or the reason why not."""

    file: str
    pixels: Pixels | None  # uint8 (height, width, channels)
    reason: str = ""
    thumbnail: Pixels | None = None  # uint8 (height, width, 3), with the sides of the original


@dataclass(frozen=True)
class Form:
    """What pictures are brought to: the input of a model. Thumbnails have at most so many pixels a side; 0 is none."""

    size: tuple[int, int]  # height, width
    channels: int
    thumbnail: int = 0


def pictures(files: Sequence[str], form: Callable[[], Form], workers: int | None = None) -> Iterator[Picture]:
    """Reads files in their order; `form` is asked again for each few of them.

    Args:
        workers: processes that decode; None: as many as pay.

    Raises:
        UserError: a process that decodes was ended by the system.
    """
    chunks = (files[start : start + CHUNK] for start in range(0, len(files), CHUNK))
    if (workers or (_cores() if _are_many(files) else 1)) == 1:
        for chunk in chunks:
            yield from _read_all(chunk, form())
    else:
        yield from _together(chunks, form, workers or _cores())


def _are_many(files: Sequence[str]) -> bool:
    if len(files) <= CHUNK:
        return False
    return len(files) > MANY_FILES or sum(map(_size, files)) > MANY_BYTES


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except OSError:  # said when it is read
        return 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _together(chunks: Iterator[Sequence[str]], form: Callable[[], Form], workers: int) -> Iterator[Picture]:
    """Processes, since threads would share warning filters and the standard error that `decode` turns off."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts)
    waiting: deque[tuple[Sequence[str], Future[list[Picture]]]] = deque()
    try:
        while True:
            while len(waiting) < AHEAD * workers and (chunk := next(chunks, None)):
                waiting.append((chunk, pool.submit(_read_all, chunk, form())))
            if not waiting:
                return
            yield from _result(waiting[0][1])
            waiting.popleft()
    except BrokenProcessPool as error:
        files = ", ".join(chunk[0] for chunk, _ in list(waiting)[:workers])
        raise UserError(
            "a process that decodes pictures was ended by the system, as when memory runs out, or crashed on a picture "
            f"among the {CHUNK} from {files} on. Close other programs, or look at those pictures, then run again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the first one tells the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _result(future: "Future[list[Picture]]") -> list[Picture]:
    while not wait([future], LISTEN).done:
        if not multiprocessing.active_children():
            raise BrokenProcessPool("the pool misses deaths while it starts (Python 3.11)")
    return future.result()


def _read_all(files: Sequence[str], form: Form) -> list[Picture]:
    return [_read(file, form) for file in files]


def _read(file: str, form: Form) -> Picture:
    try:
        with open(file, "rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_size > MOST_BYTES:
                return Picture(file, None, f"larger than {MOST_BYTES >> 20:,} MiB")
            pixels = decode(stream.read())
        return Picture(file, fit(pixels, form.size, form.channels), thumbnail=_thumbnail(pixels, form.thumbnail))
    except Unreadable as error:
        return Picture(file, None, str(error))
    except OSError as error:
        return Picture(file, None, error.strerror or str(error))
    except MemoryError:
        return Picture(file, None, "memory ran out")


def _thumbnail(pixels: Pixels, side: int) -> Pixels | None:
    if not side:
        return None
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture)
