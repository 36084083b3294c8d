"""Whether DVC's remote answers."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.checkup import Line
from pipeline.dvc_storage import Storage
from pipeline.trouble import shown

NAME = "dvc remote"
PATIENCE = 10.0  # seconds, two of which DVC takes to start


def look_at(storage: Storage) -> Line:
    """The remote that `dvc push` and `dvc pull` take."""
    if not storage.remotes:
        return Line("warn", NAME, "none: data and models are on this machine alone", "`dvc remote add -d NAME URL`")
    if not storage.default:
        names = ", ".join(storage.remotes)
        return Line("warn", NAME, f"none is the default one of {names}", f"`dvc remote default {names.split(',')[0]}`")
    address = str(storage.remotes.get(storage.default, {}).get("url", ""))
    said = f"{storage.default} at {address}"
    if not address:
        return Line("bad", NAME, f"{storage.default} is not set up", f"`dvc remote add -d {storage.default} URL`")
    if "://" not in address:
        return _folder(Path(address), said)
    problem = _asked(storage.default)
    return (
        Line("bad", NAME, f"{said} does not answer ({problem})", "mend its address or access")
        if problem
        else Line("ok", NAME, said)
    )


def _folder(folder: Path, said: str) -> Line:
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(place, os.W_OK):
        return Line("bad", NAME, f"{said} cannot be written", "mend its permissions, or mount it")
    if place != folder:
        return Line("warn", NAME, f"{said} is not there yet", "`dvc push` makes it; is a disk to be mounted there?")
    return Line("ok", NAME, said)


def _asked(name: str) -> str:
    """What is wrong with a remote on a server; empty: nothing.

    Asked by a process of its own: each kind of server fails with errors of its own, and some never answer.
    """
    command = [sys.executable, "-m", "pipeline.remote_health", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE:g} s"
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return "" if done.returncode == 0 else shown(last)


def main(name: str) -> None:
    """Asks a remote for its own folder; raises whatever that fails with."""
    from dvc.repo import Repo

    with Repo() as repo:
        remote = repo.cloud.get_remote_odb(name)
        remote.fs.exists(remote.path)


if __name__ == "__main__":
    main(sys.argv[1])
