"""Facts about this machine and its installed packages."""

import getpass
import os
import platform
import socket
from importlib import metadata

import psutil

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "scikit-learn", "mlflow", "dvc", "optuna", "pillow")


def versions() -> dict[str, str]:
    """Python and the packages that matter for a result, as installed (the lock forks by Python version)."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cpu() -> str:
    """The processor's name and the widest vector instructions it offers, as far as the system tells."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            facts = dict(line.split(":", 1) for line in lines if ":" in line)
        facts = {key.strip(): value.strip() for key, value in facts.items()}
        name, flags = facts.get("model name", name), facts.get("flags", "")
    except OSError:
        pass
    widest = next((isa for isa in ("avx512f", "avx2", "avx", "sse4_2") if isa in flags.split()), platform.machine())
    return f"{name} ({widest}, {os.cpu_count()} cores)"


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def process_mark(pid: int | None = None) -> str:
    """This process, or another one, told apart from a later one with the same number by the time it started."""
    process = psutil.Process(pid)
    return f"{process.pid}@{process.create_time():.2f}"


def process_lives(mark: str) -> bool:
    """Whether the process that gave this `process_mark` still runs."""
    pid, _, began = mark.partition("@")
    if not pid.isdecimal() or not psutil.pid_exists(int(pid)):
        return False
    try:
        process = psutil.Process(int(pid))
        return process.status() != psutil.STATUS_ZOMBIE and f"{process.create_time():.2f}" == began
    except psutil.Error:
        return False


def user() -> str:
    """Who runs this; "unknown" where the system has no name for them, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
