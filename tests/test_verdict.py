"""What is said of a run that was made again."""

from dataclasses import replace
from datetime import UTC, datetime

from pipeline.verdict import Made, Verdict

NOW = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
MADE = Made(
    "d" * 32,
    {"data/split/train": "t1", "data/split/val": "v1"},
    "m1",
    {"accuracy": 0.9, "interval.accuracy.low": float("nan"), "loss": 0.25},
    {"python": "3.12.1", "processor": "A (avx2, 8 cores)"},
)


def verdict(**changes: object) -> Verdict:
    return Verdict("conv 8 1a2b3c4d", "c" * 40, MADE, replace(MADE, **changes), "DVC's cache")  # type: ignore[arg-type]


def test_identical_is_told_with_the_hash() -> None:
    lines = verdict().text().splitlines()
    assert lines[0] == "identical: run conv 8 1a2b3c4d, made again at commit cccccccc, data from DVC's cache"
    assert lines[1:] == ["  model    m1", "  metrics  all 3 equal to the last digit"]
    assert (verdict().exit_code, verdict().tags(NOW)["reprolens.verified"]) == (0, "identical")


def test_another_environment_that_makes_the_same_is_mentioned() -> None:
    same = verdict(environment={"python": "3.12.2", "processor": "A (avx2, 8 cores)"})
    assert same.exit_code == 0 and same.text().endswith("though   python: 3.12.1 then, 3.12.2 now")


def test_other_metrics_are_told_by_how_much_and_why() -> None:
    found = verdict(
        model="m2",
        metrics={**MADE.metrics, "loss": 0.3, "accuracy": 0.85},
        environment={**MADE.environment, "processor": "B (avx512f, 2 cores)"},
    )
    assert found.differing() == ["model", "metrics"]
    assert (
        "\n  metrics  accuracy: 0.9 then, 0.85 now (-0.05)\n  metrics  loss: 0.25 then, 0.3 now (+0.05)" in found.text()
    )
    assert "  because  processor: A (avx2, 8 cores) then, B (avx512f, 2 cores) now" in found.text()


def test_where_nothing_recorded_explains_it_that_is_said() -> None:
    assert "because  of nothing that is recorded" in verdict(model="m2").text()


def test_one_other_part_of_the_split_is_named() -> None:
    found = verdict(parts={"data/split/train": "t1", "data/split/val": "v2", "data/split/classes.json": "c"})
    assert found.differing() == ["split"]
    assert "  split    data/split/val: v1 then, v2 now" in found.text() and "data/split/train" not in found.text()


def test_other_data_are_all_that_is_told() -> None:
    found = Verdict("conv 8", "c" * 40, MADE, Made("e" * 32), "DVC's cache")
    assert (found.exit_code, found.differing()) == (3, ["data"])
    assert (
        f"  data     raw images: {'d' * 32} then, {'e' * 32} now" in found.text() and "model" not in found.differing()
    )


def test_a_metric_that_is_new_or_gone_differs() -> None:
    found = verdict(metrics={"accuracy": 0.9, "interval.accuracy.low": float("nan"), "top5": 1.0})
    assert "loss: 0.25 then, none now" in found.text() and "top5: none then, 1 now" in found.text()


def test_the_run_is_told_what_differs() -> None:
    assert verdict(model="m2").tags(NOW) == {
        "reprolens.verified": "differs",
        "reprolens.verified_when": "2026-01-31 23:59 UTC (model)",
    }
