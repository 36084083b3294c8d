"""The schema of the section `tune` of `params.yaml`: what `reprolens tune` searches, and how.

No stage reads it, so changing it makes nothing run again.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from pipeline.section import Section

Number = int | float
Scalar = bool | int | float | str
Choice = Scalar | tuple[Scalar | tuple[Scalar, ...], ...]
Count = Annotated[int, Field(ge=1, le=100_000)]
Metric = Literal[
    "val_accuracy",
    "val_loss",
    "val_macro_f1",
    "val_expected_calibration_error",
    "val_top5_accuracy",
    "parameters",
    "latency_ms",
]
COSTS = ("parameters", "latency_ms")


class Range(Section):
    """Numbers from `low` to `high`, both included: evenly, by `step`, or evenly in their logarithm."""

    low: Number
    high: Number
    step: Number | None = None
    log: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step {self.step} is not above 0")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} has no logarithm: with log it must be above 0")
        if self.log and self.step is not None:
            raise ValueError("step and log exclude each other")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step {self.step} is wider than from low {self.low} to high {self.high}")
        return self

    def highest(self) -> Number:
        """`high`, or the last of the steps below it."""
        if self.step is None:
            return self.high
        last = self.low + int((self.high - self.low) / self.step + 1e-9) * self.step
        return last if isinstance(last, int) else float(f"{last:.12g}")


Dimension = Range | Annotated[tuple[Choice, ...], Field(min_length=1)]


class FilterRule(Section):
    """Filter counts by one rule: block b, counted from 0, has `first` x `growth`^b filters, rounded.

    Without `blocks` there are as many as today; a new block has as many convolutions as the last one.
    """

    first: Dimension
    growth: Dimension
    blocks: Dimension | None = None


class Tune(Section):
    """How `reprolens tune` searches. `space` goes by dotted names; today's values are the first trial."""

    objective: Metric | Annotated[tuple[Metric, ...], Field(min_length=2, max_length=2)]
    sampler: Literal["tpe", "random", "grid"]
    pruner: Literal["none", "median", "halving", "hyperband"]
    trials: Count
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    retrain: Annotated[int, Field(ge=0, le=100)]  # seeds that start and winner are trained again with
    space: dict[str, Dimension | FilterRule]

    @field_validator("space", mode="before")
    @classmethod
    def _space_is_read(cls, value: Any) -> Any:
        return {key: _dimension(str(key), item) for key, item in value.items()} if isinstance(value, dict) else value

    @field_validator("objective", mode="before")
    @classmethod
    def _objective_is_of_validation(cls, value: Any) -> Any:
        names = value if isinstance(value, tuple) else (value,)
        for name in names:
            if str(name).startswith("test"):
                raise ValueError(
                    f"tune.objective is {name!r}, but the test split steers nothing: take a validation metric, "
                    "as in val_accuracy"
                )
            if name not in Metric.__args__:  # type: ignore[attr-defined]
                known = ", ".join(Metric.__args__)  # type: ignore[attr-defined]
                raise ValueError(f"tune.objective is {name!r}: there are {known}")
        return names[0] if len(names) == 1 else value

    @model_validator(mode="after")
    def _objectives_differ(self) -> Self:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"tune.objective names {self.objectives[0]} twice: give one, or another one")
        if self.objectives[0] in COSTS:
            raise ValueError(f"tune.objective begins with {self.objectives[0]}: put a metric of validation first")
        return self

    @property
    def objectives(self) -> tuple[str, ...]:
        """One or two names."""
        return self.objective if isinstance(self.objective, tuple) else (self.objective,)


def _dimension(key: str, value: Any) -> Any:
    """A range, a rule or choices, told apart by their form, so that what is wrong is said of the right one."""
    if isinstance(value, Section):
        return value
    if isinstance(value, tuple):
        if not value:
            raise ValueError(f"tune.space.{key} is an empty list: give at least one choice")
        return value
    if not isinstance(value, dict):
        raise ValueError(f"tune.space.{key} is {value!r}: give {{low: ..., high: ...}} or a list of choices")
    kind = FilterRule if "first" in value or "growth" in value else Range
    parts = {name: _dimension(f"{key}.{name}", part) for name, part in value.items()} if kind is FilterRule else value
    try:
        return kind.model_validate(parts)
    except ValidationError as error:
        raise ValueError(f"tune.space.{key}{_told(error, kind)}") from error


def _told(error: ValidationError, kind: type[Section]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][:1])
    if first["type"] == "extra_forbidden":
        return f" has an unknown `{name}`: there are {', '.join(kind.model_fields)}"
    if first["type"] == "missing":
        return f" has no `{name}`: there are {', '.join(kind.model_fields)}"
    if first["type"] == "value_error":
        return f": {first['ctx']['error']}"
    return f".{name} is {first['input']!r}, but {str(first['msg']).replace('Input should', 'should')}"
