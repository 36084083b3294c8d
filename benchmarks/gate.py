"""Is the gate calibrated? `python -m benchmarks.gate`: simulated candidates, judged by `gate.decide`.

Of candidates that are no better than the champion (or gain no more than `least_gain`) at most `promote.level` may be
promoted; of candidates that are two points better on 10,000 images, at least 95%. Answers are drawn image by image:
both models right, only one, or none; `overlap` is how far they make the same mistakes, from 0 (independent) to 1.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import REPOSITORY, keep
from pipeline import params_file
from pipeline.gate import Evidence, Side, decide
from pipeline.intervals import wilson
from pipeline.promote_params import Promote

CLASSES = [str(number) for number in range(10)]
EVEN = (0.1,) * 10
SKEWED = (0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01)
OVERLAPS = (0.2, 0.8)
ENOUGH = 0.95


@dataclass(frozen=True)
class Setting:
    """Test images, the champion's accuracy, what the candidate gains, how alike they err, and the shares of classes.

    `tilt` moves recall from the second half of the classes to the first, in the candidate, and leaves its balanced
    accuracy as it is: better at some, worse at others.
    """

    images: int
    accuracy: float
    gain: float
    overlap: float
    skewed: bool
    tilt: float = 0.0

    @property
    def differing(self) -> float:
        """Share of the images that only one of the two has right."""
        now = self.accuracy + self.gain
        apart = self.accuracy * (1 - now) + now * (1 - self.accuracy)
        return max(abs(self.gain) + 2 * self.tilt, (1 - self.overlap) * apart)


def evidence(setting: Setting, hashes: Sequence[str], random: np.random.Generator) -> Evidence:
    """One candidate and its champion on drawn images."""
    labels = random.choice(10, setting.images, p=SKEWED if setting.skewed else EVEN)
    tilt = np.where(labels < 5, setting.tilt, -setting.tilt)
    only_candidate = (setting.differing + setting.gain) / 2 + tilt / 2
    only_champion = (setting.differing - setting.gain) / 2 - tilt / 2
    both = setting.accuracy - only_champion
    drawn = random.random(setting.images)
    candidate = drawn < both + only_candidate
    champion = (drawn < both) | ((drawn >= both + only_candidate) & (drawn < both + only_candidate + only_champion))
    one, other = (_side(labels, right, setting.accuracy, random) for right in (candidate, champion))
    return Evidence(one, other, CLASSES, hashes, {"champion": 0, "candidate": 0, "both": 0})


def _side(labels: NDArray[np.int64], right: NDArray[np.bool_], sure: float, random: np.random.Generator) -> Side:
    guesses = np.where(right, labels, (labels + random.integers(1, 10, len(labels))) % 10)
    probabilities = np.full((len(labels), 10), (1 - sure) / 9)
    probabilities[np.arange(len(labels)), guesses] = sure
    return Side("a model", labels, probabilities, 1.0, 1.0)


def share(rule: Promote, setting: Setting, candidates: int, seed: int) -> dict[str, Any]:
    """How many of so many candidates the gate promotes, with a 95% interval."""
    hashes = [f"{number:064x}" for number in range(setting.images)]
    random = np.random.default_rng(seed)
    promoted = sum(decide(rule, evidence(setting, hashes, random)).promoted for _ in range(candidates))
    return asdict(setting) | {"differing": round(setting.differing, 4)} | _told(promoted, candidates)


def _told(promoted: int, candidates: int) -> dict[str, Any]:
    found = {name: round(value, 4) for name, value in wilson(promoted, candidates).items()}
    return {"candidates": candidates, "promoted": promoted, "share": round(promoted / candidates, 4)} | found


def groups() -> dict[str, tuple[dict[str, Any], list[Setting]]]:
    """What is claimed -> the changes of the default rule, and the settings."""
    accuracies, sizes = (0.6, 0.9, 0.97, 0.995), (100, 300, 1000, 10_000)
    grid = list(product(sizes, accuracies, OVERLAPS, (False, True)))
    tilted = [
        Setting(n, 0.8, 0.0, 0.2, skewed, tilt) for n in sizes for skewed in (False, True) for tilt in (0.0, 0.04)
    ]
    margin = [Setting(n, a, 0.01, o, False) for n, a, o in product(sizes, (0.6, 0.85), OVERLAPS)]
    better = [Setting(10_000, a, 0.02, o, s) for a, o, s in product((0.8, 0.9, 0.97), OVERLAPS, (False, True))]
    return {
        "no better": ({}, [Setting(n, a, 0.0, o, s) for n, a, o, s in grid]),
        "worse by one point": ({}, [Setting(n, 0.9, -0.01, o, False) for n, o in product(sizes, OVERLAPS)]),
        "no better by balanced accuracy": ({"metric": "balanced_accuracy", "class_floor": 1.0}, tilted),
        "one point better, where one point is not enough": ({"least_gain": 0.01}, margin),
        "two points better": ({}, better),
        "two points better by balanced accuracy": ({"metric": "balanced_accuracy"}, better),
    }


def run(rule: Promote, candidates: int) -> dict[str, Any]:
    """Every group, its settings and the sum over them."""
    result: dict[str, Any] = {"rule": rule.model_dump()}
    for name, (changes, settings) in groups().items():
        changed = rule.model_copy(update=changes)
        rows = [share(changed, setting, candidates, seed) for seed, setting in enumerate(settings)]
        total = _told(sum(row["promoted"] for row in rows), sum(row["candidates"] for row in rows))
        shares = [row["share"] for row in rows]
        result[name] = {"changes": changes, **total, "smallest": min(shares), "largest": max(shares), "settings": rows}
        print(f"{name}: {total['share']:.4f} promoted of {total['candidates']:,} ", end="")
        print(f"(95% interval {total['low']:.4f} to {total['high']:.4f}); by setting {min(shares)} to {max(shares)}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=1000, help="of each setting")
    candidates = parser.parse_args().candidates
    began = time.monotonic()
    result = run(params_file.load(REPOSITORY / "params.yaml").promote, candidates)
    keep("gate", {**result, "seconds": round(time.monotonic() - began)})


if __name__ == "__main__":
    main()
