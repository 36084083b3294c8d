"""What the benchmark of fast presets reads from a training, and what it makes of it."""

from pathlib import Path

from benchmarks.time_to_accuracy import passed, timed

SAID = """
print("layers")
print("train: 1,257 images to train on, 270 to validate on", flush=True)
print("epoch   1/2  accuracy 0.1  loss 2.3  val_accuracy 0.2500  val_loss 2.1  1.0 s", flush=True)
print("epoch   2/2  accuracy 0.1  loss 2.3  val_accuracy 0.7500  val_loss 2.1  1.0 s", flush=True)
print("accuracy 0.5")
"""


def test_a_process_is_timed_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "said.py").write_text(SAID)
    row = timed(tmp_path, "said")
    assert [accuracy for _, accuracy in row["epochs"]] == [0.25, 0.75] and row["last"] == "accuracy 0.5\n"
    assert 0 < row["training"] < row["seconds"]
    assert row["mib"] > 1


def test_passing_is_the_first_epoch_that_is_good_enough() -> None:
    row = {"epochs": [(10.0, 0.25), (20.0, 0.75), (30.0, 0.8)]}
    assert (passed(row, 0.2), passed(row, 0.75), passed(row, 0.9)) == (10.0, 20.0, None)
