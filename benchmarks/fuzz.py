"""Archives and pictures broken at random: what becomes of them, how long the slowest takes, and how much memory.

    python -m benchmarks.fuzz --mutants 10000

Ends with exit code 1 if one of them ends in anything but being taken or refused in one line.
"""

import argparse
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import keep
from tests.hostile import mutant, outcome, seeds

EXPECTED = {"mutant", "packed.tar", "scratch"}


def fuzz(num_mutants: int, folder: Path) -> dict[str, Any]:
    """Runs the mutants; what was no success and no refusal is listed under `defects`."""
    originals, ends, slowest = seeds(), Counter[str](), (0.0, "")
    defects: list[str] = []
    for number in range(num_mutants):
        name, content = mutant(number, originals)
        began = time.monotonic()
        try:
            archive, _, picture = outcome(content, folder).rpartition("; ")
            ends["archive taken" if archive == "taken" else "archive refused"] += 1
            ends["picture taken" if picture.startswith("(") else "picture refused"] += 1
        except Exception as error:  # the one place that looks for what nobody foresaw
            defects.append(f"{name}: {traceback.format_exception_only(error)[-1].strip()}")
        slowest = max(slowest, (round(time.monotonic() - began, 3), name))
    defects += [f"a file outside: {file.name}" for file in folder.iterdir() if file.name not in EXPECTED]
    return {
        "mutants": num_mutants,
        "originals": sorted(originals),
        "ends": dict(sorted(ends.items())),
        "defects": defects,
        "slowest_s": slowest[0],
        "slowest": slowest[1],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=10_000)
    num_mutants = parser.parse_args().mutants
    began = time.monotonic()
    with TemporaryDirectory(prefix="reprolens-fuzz-") as folder:
        result = fuzz(num_mutants, Path(folder))
    keep("fuzz", {**result, "seconds": round(time.monotonic() - began, 1)})
    print(result)
    if result["defects"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
