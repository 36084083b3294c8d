"""Pictures of many requests, answered together: one thread calls the network, and takes all that wait at once."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.classifier import Classifier
from pipeline.decode import Pixels

Likelihoods = NDArray[np.float32]


class Full(Exception):
    """As many pictures wait as may."""


@dataclass
class _Asked:
    """The pictures of one request, all for the same classifier."""

    classifier: Classifier
    pixels: Sequence[Pixels]
    future: "Future[Likelihoods]" = field(default_factory=Future)


class Batches:
    """Answers pictures in a thread of its own.

    Args:
        most_waiting: pictures that may wait; more are refused, so that memory and waiting stay bounded.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most, self._closed = most_waiting, False
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def ask(self, classifier: Classifier, pixels: Sequence[Pixels]) -> "Future[Likelihoods]":
        """Hands in the pictures of one request; the future holds their likelihoods, (count, classes).

        Raises:
            Full: too many wait already.
        """
        asked = _Asked(classifier, pixels)
        with self._changed:
            if self._waiting and sum(len(each.pixels) for each in self._waiting) + len(pixels) > self._most:
                raise Full
            self._waiting.append(asked)
            self._changed.notify()
        return asked.future

    def close(self) -> None:
        """Answers what waits, then ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while together := self._taken():
            _answer([asked for asked in together if asked.future.set_running_or_notify_cancel()])

    def _taken(self) -> list[_Asked]:
        """One request, and those after it for the same classifier that fit into its batch; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            together: list[_Asked] = []
            room = self._waiting[0].classifier.batch if self._waiting else 0
            while self._waiting and (not together or self._fits(together[0], room)):
                together.append(self._waiting.popleft())
                room -= len(together[-1].pixels)
            return together

    def _fits(self, first: _Asked, room: int) -> bool:
        following = self._waiting[0]
        return following.classifier is first.classifier and len(following.pixels) <= room


def _answer(group: Sequence[_Asked]) -> None:
    if not group:  # whoever asked has gone
        return
    try:
        rows = likelihoods(group[0].classifier, [one for asked in group for one in asked.pixels])
    except Exception as error:  # whatever it is, those who asked are told, and the next ones are answered
        for asked in group:
            asked.future.set_exception(error)
        return
    for asked in group:
        count = len(asked.pixels)
        asked.future.set_result(rows[:count])
        rows = rows[count:]


def likelihoods(classifier: Classifier, pixels: Sequence[Pixels]) -> Likelihoods:
    """As `Classifier.likelihoods`, of any number of pictures and to about 1e-7, but without filling up whole batches.

    Batches are filled up to a power of two, so that the network is compiled for few shapes.
    """
    found = []
    for start in range(0, len(pixels), classifier.batch):
        some = np.stack(pixels[start : start + classifier.batch])
        blank = np.zeros(((1 << (len(some) - 1).bit_length()) - len(some), *some.shape[1:]), np.uint8)
        found.append(classifier.model.predict_on_batch(np.concatenate([some, blank]))[: len(some)])
    return np.concatenate(found)
