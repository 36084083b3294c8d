"""The points of a search space: what tells one from another, and all of them in a drawn order, none stored.

The values of a distribution stand at places 0, 1, 2...; numbers without steps have no end, and are their own places.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Point = dict[str, Any]
"""Optuna's name of a parameter -> its value."""
Key = tuple[float, ...]
"""What tells a point from others: its places, in the order of the parameters' names."""
ROUNDS = 4  # of a Feistel network; from four on it looks like any permutation


@dataclass(frozen=True)
class Points:
    """All points of a space; parameters are gone through in the order of their names, however they are given."""

    distributions: "dict[str, BaseDistribution]"

    @property
    def endless(self) -> list[str]:
        """Names of those without steps."""
        return [name for name, kind in sorted(self.distributions.items()) if num_places(kind) is None]

    @property
    def size(self) -> int | None:
        """Number of points; None where a parameter is endless."""
        return None if self.endless else math.prod(num_places(kind) or 0 for kind in self.distributions.values())

    def key(self, values: Mapping[str, Any]) -> Key | None:
        """The key of a point; None where it lacks a parameter or leaves the space."""
        try:
            return tuple(place_of(kind, values[name]) for name, kind in sorted(self.distributions.items()))
        except (KeyError, ValueError):
            return None

    def exact(self, values: Mapping[str, Any]) -> Point:
        """The same point, each step as a person writes it: 0.3, not 0.30000000000000004."""
        return {name: value_at(kind, place_of(kind, values[name])) for name, kind in self.distributions.items()}

    def shuffled(self, seed: int) -> Iterator[Point]:
        """Every point once, in an order told by the seed, of a space that has an end."""
        for left in permutation(self.size or 0, seed):
            point: Point = {}
            for name, kind in sorted(self.distributions.items()):
                left, place = divmod(left, num_places(kind) or 0)
                point[name] = value_at(kind, place)
            yield point


def num_places(kind: "BaseDistribution") -> int | None:
    """How many values a distribution has; None: numbers without steps."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(kind, CategoricalDistribution):
        return len(_choices(kind))
    if kind.single():
        return 1
    assert isinstance(kind, FloatDistribution | IntDistribution)
    if kind.step is None:
        return None
    return int((_exact(kind.high) - _exact(kind.low)) // _exact(kind.step)) + 1


def place_of(kind: "BaseDistribution", value: Any) -> float:
    """Where a value stands.

    Raises:
        ValueError: it is none of the distribution's.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(kind, CategoricalDistribution):
        return _choices(kind).index(value)
    assert isinstance(kind, FloatDistribution | IntDistribution)
    number = kind.to_internal_repr(value)
    if not kind._contains(number):
        raise ValueError(f"{value!r} is not within {kind}")
    if kind.single():
        return 0
    return number if kind.step is None else round((number - kind.low) / kind.step)


def value_at(kind: "BaseDistribution", place: float) -> Any:
    """The value at a place."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(kind, CategoricalDistribution):
        return _choices(kind)[int(place)]
    assert isinstance(kind, FloatDistribution | IntDistribution)
    if kind.single():
        return kind.low
    if isinstance(kind, IntDistribution):
        return kind.low + int(place) * kind.step
    return float(place) if kind.step is None else float(_exact(kind.low) + int(place) * _exact(kind.step))


def permutation(size: int, seed: int) -> Iterator[int]:
    """The numbers below `size`, each once, in an order told by the seed; takes no memory.

    A Feistel network permutes the next power of four; what it sends too high is passed over.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    for position in range(4**half):
        left, right = divmod(position, 2**half)
        for turn in range(ROUNDS):
            left, right = right, left ^ drawn(seed, turn, right) % 2**half
        if (index := left * 2**half + right) < size:
            yield index


def drawn(*parts: object) -> int:
    """A number of 256 bits that the parts tell, as good as drawn."""
    return int.from_bytes(hashlib.sha256(":".join(map(str, parts)).encode()).digest())


def _choices(kind: Any) -> tuple[Any, ...]:
    """A categorical's choices, each once; Optuna cannot tell equal ones apart."""
    return tuple(dict.fromkeys(kind.choices))


def _exact(number: float) -> Decimal:
    return Decimal(str(number))
