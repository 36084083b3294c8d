"""The search space of `tune.space`: from dotted names and ranges to Optuna's distributions, and back to params.

Every range is held to the schema's own bounds before anything is trained.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import filter_rule, params_file
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.tune_params import Dimension, FilterRule, Range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Point = Mapping[str, Any]
"""Optuna's name of a parameter -> its value."""

FILTERS = "model.filters"
SECTIONS = ("model", "augment", "train")  # what a trial can change: the rest makes the split, which is at hand
NOT_TUNED = ("train.seed", "train.threads")
DIGITS = 3  # significant ones, of a number that was drawn evenly: 0.237, not 0.23715238041


@dataclass(frozen=True)
class Space:
    """What a study searches, around the params of today.

    `start` is today's point; a parameter whose value of today lies outside of its range is missing there.
    """

    params: Params
    distributions: "dict[str, BaseDistribution]"
    start: dict[str, Any]

    def resolve(self, point: Point) -> dict[str, Any]:
        """The params that a point sets, by dotted names: `{"model.filters": [16, 32], "model.dropout": 0.2}`."""
        values = {name: self._plain(name, value) for name, value in point.items() if not name.startswith(f"{FILTERS}.")}
        rule = {name.removeprefix(f"{FILTERS}."): value for name, value in point.items() if name not in values}
        today = _plain_params(self.params)["model"]["filters"]
        return values | ({FILTERS: filter_rule.filters(today, **rule)} if rule else {})

    def today(self) -> dict[str, Any]:
        """Today's values of the params that the space changes, by dotted names."""
        flat = params_file.flatten(_plain_params(self.params))
        return {key: flat[key] for key in self.params.tune.space}

    def params_at(self, resolved: Mapping[str, Any]) -> Params:
        """Today's params with those of a point in their place.

        Raises:
            UserError: there is no such network, as where a block leaves nothing of the picture.
        """
        return params_file.parse(_replaced(self.params, resolved), "this point")

    def _plain(self, name: str, value: Any) -> Any:
        from optuna.distributions import FloatDistribution

        kind = self.distributions[name]
        if isinstance(kind, FloatDistribution) and kind.step is None:
            return min(max(float(f"{value:.{DIGITS}g}"), kind.low), kind.high)
        return json.loads(value) if isinstance(value, str) and value.startswith("[") else value


def space_of(params: Params) -> Space:
    """The space that `params.tune` describes.

    Raises:
        UserError: it is empty, names what no trial can change, or leaves the schema's bounds.
    """
    from optuna.distributions import CategoricalDistribution

    if not params.tune.space:
        raise UserError("tune.space is empty: name at least one param, as in `model.dropout: {low: 0.0, high: 0.5}`")
    today = params_file.flatten(_plain_params(params))
    distributions: dict[str, BaseDistribution] = {}
    start: dict[str, Any] = {}
    for key, dimension in params.tune.space.items():
        _check_key(key, today)
        if isinstance(dimension, FilterRule):
            found, values = _of_rule(key, dimension, params)
        else:
            _check_bounds(key, dimension, params)
            found, values = {key: _distribution(dimension, today[key])}, {key: _stored(today[key])}
        distributions |= found
        start |= values
    if all(isinstance(kind, CategoricalDistribution) and kind.single() for kind in distributions.values()):
        raise UserError("tune.space has one point only: give ranges, or several choices")
    inside = {name: value for name, value in start.items() if _holds(distributions[name], value)}
    return Space(params, distributions, inside)


def described(params: Params) -> dict[str, str]:
    """The space in words, by dotted names, as in `model.dropout` -> `0.0 to 0.5`."""
    words: dict[str, str] = {}
    for key, dimension in params.tune.space.items():
        if isinstance(dimension, FilterRule):
            parts = {"first": dimension.first, "growth": dimension.growth, "blocks": dimension.blocks}
            words |= {f"{key}.{name}": _words(part) for name, part in parts.items() if part is not None}
        else:
            words[key] = _words(dimension)
    return words


def _words(dimension: Dimension) -> str:
    if not isinstance(dimension, Range):
        return ", ".join(json.dumps(choice) for choice in dimension)
    how = f" by {dimension.step}" if dimension.step else ", log" if dimension.log else ""
    return f"{dimension.low} to {dimension.high}{how}"


def _of_rule(key: str, rule: FilterRule, params: Params) -> "tuple[dict[str, BaseDistribution], dict[str, Any]]":
    """Distributions and today's values of the rule of filter counts."""
    if key != FILTERS:
        raise UserError(f"tune.space.{key} has a rule, but that is for {FILTERS}: give {{low, high}} or a list")
    today = _plain_params(params)["model"]["filters"]
    if not today and rule.blocks is None:
        raise UserError(f"tune.space.{key} needs `blocks`, since {key} has none today: give them, or leave it out")
    have: dict[str, Any] = filter_rule.rule_of(today) or {}
    parts = {"first": (rule.first, 1), "growth": (rule.growth, 1.0), "blocks": (rule.blocks, 1)}
    found: dict[str, BaseDistribution] = {}
    for name, (dimension, kind) in parts.items():
        if name == "growth" and len(today) == 1 and rule.blocks is None:
            continue  # of one block, any growth gives the same
        if dimension is not None:
            filter_rule.check(name, dimension)
            found[f"{FILTERS}.{name}"] = _distribution(dimension, kind)
    growth = _lowest(rule.growth) if len(today) == 1 else have.get("growth")
    values = {"first": have.get("first"), "growth": growth, "blocks": len(today)}
    return found, {name: values[name.rpartition(".")[2]] for name in found}


def _lowest(dimension: Dimension) -> Any:
    return dimension.low if isinstance(dimension, Range) else dimension[0]


def _check_key(key: str, today: Mapping[str, Any]) -> None:
    if key not in today:
        raise UserError(f"tune.space: {params_file.unknown_key(key)}")
    if key.partition(".")[0] not in SECTIONS:
        raise UserError(f"tune.space: `{key}` is the same for all trials: tune model.*, augment.* and train.*")
    if key in NOT_TUNED:
        raise UserError(f"tune.space: `{key}` is nothing to tune, what it brings is luck: leave it out")


def _check_bounds(key: str, dimension: Dimension, params: Params) -> None:
    """Both ends, or every choice, must be what the schema allows for the key."""
    ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension
    for end in ends:
        if problem := params_file.problem_with(_replaced(params, {key: _plain_value(end)}), key):
            raise UserError(f"tune.space.{key}: {problem}")


def _distribution(dimension: Dimension, like: Any) -> "BaseDistribution":
    """Whole numbers where both ends are whole and today's value is no broken one."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(dimension, Range):
        return CategoricalDistribution(tuple(_stored(choice) for choice in dimension))
    low, high, step = dimension.low, dimension.highest(), dimension.step
    if isinstance(like, float) or any(isinstance(value, float) for value in (low, high, step)):
        return FloatDistribution(float(low), float(high), log=dimension.log, step=None if step is None else float(step))
    return IntDistribution(int(low), int(high), log=dimension.log, step=int(step or 1))


def _stored(value: Any) -> Any:
    """A value as Optuna takes it: a list as JSON text."""
    return json.dumps(value) if isinstance(value, list | tuple) else value


def _holds(distribution: "BaseDistribution", value: Any) -> bool:
    from optuna.distributions import CategoricalDistribution

    if isinstance(distribution, CategoricalDistribution):
        return any(choice == value and type(choice) is type(value) for choice in distribution.choices)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return bool(distribution._contains(distribution.to_internal_repr(value)))


def _replaced(params: Params, changes: Mapping[str, Any]) -> dict[str, Any]:
    rest = {"promote": params.promote.model_dump(mode="json"), "retrain": params.retrain.model_dump(mode="json")}
    values = _plain_params(params) | {"tune": params.tune.model_dump(mode="json", exclude_none=True)} | rest
    for key, value in changes.items():
        section, _, name = key.partition(".")
        values[section][name] = value
    return values


def _plain_params(params: Params) -> dict[str, Any]:
    return params.model_dump(mode="json")


def _plain_value(value: Any) -> Any:
    return json.loads(json.dumps(value))
