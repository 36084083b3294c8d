"""The README's table of the fast presets, from `benchmarks/results/`: `python -m benchmarks.table` writes it anew."""

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.common import REPOSITORY, RESULTS
from pipeline.files import write_text

BEGINS, ENDS = "<!-- fast presets: python -m benchmarks.table -->", "<!-- end of fast presets -->"
PRESETS = ("digits-fast", "mnist-fast", "cifar10-fast", "flowers-fast")
HEAD = (
    "| preset | seeds | test accuracy | seconds of training | against the notebook's plain script | its accuracy "
    "| its seconds | time, ours / its | peak memory, ours / its |\n|---|---|---|---|---|---|---|---|---|"
)


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    ours, theirs = result["fast"], result["plain"]
    cells = [f"`{result['preset']}`", str(len(ours)), _mean(ours), _median(ours)]
    if theirs:
        ratios = [_middle(ours, key) / _middle(theirs, key) for key in ("seconds", "mib")]
        cells += [f"`{result['plain_script']}`", _mean(theirs), _median(theirs), *(f"{ratio:.2f}" for ratio in ratios)]
    else:
        cells += ["", "", "", "", ""]
    return f"| {' | '.join(cells)} |"


def _middle(rows: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(item[key] for item in rows))


def _mean(rows: list[dict[str, Any]]) -> str:
    accuracies = [item["accuracy"] for item in rows]
    mean = f"{statistics.mean(accuracies):.4f}"
    return f"{mean} ± {statistics.stdev(accuracies):.4f}" if len(rows) > 1 else mean


def _median(rows: list[dict[str, Any]]) -> str:
    seconds = [item["seconds"] for item in rows]
    middle = f"{statistics.median(seconds):,.0f}"
    return f"{middle} ({min(seconds):,.0f} to {max(seconds):,.0f})" if len(rows) > 1 else middle


def table(results: Path) -> str:
    """All lines of presets that were measured, between the marks."""
    files = [results / f"time_to_accuracy-{preset}.json" for preset in PRESETS]
    rows = [row(json.loads(file.read_text())) for file in files if file.exists()]
    return "\n".join([BEGINS, *([HEAD] if rows else []), *rows, ENDS])


def with_table(page: str, made: str) -> str:
    """The page with the part between the marks replaced."""
    before, _, rest = page.partition(BEGINS)
    return before + made + rest.partition(ENDS)[2]


def main() -> None:
    readme = REPOSITORY / "README.md"
    write_text(readme, with_table(readme.read_text(), table(RESULTS)))


if __name__ == "__main__":
    main()
