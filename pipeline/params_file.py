"""Reading `params.yaml`: from text to the schema, and from what is wrong to one clear line."""

import difflib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.errors import UserError
from pipeline.params import Params, Section


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted names: `{"model": {"dropout": 0.2}}` -> `{"model.dropout": 0.2}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def parse(values: object, where: str = "params.yaml") -> Params:
    """Checks plain YAML `values` against the schema.

    Raises:
        UserError: names the first wrong key, what was found and what would be right.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected sections such as `model:`, found {type(values).__name__}")
    try:
        return Params.model_validate(_as_tuples(values))
    except ValidationError as error:
        raise UserError(f"{where}: {_explain(error)}") from error


def load(path: Path) -> Params:
    """Reads and checks `path`.

    Raises:
        UserError: no such file, not YAML, or not what the schema asks for.
    """
    return parse(read_yaml(path), str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """The plain content of a YAML file, numbers read as DVC reads them (1e-3 is a number)."""
    from ruamel.yaml import YAML, YAMLError

    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file. Run `reprolens use digits` to make one") from error
    except (YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML. Mend the line, or run `reprolens use digits`") from error
    return values if isinstance(values, dict) else {}


def _as_tuples(value: object) -> object:
    """YAML lists as tuples, which the strict schema asks for; whole numbers stay whole."""
    if isinstance(value, dict):
        return {key: _as_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_as_tuples(item) for item in value)
    return value


def _explain(error: ValidationError) -> str:
    """One sentence for the first problem; a misspelt key comes first, since it also makes one missing."""
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    names = [part for part in first["loc"] if isinstance(part, str) and part in known_names()]
    key = ".".join(str(part) for part in first["loc"]) if first["type"] == "extra_forbidden" else ".".join(names)
    if first["type"] == "extra_forbidden":
        return unknown_key(key)
    if first["type"] == "missing":
        return f"`{key}` is missing: see presets/base.yaml for its default"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    found = first["input"]
    return f"`{key}` is {_plain(found)}, but {_wanted(first)}"


def unknown_key(key: str) -> str:
    """What to say of a key that the schema does not have."""
    close = difflib.get_close_matches(key, known_names(), n=1, cutoff=0.6)
    hint = f"did you mean `{close[0]}`?" if close else "see presets/base.yaml for every key"
    return f"unknown key `{key}`: {hint}"


def _plain(value: object) -> str:
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def _wanted(problem: Any) -> str:
    message = str(problem["msg"])
    return message.replace("Input should", "should", 1)


def known_names() -> set[str]:
    """Every section, key and dotted name of the schema."""
    names: set[str] = set()
    for section, field in Params.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type) and issubclass(kind, Section)
        names |= {section, *kind.model_fields, *(f"{section}.{key}" for key in kind.model_fields)}
    return names
