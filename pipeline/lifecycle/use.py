"""`reprolens use`: writes a preset into `params.yaml`, so that what is in that file is what runs."""

import difflib
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import params_file, paths, start_weights
from pipeline.backbone_params import IMAGENET, NONE
from pipeline.errors import UserError, os_errors
from pipeline.files import at_home, write_text
from pipeline.progress import say
from pipeline.remote import is_remote

BASE = "base"
NOTHING_TO_WATCH = "pipeline/sources.py"  # a data set with checksums changes only with the code that fetches it
SETTLES = 0.5  # seconds in which any DVC has written a file of a few lines
AS_IT_STANDS = (
    "backbone.weights",
    "backbone.sha256",
    "backbone.mirror",
    "dataset.path",
    "dataset.sha256",
    "dataset.mirror",
    "dataset.watch",
)


def presets(folder: Path) -> list[str]:
    """The names one can use."""
    return sorted(file.stem for file in folder.glob("*.yaml") if file.stem != BASE)


def compose(folder: Path, name: str, overrides: Sequence[str]) -> str:
    """The text of `params.yaml`: base, overlay and `key=value` overrides, comments and order of base kept.

    Raises:
        UserError: no such preset or key, a bad value, or a data folder that is not there.
    """
    from ruamel.yaml import YAML

    if name not in presets(folder):
        close = difflib.get_close_matches(name, presets(folder), n=1)
        hint = f"did you mean `{close[0]}`? There are" if close else "there are"
        raise UserError(f"no preset `{name}`: {hint} {', '.join(presets(folder))}")
    yaml = YAML()
    yaml.width = 120
    values = yaml.load((folder / f"{BASE}.yaml").read_text(encoding="utf-8"))
    merge(values, params_file.flatten(params_file.read_yaml(folder / f"{name}.yaml")))
    merge(values, _parse(overrides))
    _watch(values)
    _pin(values["backbone"])
    params_file.parse(plain(values), f"preset {name}")
    text = io.StringIO()
    yaml.dump(values, text)
    return text.getvalue()


def use(name: str, overrides: Sequence[str]) -> str:
    """Writes `params.yaml` and returns the difference to what it was."""
    text = compose(paths.PRESETS, name, overrides)
    with os_errors("cannot write params.yaml", paths.PARAMS):
        before = paths.PARAMS.read_text(encoding="utf-8", errors="replace") if paths.PARAMS.exists() else ""
        write_text(paths.PARAMS, text)
    lines = difflib.unified_diff(before.splitlines(), text.splitlines(), "before", "params.yaml", n=0, lineterm="")
    return "\n".join(lines)


def check() -> None:
    """Checks `params.yaml` and that the data it names is there; mends what a killed DVC may have left.

    Raises:
        UserError: the first thing that is wrong.
    """
    _mend_dvc(paths.DVC_LOCKS)
    params = params_file.load(paths.PARAMS)
    if not is_remote(params.dataset.watch):
        _must_exist(params.dataset.watch)


def _mend_dvc(locks: Path) -> None:
    """Removes DVC's list of who reads and writes what if it is cut off.

    DVC empties the file before it writes it anew, and refuses to run on one that a kill or a full disk left empty.
    """
    if _is_cut_off(locks):
        time.sleep(SETTLES)  # it may be written right now
        if _is_cut_off(locks):
            locks.unlink(missing_ok=True)
            say(f"removed {locks}, which DVC was writing when it was killed or the disk was full")


def _is_cut_off(file: Path) -> bool:
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def _parse(overrides: Sequence[str]) -> dict[str, Any]:
    from ruamel.yaml import YAML, YAMLError

    values: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"{override!r} is not key=value, as in train.epochs=5")
        try:
            # A path is taken as it stands: YAML reads `~`, `a: b`, `a #1` and quotes as something else.
            as_it_stands = not text or key in AS_IT_STANDS
            values[key] = text if as_it_stands else YAML(typ="safe").load(text)
        except YAMLError as error:
            raise UserError(f"{key}: {text!r} is not a value") from error
    return values


def merge(values: Any, changes: dict[str, Any]) -> None:
    """Sets dotted names in what ruamel has loaded, in place."""
    for name, value in changes.items():
        section, _, key = name.partition(".")
        if key not in values.get(section, {}):
            raise UserError(params_file.unknown_key(name))
        values[section][key] = _like(values[section][key], value)


def _like(before: Any, value: Any) -> Any:
    """A whole number where a broken one stands is meant as such; lists stay on one line."""
    if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        from ruamel.yaml.comments import CommentedSeq

        sequence = CommentedSeq(value)
        sequence.fa.set_flow_style()
        return sequence
    return value


def _watch(values: Any) -> None:
    dataset = values["dataset"]
    if is_remote(str(dataset["path"])) and dataset["watch"] == dataset["path"]:
        return  # wanted so: DVC asks the server for changes at every `dvc repro`
    if dataset["name"] != "folder" or is_remote(str(dataset["path"])):
        dataset["watch"] = NOTHING_TO_WATCH
        return
    dataset["path"] = str(at_home(str(dataset["path"]), "dataset.path")) if dataset["path"] else ""
    dataset["watch"] = dataset["path"]
    if dataset["path"]:
        _must_exist(dataset["path"])


def _pin(backbone: Any) -> None:
    """Weights are a file or a model of today, whatever lies there or is called so tomorrow."""
    if backbone["weights"] not in ("", NONE, IMAGENET):
        backbone["weights"], backbone["sha256"] = start_weights.pinned(str(backbone["weights"]))
    else:
        backbone["sha256"] = ""


def _must_exist(place: str) -> None:
    if not Path(place).exists():
        raise UserError(f"dataset.path {place!r} does not exist: give a folder of class folders or an archive of one")


def plain(values: Any) -> Any:
    """What ruamel has loaded, as plain dicts and lists."""
    if isinstance(values, dict):
        return {str(key): plain(value) for key, value in values.items()}
    return [plain(value) for value in values] if isinstance(values, list) else values
