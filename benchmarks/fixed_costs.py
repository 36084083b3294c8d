"""Fixed costs of the `train` stage over a plain Keras script: `python -m benchmarks.fixed_costs`.

Whole processes, from start to exit, on `digits`: same network, same epochs, the two alternating, in a
clone of the committed state. What ours takes longer is start, tracking, checkpoints and saving.
"""

import argparse
import statistics

from benchmarks.common import clone, keep, run_in, spread

EPOCHS = 5
PLAIN_NETWORK = ("model.filters=[32,64]", "model.dense=[128]", "train.batch_size=64", f"train.epochs={EPOCHS}")
DEFAULTS = (
    "train.optimizer=adam",
    "train.schedule=constant",
    "model.dropout=0",
    "model.dense_dropout=0",
    "model.batch_norm=false",
)
NO_CHANGES = ("augment.rotation=0", "augment.shift_height=0", "augment.shift_width=0", "augment.zoom=0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {"train": [], "plain": []}
    with clone() as folder:
        run_in(folder, "reprolens", "use", "digits", *PLAIN_NETWORK, *DEFAULTS, *NO_CHANGES)
        run_in(folder, "dvc", "repro", "train")  # makes the splits, and the tracking store once
        for number in range(rounds):
            seconds["train"].append(run_in(folder, "python", "-m", "pipeline.stages.train"))
            seconds["plain"].append(
                run_in(folder, "python", "-m", "benchmarks.plain_keras", str(EPOCHS), "data/split", str(folder.parent))
            )
            print(
                f"round {number + 1}: train {seconds['train'][-1]:.1f} s, plain {seconds['plain'][-1]:.1f} s",
                flush=True,
            )
    more = statistics.median(seconds["train"]) - statistics.median(seconds["plain"])
    print(f"train {spread(seconds['train'], 1)} s, plain {spread(seconds['plain'], 1)} s: {more:.1f} s more")
    keep("fixed_costs", {"seconds": seconds, "more": more})


if __name__ == "__main__":
    main()
