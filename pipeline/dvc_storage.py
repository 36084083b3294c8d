"""Where DVC keeps what it made, as this checkout has it set up: its cache and its remotes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError, one_line

FOLDER = Path(".dvc")


@dataclass(frozen=True)
class Storage:
    """The cache's folder, the settings of every remote, and the name of the one that is taken ("": none)."""

    cache: Path
    remotes: Mapping[str, Mapping[str, Any]]
    default: str

    def place(self, md5: str) -> Path:
        """Where the cache has the file, or the list of the files of a folder (`....dir`), of that hash."""
        return self.cache / "files" / "md5" / md5[:2] / md5[2:]

    def has(self, md5: str) -> bool:
        """Whether it is in the cache."""
        return self.place(md5).is_file()


def storage() -> Storage:
    """Of this checkout, with what the user and the system have set for all.

    Raises:
        UserError: DVC's settings are broken.
    """
    config = _config(FOLDER)
    remotes = {name: {key: _plain(value) for key, value in remote.items()} for name, remote in config["remote"].items()}
    cache = Path(config["cache"].get("dir") or FOLDER / "cache").absolute()
    return Storage(cache, remotes, str(config["core"].get("remote") or ""))


def lend_remotes(storage: Storage, folder: Path) -> None:
    """Lets the DVC repository `folder` use these remotes, and a cache of its own; it need not know git."""
    from dvc.config import ConfigError

    try:
        with _config(folder / FOLDER).edit("local") as local:
            local["remote"] = {name: dict(remote) for name, remote in storage.remotes.items()}
            local["core"] |= {"no_scm": True} | ({"remote": storage.default} if storage.default else {})
    except ConfigError as error:
        raise UserError(f"the remotes of {FOLDER}/config cannot be used: {one_line(error)}") from error


def _config(folder: Path) -> Any:
    from dvc.config import Config, ConfigError

    try:
        return Config(str(folder.absolute()))
    except ConfigError as error:
        raise UserError(f"DVC's settings in {folder} are broken: {one_line(error)}. Mend them there") from error


def _plain(value: Any) -> Any:
    """A path as the absolute one it stands for: DVC would write it relative to another folder."""
    return str(value) if isinstance(value, str) else value
