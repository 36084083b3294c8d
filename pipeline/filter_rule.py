"""Filter counts by one rule: block b, counted from 0, has `first` x `growth`^b filters, rounded to a whole number."""

from collections.abc import Sequence

from pipeline.errors import UserError
from pipeline.tune_params import Dimension, Range

LOWEST = {"first": 1, "growth": 0.01, "blocks": 1}
HIGHEST = {"first": 100_000, "growth": 100, "blocks": 64}

Layout = Sequence[int | Sequence[int]]
"""`model.filters` as in params.yaml: a count, or a list of counts, per block."""


def filters(today: Layout, first: int, growth: float = 1.0, blocks: int | None = None) -> list[int | list[int]]:
    """Filters of every block; blocks keep their number of convolutions, new ones take that of the last."""
    made: list[int | list[int]] = []
    for block in range(len(today) if blocks is None else blocks):
        count = max(1, round(first * growth**block))
        like = today[min(block, len(today) - 1)] if today else count
        made.append(count if isinstance(like, int) else [count] * len(like))
    return made


def rule_of(today: Layout) -> dict[str, float] | None:
    """`first` and `growth` of filters that follow the rule; None for any others."""
    counts = [block if isinstance(block, int) else block[0] for block in today]
    if not counts:
        return None
    growth = counts[1] / counts[0] if len(counts) > 1 else 1.0
    follows = filters(today, counts[0], growth) == [b if isinstance(b, int) else list(b) for b in today]
    return {"first": counts[0], "growth": growth} if follows else None


def check(name: str, dimension: Dimension) -> None:
    """Holds a part of the rule to what it can be.

    Raises:
        UserError: a count that is not whole, or a value out of bounds.
    """
    values = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension
    steps = (dimension.step,) if isinstance(dimension, Range) and dimension.step is not None else ()
    where = f"tune.space.model.filters.{name}"
    for value in (*values, *steps):
        if isinstance(value, bool) or not isinstance(value, int | float) or (name != "growth" and value != int(value)):
            raise UserError(f"{where}: {value!r} should be a {'number' if name == 'growth' else 'whole number'}")
    for value in values:
        assert isinstance(value, int | float)
        if not LOWEST[name] <= value <= HIGHEST[name]:
            raise UserError(f"{where}: {value} is not within {LOWEST[name]} to {HIGHEST[name]}")
