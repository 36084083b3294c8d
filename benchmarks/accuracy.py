"""Accuracy and time of a preset over split seeds: `python -m benchmarks.accuracy digits --seeds 5 [KEY=VALUE...]`.

Runs `dvc repro` in a clone of the committed state, once per `split.seed`, and tells accuracy, its mean,
and seconds from raw data to report.
"""

import argparse
import json
import statistics

from benchmarks.common import clone, keep, portable, run_in, spread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=5, help="split seeds 0 to N-1 (default 5)")
    parser.add_argument("--name", help="of the result file (default: the preset)")
    given = parser.parse_args()
    accuracies, seconds = [], []
    with clone() as folder:
        for seed in range(given.seeds):
            run_in(folder, "reprolens", "use", given.preset, *given.overrides, f"split.seed={seed}")
            seconds.append(run_in(folder, "dvc", "repro"))
            metrics = json.loads((folder / "reports" / "metrics.json").read_text())
            accuracies.append(metrics["accuracy"])
            print(f"split.seed {seed}: accuracy {accuracies[-1]:.4f}, {seconds[-1]:.0f} s", flush=True)
    print(f"{given.preset}: mean accuracy {statistics.mean(accuracies):.4f}, from {min(accuracies):.4f} to")
    print(f"  {max(accuracies):.4f}; seconds {spread(seconds, 0)}")
    keep(
        f"accuracy-{given.name or given.preset}",
        {
            "preset": given.preset,
            "overrides": [portable(override) for override in given.overrides],
            "accuracies": accuracies,
            "seconds": seconds,
        },
    )


if __name__ == "__main__":
    main()
