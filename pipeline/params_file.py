"""Reading `params.yaml`: from text to the schema, and from what is wrong to one clear line."""

import difflib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.section import Section

WHOLE = "tune.space"  # a mapping that is one value: its keys are dotted names themselves


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted names: `{"model": {"dropout": 0.2}}` -> `{"model.dropout": 0.2}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and f"{prefix}{key}" != WHOLE:
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


def problem_with(values: dict[str, Any], key: str) -> str | None:
    """What the schema says against the value of one `key`, bounds and type alone; None if nothing."""
    try:
        Params.model_validate(_as_tuples(values))
    except ValidationError as error:
        found = [problem for problem in error.errors() if _dotted(problem) == key]
        return _told(found, key) if found else None
    return None


def load(path: Path) -> Params:
    """Reads and checks `path`.

    Raises:
        UserError: no such file, not YAML, or not what the schema asks for.
    """
    values = read_yaml(path)
    if not values:
        raise UserError(f"{path} is empty. Run `reprolens use digits` to make a new one")
    return parse(values, str(path))


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
        problem = getattr(error, "problem", None)
        what = f"not valid YAML ({problem})" if problem else "not valid YAML"
        raise UserError(f"{path}{line}: {what}. Mend the line, or run `reprolens use digits`") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}. It must be a YAML file") from error
    if not isinstance(values, dict | None):
        raise UserError(f"{path}: expected sections such as `model:`, found {type(values).__name__}")
    return values or {}


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
    return _told(problems, _dotted(problems[0]))


def _told(problems: list[Any], key: str) -> str:
    # Of several allowed forms, the one that was understood furthest is the one that was meant.
    first = max((problem for problem in problems if _dotted(problem) == key), key=lambda problem: len(problem["loc"]))
    if first["type"] == "extra_forbidden":
        return unknown_key(key)
    if first["type"] == "missing" and isinstance(first["loc"][-1], int):
        return f"`{key}` has too few values: see presets/base.yaml for its form"
    if first["type"] == "missing":
        return f"`{key}` is missing: see presets/base.yaml for its default"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    return f"`{key}` is {_plain(first['input'])}, but {_wanted(first)}"


def _dotted(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"][:2])


def unknown_key(key: str) -> str:
    """What to say of a key that the schema does not have."""
    if key in Params.model_fields:
        return f"`{key}` is a section, not a key: name one of its keys, as in `{key}.KEY`"
    names = sorted(known_names())
    if "." in key:
        meant = {name: name for name in names if "." in name}
    else:  # a section, or a key that was given without its section
        meant = {name.rpartition(".")[2]: name for name in names} | {name: name for name in Params.model_fields}
    close = difflib.get_close_matches(key, meant, n=1)
    hint = f"did you mean `{meant[close[0]]}`?" if close else "see presets/base.yaml for every key"
    return f"unknown key `{key}`: {hint}"


def _plain(value: object) -> str:
    if value is None:
        return "empty"
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def _wanted(problem: Any) -> str:
    if problem["type"] == "model_type":
        return "should be a section with keys"
    return str(problem["msg"]).replace("Input should", "should", 1).replace("valid tuple", "list")


def known_names() -> set[str]:
    """Every section and every dotted name of the schema."""
    names: set[str] = set()
    for section, field in Params.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type) and issubclass(kind, Section)
        names |= {section, *(f"{section}.{key}" for key in kind.model_fields)}
    return names
