"""Ctrl-C and SIGTERM at a moment that suits."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held() -> Iterator[None]:
    """Lets the first Ctrl-C or SIGTERM wait until the block ends; a second one is not kept waiting.

    Signals that are ignored, or that end the process without a handler, stay so. In a thread other than the main one,
    where Python runs no handlers, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[signal.Signals] = []

    def wait(number: int, frame: FrameType | None) -> None:
        if waiting:
            before[signal.Signals(number)](number, frame)
        waiting.append(signal.Signals(number))

    before = {number: handler for number in HELD if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if waiting:
            before[waiting[0]](waiting[0], None)
