"""What the README says of measurements is what was measured."""

from pathlib import Path

from benchmarks.table import BEGINS, ENDS, row, table, with_table

REPOSITORY = Path(__file__).parent.parent
ROWS = [
    {"seconds": seconds, "mib": mib, "accuracy": accuracy} for seconds, mib, accuracy in ((10, 90, 0.5), (30, 70, 0.7))
]


def test_the_table_of_fast_presets_is_the_one_that_the_results_make() -> None:
    page = (REPOSITORY / "README.md").read_text()
    assert page.count(BEGINS) == page.count(ENDS) == 1
    assert with_table(page, table(REPOSITORY / "benchmarks" / "results")) == page


def test_a_row_has_means_with_their_deviation_and_ratios_of_medians() -> None:
    plain = [{"seconds": 40.0, "mib": 160.0, "accuracy": 0.25}]
    made = row({"preset": "fast", "plain_script": "slow", "fast": ROWS, "plain": plain})
    assert made == "| `fast` | 2 | 0.6000 ± 0.1414 | 20 (10 to 30) | `slow` | 0.2500 | 40 | 0.50 | 0.50 |"


def test_a_preset_without_a_notebook_has_no_ratios() -> None:
    assert row({"preset": "fast", "plain_script": "none", "fast": ROWS[:1], "plain": []}).count("|") == 10
