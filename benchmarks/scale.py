"""Time and memory of training as the data grow, 1x, 4x, 16x: `python -m benchmarks.scale`.

The network of `cifar10-cnn`, on random images in packed splits; every measurement is a process of its own, and the
sizes take turns. Memory is the peak of the resident set that is not file pages.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.common import keep, spread
from benchmarks.overhead import measured, write_split

TIMES = (1, 4, 16)
NETWORK = "cifar10-cnn"  # a small one, so that the data weigh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=5_000, help="of 1x")
    given = parser.parse_args()
    found: dict[int, list[dict[str, float]]] = {times: [] for times in TIMES}
    with tempfile.TemporaryDirectory() as folder:
        for times in TIMES:
            write_split(Path(folder, str(times), "train"), given.images * times)
            write_split(Path(folder, str(times), "val"), given.images // 5)
        for number in range(given.rounds):
            for times in TIMES:
                found[times].append(measured("ours", Path(folder, str(times)), NETWORK))
                print(f"round {number + 1}, {times}x: {found[times][-1]}", flush=True)
    for times, rows in found.items():
        each = [1000 * row["seconds"] / (given.images * times) for row in rows]
        memory = [row["non_file"] for row in rows]
        print(f"{times:2}x: {spread(each)} ms per image and epoch, {spread(memory, 0)} MiB besides file pages")
    middle = {
        key: {times: statistics.median(row[key] for row in rows) for times, rows in found.items()}
        for key in ("seconds", "non_file")
    }
    growth = {times: middle["seconds"][times] / middle["seconds"][1] for times in TIMES}
    memory_growth = {times: middle["non_file"][times] / middle["non_file"][1] for times in TIMES}
    print(f"against 1x, ratios of medians: time {growth}, memory {memory_growth}")
    keep("scale", {"images": given.images, "time": growth, "memory": memory_growth, "rounds": found})


if __name__ == "__main__":
    main()
