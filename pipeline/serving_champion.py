"""The champion that answers: found in the registry, replaced by a new one between two requests."""

import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import classifier, registry, serving_batches, tracked_model
from pipeline.classifier import Classifier
from pipeline.errors import UserError, one_line
from pipeline.registry import MODEL_TAG, Version
from pipeline.runs import KEY_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Serving:
    """A champion, opened: its version and what answers."""

    version: Version
    classifier: Classifier

    def about(self) -> dict[str, object]:
        """What a person or a program wants to know of it."""
        tags = self.version.tags
        return {
            "name": self.version.name,
            "version": self.version.number,
            "run": self.version.run_id,
            "run_key": tags.get(KEY_TAG, ""),
            "md5": tags.get(MODEL_TAG, ""),
            "labels": self.classifier.labels,
            "size": list(self.classifier.size),
            "channels": self.classifier.channels,
        }


def opened(client: "MlflowClient", version: Version) -> Serving:
    """Fetches a version, opens it, and has it answer once, so that no request waits for its compilation.

    Raises:
        UserError: its model is gone, broken or of another program, or the registry is away.
    """
    with registry.answering(), tempfile.TemporaryDirectory() as folder:
        file = tracked_model.download(client, version.address, Path(folder))
        found = classifier.load(file, version.address)
    blank = np.zeros((*found.size, found.channels), np.uint8)
    for exponent in range(found.batch.bit_length()):
        serving_batches.likelihoods(found, [blank] * (1 << exponent))
    return Serving(version, found)


def find(client: "MlflowClient", name: str) -> Version:
    """The champion.

    Raises:
        UserError: there is none, or the registry is away.
    """
    with registry.answering():
        found = registry.champion(client, name)
    if found is None:
        raise UserError(f"model {name} has no champion to serve: `reprolens promote` makes one of a run")
    return found


class Champion:
    """Who serves now; a thread asks the registry for a new champion.

    What goes wrong there costs one line on standard error, and the one that serves goes on.
    """

    def __init__(
        self, client: "MlflowClient", name: str, every: float, say: Callable[[str], None] | None = None
    ) -> None:
        self._client, self._name, self._every = client, name, every
        self._say = say or _on_standard_error
        self._said = ""
        self._ended = threading.Event()
        self.now = opened(client, find(client, name))
        self._thread = threading.Thread(target=self._watch, name="champion", daemon=True)

    def __enter__(self) -> "Champion":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """Takes over a new champion, if there is one."""
        try:
            version = find(self._client, self._name)
            if (version.number, version.created) == (self.now.version.number, self.now.version.created):
                self._said = ""
                return
            self.now = opened(self._client, version)
        except UserError as error:
            self._once(f"version {self.now.version.number} goes on serving: {one_line(error)}")
            return
        self._said = ""
        self._say(f"version {version.number} of {version.name} serves now")

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self.look()

    def _once(self, line: str) -> None:
        if line != self._said:
            self._say(line)
        self._said = line


def _on_standard_error(line: str) -> None:
    print(f"serve: {line}", file=sys.stderr, flush=True)
