"""The README's tables of speed, from `benchmarks/results/`: `python -m benchmarks.table` writes them anew."""

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.common import REPOSITORY, RESULTS
from pipeline.files import write_text

BEGINS, ENDS = "<!-- fast presets: python -m benchmarks.table -->", "<!-- end of fast presets -->"
PRESETS = ("digits-fast", "mnist-fast", "cifar10-fast", "cifar100-fast", "flowers-fast")
HEAD = (
    "| preset | seeds | test accuracy | seconds of training | against the notebook's plain script | its accuracy "
    "| its seconds | time, ours / its | peak memory, ours / its |\n|---|---|---|---|---|---|---|---|---|"
)

SPEED_BEGINS, SPEED_ENDS = "<!-- speed: python -m benchmarks.table -->", "<!-- end of speed -->"
SPEED_HEAD = "| what | ours | the other | ratio of medians |\n|---|---|---|---|"


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    ours, theirs = result["fast"], result["plain"]
    seeds = f"{len(ours)}, its {len(theirs)}" if theirs and len(theirs) != len(ours) else str(len(ours))
    cells = [f"`{result['preset']}`", seeds, _mean(ours), _median(ours)]
    if theirs:
        ratios = [_middle(ours, key) / _middle(theirs, key) for key in ("seconds", "mib")]
        cells += [f"`{result['plain_script']}`", _mean(theirs), _median(theirs), *(f"{ratio:.2f}" for ratio in ratios)]
    else:
        cells += ["", "", "", "", ""]
    return _line(*cells)


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


def speed(results: Path) -> str:
    """All lines of what was measured besides the presets, between the marks."""
    made = []
    for name, lines in (
        ("overhead", _overhead),
        ("input", _input),
        ("scale", _scale),
        ("serving-throughput", _serving),
    ):
        if (file := results / f"{name}.json").exists():
            made += lines(json.loads(file.read_text()))
    for file in sorted(results.glob("roofline-*.json")):
        made.append(_roofline(json.loads(file.read_text())))
    return "\n".join([SPEED_BEGINS, *([SPEED_HEAD] if made else []), *made, SPEED_ENDS])


def _overhead(result: dict[str, Any]) -> list[str]:
    rounds, ratios = result["rounds"], result["ratios"]
    sides = [_range(rounds[side], "seconds", 1) for side in ("ours", "plain")]
    memory = [f"{_middle(rounds[side], 'peak'):,.0f}" for side in ("ours", "plain")]
    about = f"the network of `cifar10-deep`, {result['images']:,} images"
    return [
        _line(f"seconds of an epoch, {about}; plain Keras", *sides, f"{ratios['seconds']:.2f}"),
        _line("peak memory of that, MiB", *memory, f"{ratios['peak_memory']:.2f}"),
    ]


def _input(result: dict[str, Any]) -> list[str]:
    rounds, ratios = result["rounds"], result["ratios"]
    rate = {kind: f"{statistics.median(rates):,.0f}" for kind, rates in rounds.items()}
    return [
        _line(
            "images a second, unchanged; `image_dataset_from_directory`",
            *(rate[kind] for kind in ("unchanged", "directory")),
            f"{ratios['directory']:.1f}",
        ),
        _line(
            "images a second, flipped, rotated, shifted; `ImageDataGenerator`",
            *(rate[kind] for kind in ("ours", "generator")),
            f"{ratios['generator']:.1f}",
        ),
    ]


def _serving(result: dict[str, Any]) -> list[str]:
    rate = {side: f"{statistics.median(rates):,.0f}" for side, rates in result["requests_per_second"].items()}
    return [
        _line(
            f"requests a second, a picture each, as {form}; `mlflow models serve` of the Keras flavour, as arrays",
            rate[f"ours, {form}"],
            rate["mlflow, arrays"],
            f"{result['ratios'][f'ours, {form}']:.1f}",
        )
        for form in ("base64", "arrays")
    ]


def _scale(result: dict[str, Any]) -> list[str]:
    most = max(result["time"], key=int)
    return [
        _line(f"time of an epoch, {most} times the images; the images once", "", "", f"{result['time'][most]:.1f}"),
        _line("memory besides file pages of that", "", "", f"{result['memory'][most]:.2f}"),
    ]


def _roofline(result: dict[str, Any]) -> str:
    peak, share = statistics.median(result["peak"]), result["share"]
    what = f"billions of operations a second, training of `{result['preset']}`; a product of matrices"
    return _line(what, f"{share * peak:.0f}", f"{peak:.0f}", f"{share:.2f}")


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _range(rows: list[dict[str, Any]], key: str, digits: int) -> str:
    values = [item[key] for item in rows]
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def with_table(page: str, made: str) -> str:
    """The page with the part between the marks that `made` has replaced."""
    begins, ends = made.splitlines()[0], made.splitlines()[-1]
    before, _, rest = page.partition(begins)
    return before + made + rest.partition(ends)[2]


def main() -> None:
    readme = REPOSITORY / "README.md"
    page = readme.read_text()
    for made in (table(RESULTS), speed(RESULTS)):
        page = with_table(page, made)
    write_text(readme, page)


if __name__ == "__main__":
    main()
