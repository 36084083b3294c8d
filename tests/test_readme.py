"""What the README says of measurements is what was measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.table import BEGINS, ENDS, SPEED_BEGINS, SPEED_ENDS, row, speed, table, with_table

REPOSITORY = Path(__file__).parent.parent
ROWS = [
    {"seconds": seconds, "mib": mib, "accuracy": accuracy} for seconds, mib, accuracy in ((10, 90, 0.5), (30, 70, 0.7))
]


@pytest.mark.parametrize(("begins", "ends", "make"), [(BEGINS, ENDS, table), (SPEED_BEGINS, SPEED_ENDS, speed)])
def test_a_table_of_the_readme_is_the_one_that_the_results_make(
    begins: str, ends: str, make: Callable[[Path], str]
) -> None:
    page = (REPOSITORY / "README.md").read_text()
    assert page.count(begins) == page.count(ends) == 1
    assert with_table(page, make(REPOSITORY / "benchmarks" / "results")) == page


def test_a_row_has_means_with_their_deviation_and_ratios_of_medians() -> None:
    result: dict[str, Any] = {"preset": "fast", "plain_script": "slow", "fast": ROWS}
    once = {"seconds": 40.0, "mib": 160.0, "accuracy": 0.25}
    ours = "0.6000 ± 0.1414 | 20 (10 to 30)"
    of_two = row({**result, "plain": [once, once]})
    assert of_two == f"| `fast` | 2 | {ours} | `slow` | 0.2500 ± 0.0000 | 40 (40 to 40) | 0.50 | 0.50 |"
    of_one = row({**result, "plain": [once]})
    assert of_one == f"| `fast` | 2, its 1 | {ours} | `slow` | 0.2500 | 40 | 0.50 | 0.50 |"


def test_a_preset_without_a_notebook_has_no_ratios() -> None:
    assert row({"preset": "fast", "plain_script": "none", "fast": ROWS[:1], "plain": []}).count("|") == 10


def test_the_table_of_speed_has_a_line_for_whatever_was_measured(tmp_path: Path) -> None:
    assert speed(tmp_path).splitlines() == [SPEED_BEGINS, SPEED_ENDS]
    rows = [{"seconds": 2.0, "peak": 100.0}, {"seconds": 4.0, "peak": 100.0}]
    results: dict[str, Any] = {
        "overhead": {
            "images": 5_000,
            "rounds": {"ours": rows, "plain": rows},
            "ratios": {"seconds": 1.0, "peak_memory": 1.0},
        },
        "input": {
            "rounds": {"ours": [20], "unchanged": [80], "directory": [10], "generator": [5]},
            "ratios": {"directory": 8.0, "generator": 4.0},
        },
        "scale": {"time": {"1": 1.0, "4": 4.0, "16": 15.96}, "memory": {"1": 1.0, "4": 1.0, "16": 1.01}},
        "roofline-cifar10-fast": {"preset": "cifar10-fast", "peak": [100, 120, 110], "share": 0.75},
    }
    for name, result in results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    made = speed(tmp_path)
    network = "the network of `cifar10-deep`, 5,000 images; plain Keras"
    assert f"| seconds of an epoch, {network} | 3.0 (2.0 to 4.0) | 3.0 (2.0 to 4.0) | 1.00 |" in made
    assert "| images a second, unchanged; `image_dataset_from_directory` | 80 | 10 | 8.0 |" in made
    assert "| time of an epoch, 16 times the images; the images once |  |  | 16.0 |" in made
    assert "training of `cifar10-fast`; a product of matrices | 82 | 110 | 0.75 |" in made
