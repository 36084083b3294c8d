"""The workers of a study on a Ray cluster, each a task that Ray begins anew elsewhere where its node is lost."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline import ray_node
from pipeline.errors import UserError, one_line
from pipeline.progress import say

FORMS = "give ray (RAY_ADDRESS, or a cluster of this machine alone) or ray://HOST:PORT"
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: Ray's servers take 127.0.0.1, as they do by default on these
ANSWERS = 10.0  # seconds
TRIES = 3  # to connect to a cluster that is too busy to answer in the time that Ray gives it
LEAVES = ray_node.LEAVES + 15.0  # seconds until workers that are told to end are left alone


@dataclass(frozen=True)
class Share:
    """What one worker takes of a cluster, and how often it begins anew if its node is lost."""

    cpus: float
    gpus: float
    retries: int


@contextmanager
def connected(on: str) -> Iterator[None]:
    """A connection to a cluster; `ray` without RAY_ADDRESS starts one on loopback, which ends with this process.

    Raises:
        UserError: it cannot be reached, is of another version, or Ray is not installed.
    """
    address = _parse(on)
    if address == "local":
        os.environ.setdefault(LOOPBACK, "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UserError("--on ray: Ray is not installed: `make ray` does it") from None
    try:
        _reach(address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"--on {on}: {_told(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str | None) -> None:
    import ray

    for left in reversed(range(TRIES)):
        try:
            ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            return
        except ConnectionAbortedError:  # the cluster answered, but did not get its end of the connection ready
            if not left:
                raise
            ray.shutdown()


def _parse(on: str) -> str | None:
    """What `ray.init` takes; one that nothing answers at is told without Ray's own patience."""
    if on == "ray":
        return None if os.environ.get("RAY_ADDRESS") else "local"
    try:
        parts = urlsplit(on)
        place = (parts.hostname, parts.port)
    except ValueError:
        place = (None, None)
    host, port = place
    if not on.startswith("ray://") or not host or not port:
        raise UserError(f"--on {on}: this is no address of a Ray cluster: {FORMS}")
    try:
        socket.create_connection((host, port), ANSWERS).close()
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise UserError(
            f"--on {on}: nothing answers there ({reason}): check that the cluster runs, and that its Ray client server "
            "listens at this port"
        ) from error
    return on


class RayWorkers:
    """Runs workers until they find nothing more to do; the same calls as `tuning.Workers`.

    Args:
        bundle: the tar that `cluster_bundle.pack` wrote.
        digest: of it.
        words: arguments of `cluster_worker`.
        environment: variables for the workers alone.
    """

    def __init__(
        self, bundle: Path, digest: str, words: list[str], environment: Mapping[str, str], share: Share
    ) -> None:
        self.bundle, self.digest, self.words, self.environment = bundle, digest, words, dict(environment)
        self.share = share
        self.error: BaseException | None = None
        self.exhausted = 0
        self.tasks: list[Any] = []
        self.num_left = 0  # workers that were not lost

    def start(self, num_workers: int) -> None:
        """Sends the bundle and the workers; those for whom there is no room yet wait for it."""
        import numpy as np
        import ray
        from ray import cloudpickle

        cloudpickle.register_pickle_by_value(ray_node)  # type: ignore[no-untyped-call]
        self._warn_of_small_nodes(ray.nodes())  # type: ignore[no-untyped-call]
        share = self.share
        task = ray.remote(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=share.retries)(ray_node.work)
        sent = ray.put(np.memmap(self.bundle, np.uint8, "r").view(np.ndarray))
        self.num_left = num_workers
        self.tasks = [task.remote(sent, self.digest, self.words, self.environment) for _ in range(num_workers)]

    def _warn_of_small_nodes(self, nodes: list[dict[str, Any]]) -> None:
        wanted = {"CPU": self.share.cpus, "GPU": self.share.gpus}
        there = [node["Resources"] for node in nodes if node["Alive"]]
        if not any(all(node.get(name, 0) >= count for name, count in wanted.items()) for node in there):
            have = "; ".join(f"{node.get('CPU', 0):g} and {node.get('GPU', 0):g}" for node in there)
            say(
                f"tune: no node has the {self.share.cpus:g} CPUs and {self.share.gpus:g} GPUs of a worker (they have "
                f"{have}): waiting for one; --cpus and --gpus say how many it takes"
            )

    def busy(self) -> bool:
        """Whether any worker is at it, or waits for room."""
        import ray

        if self.tasks:
            done, self.tasks = ray.wait(self.tasks, num_returns=len(self.tasks), timeout=0)
            for task in done:
                self._note(task)
        return bool(self.tasks) and not self.error

    def _note(self, task: Any) -> None:
        import ray

        try:
            code, said, complaint = ray.get(task)
        except ray.exceptions.RayError as error:
            reason = _told(getattr(error, "cause", None) or error)  # the cause: what a task raised
            self._lost(reason)
            return
        if code:
            reason = complaint.removeprefix("cluster_worker: error: ") or f"exit code {code}"
            self.error = self.error or UserError(f"a worker on the cluster: {reason}")
        else:
            self.exhausted = max(self.exhausted, int(said))

    def _lost(self, reason: str) -> None:
        """One worker fewer; the last one ends the study."""
        self.num_left -= 1
        if self.num_left:
            say(f"tune: a worker on the cluster was lost ({reason}); {self.num_left} go on")
        else:
            self.error = self.error or UserError(f"all workers on the cluster were lost, the last one: {reason}")

    def stop(self) -> None:
        """Tells all workers to end, and waits until their trials are queued again."""
        import ray

        for task in self.tasks:
            ray.cancel(task)
        if self.tasks:
            ray.wait(self.tasks, num_returns=len(self.tasks), timeout=LEAVES)
        self.tasks = []


def _told(error: BaseException) -> str:
    """In one line; of a traceback that the cluster sends, its last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if any(line.startswith("Traceback") for line in lines) else lines[0]
