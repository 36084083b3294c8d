"""What a node of a Ray cluster does for a study: unpacks what workers need, once, and runs one in a process of its own.

Ray is sent this file by value, so that a node needs the locked packages but not this project: it imports nothing of it.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

LOOKS = 0.2  # seconds between two looks at a worker
LEAVES = 30.0  # seconds that a worker gets to queue its trial again


def work(bundle: Any, digest: str, words: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """Runs a worker to its end; its exit code, what it printed, and the last line of what it complained of.

    Args:
        bundle: uint8 (bytes,), a tar; every node has it once, in Ray's memory.
        digest: of its bytes.
        words: the worker's arguments.
        environment: variables for it alone.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ray cancels by it; a shell's background jobs ignore it
    with at_hand(bundle, digest) as folder, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        code = _run(folder, words, environment, said, complaints)
        lines = [_text(stream).strip() for stream in (said, complaints)]
    return code, lines[0], lines[1].splitlines()[-1] if lines[1] else ""


@contextlib.contextmanager
def at_hand(bundle: Any, digest: str) -> Iterator[Path]:
    """The bundle unpacked: by the first worker of a node, removed by the last one.

    A killed worker lets go of its locks; what it leaves is used, and in the end removed, by the next one.
    """
    base = Path(tempfile.gettempdir()) / f"reprolens-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid() or base.is_symlink():
        raise PermissionError(f"{base} belongs to somebody else")
    folder = base / f"{digest[:20]}-{_node()[:8]}"
    with (base / f"{folder.name}.users").open("w") as users, (base / f"{folder.name}.unpacks").open("w") as unpacks:
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(unpacks, fcntl.LOCK_EX)
        if not folder.exists():
            _unpack(bundle, folder)
        fcntl.flock(unpacks, fcntl.LOCK_UN)
        try:
            yield folder
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _unpack(bundle: Any, folder: Path) -> None:
    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    with tempfile.TemporaryFile(dir=folder.parent) as file:
        file.write(memoryview(bundle))
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            tar.extractall(beside, filter="data")
    beside.rename(folder)


def _run(folder: Path, words: list[str], environment: dict[str, str], said: IO[bytes], complaints: IO[bytes]) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cluster_worker", *words],
        cwd=folder,
        env={**os.environ, **environment, "PYTHONPATH": str(folder), "DVC_ROOT": str(folder)},
        stdin=subprocess.PIPE,
        stdout=said,
        stderr=complaints,
        start_new_session=True,
    )
    try:
        while process.poll() is None:  # no `wait`: Ray's way to cancel this is seen between two lines of Python alone
            time.sleep(LOOKS)
        return process.returncode
    finally:  # also where Ray cancels this: a worker whose standard input closes ends tidily
        assert process.stdin
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LEAVES)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
