"""Starts a process that waits for this one to end, and acts if it vanishes without a word; and lets it go."""

import subprocess
import sys


def start(module: str, *words: str) -> "subprocess.Popen[bytes]":
    """Runs a module in a session of its own, with a pipe from this process on its standard input."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def dismiss(watcher: "subprocess.Popen[bytes]") -> None:
    """Tells a watcher that all is well, and waits for it to end."""
    assert watcher.stdin is not None
    try:
        watcher.stdin.write(b"done")
        watcher.stdin.close()
    except BrokenPipeError:  # it was killed; nothing is lost
        pass
    watcher.wait()
