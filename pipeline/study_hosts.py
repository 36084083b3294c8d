"""SQLite holds a study for one host only: refuses it where several could meet in the same file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.patient_storage import PatientStorage

# Not among them: 9p and virtiofs, which tie a guest system to its own host.
NETWORK = {
    *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "afpfs", "webdav", "davfs", "lustre"),
    *("ceph", "glusterfs", "beegfs", "gpfs", "ocfs2", "gfs2", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph"),
    *("fuse.davfs2", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.smbnetfs", "fuse.juicefs"),
}


class Partition(Protocol):
    """What is read of an entry of `psutil.disk_partitions`."""

    @property
    def mountpoint(self) -> str: ...
    @property
    def fstype(self) -> str: ...


def refuse_network_file(file: Path, partitions: Sequence[Partition] | None = None) -> None:
    """Refuses a SQLite file on a network file system.

    Raises:
        UserError: the innermost of `partitions` (None: of this host) that holds the file is one.
    """
    place = file.resolve()
    everything = psutil.disk_partitions(all=True) if partitions is None else partitions
    mounts = [partition for partition in everything if place.is_relative_to(partition.mountpoint)]
    # Of two mounts at one point the later hides the earlier.
    innermost = max(reversed(mounts), key=lambda mount: len(Path(mount.mountpoint).parts), default=None)
    if innermost and innermost.fstype.lower() in NETWORK:
        raise UserError(
            f"{file} lies on a network file system ({innermost.fstype} at {innermost.mountpoint}), where SQLite's "
            "locks do not hold and hosts would spoil each other's study: give --storage postgresql://... instead"
        )


def refuse_other_hosts(storage: "PatientStorage", study: str, host: str) -> None:
    """Refuses a SQLite study that another host works on; with PostgreSQL, hosts are welcome.

    Raises:
        UserError: a running trial has another `host` than this one, and its heart still beats.
    """
    from optuna.trial import TrialState

    if storage.engine.name != "sqlite":
        return
    study_id = storage.get_study_id_from_name(study)
    dead = storage._get_stale_trial_ids(study_id)
    for trial in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,)):
        other = trial.user_attrs.get("host", host)
        if other != host and trial._trial_id not in dead:
            raise UserError(
                f"study {study!r}: host {other!r} runs trial {trial.number} in the same SQLite file, whose locks do "
                "not hold between hosts: give --storage postgresql://... on both. If that host is dead, wait "
                f"{storage.grace_period} s and run again"
            )
