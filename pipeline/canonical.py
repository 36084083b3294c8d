"""A `.keras` file whose bytes depend on nothing but the model: no save date, zip times or addresses.

Labels and params travel inside as `reprolens.json`; Keras passes over members it does not know.
"""

import json
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.files import replacing

if TYPE_CHECKING:
    import keras

NOTE = "reprolens.json"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
SHARED = "shared_object_id"
SAVED_DATE = "2000-01-01@00:00:00"
# What Keras raises for a file that was cut, changed, or written by another program.
BROKEN = (
    *(ValueError, TypeError, LookupError, AttributeError, RuntimeError, OSError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)


def save(model: "keras.Model", target: Path, note: dict[str, Any]) -> None:
    """Saves an uncompiled model; equal weights, layers and `note` are equal bytes."""
    with tempfile.TemporaryDirectory() as folder, replacing(target) as beside:
        plain = Path(folder) / "model.keras"
        model.save(plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as copy:
            for name in sorted(source.namelist()):
                copy.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), _canonical(name, source.read(name)))
            copy.writestr(zipfile.ZipInfo(NOTE, ZIP_EPOCH), json.dumps(note, indent=1, sort_keys=True))


def load(path: Path) -> tuple["keras.Model", dict[str, Any]]:
    """The model and its note.

    Raises:
        UserError: no such file, or not a model of this project.
    """
    import keras

    try:
        with zipfile.ZipFile(path) as archive:
            note: dict[str, Any] = json.loads(archive.read(NOTE))
    except (FileNotFoundError, zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{path} is missing or was not made by this pipeline: run `dvc repro`") from error
    return keras.saving.load_model(path, compile=False), note


def _canonical(name: str, content: bytes) -> bytes:
    if name == "metadata.json":
        return json.dumps(json.loads(content) | {"date_saved": SAVED_DATE}, sort_keys=True).encode()
    if name == "config.json":
        return json.dumps(_renumbered(json.loads(content), {}), sort_keys=True).encode()
    return content


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """Keras marks shared objects by their address in memory; here they are counted as they come."""
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(item, len(numbers) + 1) if key == SHARED else _renumbered(item, numbers)
        for key, item in sorted(value.items())
    }
