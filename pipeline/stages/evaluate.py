"""Stage 4: the only reader of the test split. Numbers, tables and pictures of the trained model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import canonical, images, keras_setup, packed, page, params_file, paths, record, report, sheets
from pipeline.about import About, about_workspace, folder_digest
from pipeline.completion import complete
from pipeline.errors import UserError, os_errors, run_main
from pipeline.files import replacing_folder, write_text
from pipeline.intervals import Interval, bootstrap_intervals
from pipeline.journal import Journal, open_journal
from pipeline.live import Live
from pipeline.metrics import Floats, confusion, measures_for, per_class, reliability, same_superclass
from pipeline.mistake_images import write_pictures
from pipeline.mistakes import Mistake, mistakes_of
from pipeline.packed import Packed
from pipeline.page_parts import Numbers
from pipeline.params import Evaluate, Params
from pipeline.progress import say

if TYPE_CHECKING:
    import keras
    import pandas as pd

BATCH = 256
MISTAKES_SHOWN = 24


@dataclass(frozen=True)
class Judged:
    """The test split with the model's answers."""

    split: Packed
    probabilities: Floats
    classes: list[str]
    superclasses: tuple[str, ...] = ()  # of each class, by its number, for data that has them


def superclasses_of(manifest: "pd.DataFrame", classes: Sequence[str]) -> tuple[str, ...]:
    """The superclass of each class, as the manifest has it; none for most data."""
    if "superclass" not in manifest:
        return ()
    found = dict(zip(manifest["label"], manifest["superclass"], strict=True))
    return tuple(found[label] for label in classes)


def predict(model: "keras.Model", split: Packed) -> Floats:
    """Class probabilities, float32 (count, classes); rows add up to 1."""
    probabilities: Floats = model.predict(images.plain_batches(split, BATCH), verbose=0)
    return probabilities


def open_test(folder: Path = paths.TEST) -> "tuple[Packed, pd.DataFrame]":
    """The test split and its manifest; raises a `UserError` where there is none, or nothing in it."""
    split = packed.load(folder)
    if len(split) == 0:
        raise UserError("the test split is empty: raise split.test")
    return split, packed.load_manifest(folder)


def judge(model_file: Path, folder: Path = paths.TEST) -> "tuple[Judged, pd.DataFrame]":
    """A model's answers to the test split, and the split's manifest; `keras_setup.deterministic` comes before.

    Args:
        folder: the same images packed at the model's own size, where that is another.

    Raises:
        UserError: there is no such model, or no test split.
    """
    model, note = canonical.load(model_file)
    split, manifest = open_test(folder)
    return Judged(split, predict(model, split), note["labels"], superclasses_of(manifest, note["labels"])), manifest


def metrics_of(judged: Judged, intervals: dict[str, Interval]) -> dict[str, Any]:
    """The overall metrics, and under `interval` their 95% intervals."""
    labels, probabilities = judged.split.labels, judged.probabilities
    overall = {name: measure(labels, probabilities) for name, measure in measures_for(len(judged.classes)).items()}
    if judged.superclasses:
        guessed_near = same_superclass(labels, probabilities.argmax(axis=1), judged.superclasses)
        overall["superclass_accuracy"] = float(guessed_near.mean())
    return overall | {
        "images": len(labels),
        "interval": {name: intervals[name] for name in overall if name in intervals},
    }


def class_table(judged: Judged, intervals: dict[str, Interval]) -> "pd.DataFrame":
    """One row per class: precision, recall and F1 with intervals, and support."""
    import pandas as pd

    table = pd.DataFrame({"label": judged.classes, **per_class(judged.split.labels, judged.probabilities)})
    for name in ("precision", "recall", "f1"):
        for bound in ("low", "high"):
            table[f"{name}_{bound}"] = [intervals[f"{name}/{number}"][bound] for number in range(len(table))]
    return table


def predictions_table(judged: Judged, manifest: "pd.DataFrame") -> "pd.DataFrame":
    """One row per test image: pixel_hash, file, label, guess, likelihood, then one probability per class."""
    import pandas as pd

    guesses = judged.probabilities.argmax(axis=1)
    table = manifest[["pixel_hash", "file", "label"]].copy()
    table["guess"] = [judged.classes[guess] for guess in guesses]
    table["likelihood"] = judged.probabilities.max(axis=1)
    columns = [f"p({label})" for label in judged.classes]
    return pd.concat([table, pd.DataFrame(judged.probabilities, columns=columns)], axis=1)


def evaluate(
    params: Evaluate, judged: Judged, manifest: "pd.DataFrame", history: "pd.DataFrame", about: About, folder: Path
) -> dict[str, Any]:
    """Writes tables, pictures and the page to `folder` and returns the metrics."""
    intervals = bootstrap_intervals(
        judged.split.labels, judged.probabilities, params.bootstrap, params.seed, judged.superclasses
    )
    metrics = metrics_of(judged, intervals)
    scores = class_table(judged, intervals)
    mistakes = mistakes_of(
        judged.split.labels, judged.probabilities, list(manifest["file"]), list(manifest["pixel_hash"])
    )
    with replacing_folder(folder) as beside:
        packed.write_table(beside / "predictions.csv", predictions_table(judged, manifest))
        packed.write_table(beside / "per_class.csv", scores)
        _draw(judged, metrics, history, beside)
        _draw_mistakes(judged, mistakes, beside)
        write_pictures(beside / paths.MISTAKE_IMAGES.name, judged.split.images, mistakes)
        numbers = Numbers(
            judged.classes,
            judged.split.labels,
            judged.probabilities,
            metrics,
            scores.to_dict("records"),
            history.to_dict("records"),
            mistakes,
            judged.split.images,
        )
        write_text(beside / paths.REPORT_PAGE.name, page.render(about, numbers))
    return metrics


def _draw(judged: Judged, metrics: dict[str, Any], history: "pd.DataFrame", folder: Path) -> None:
    import pandas as pd

    labels, probabilities, classes = judged.split.labels, judged.probabilities, judged.classes
    counts = confusion(labels, probabilities.argmax(axis=1), len(classes))
    table = pd.DataFrame(counts, columns=classes)
    table.insert(0, "label \\ guess", classes, allow_duplicates=True)
    packed.write_table(folder / "confusion.csv", table)
    report.save(report.confusion_matrix(counts, classes), folder / "confusion.png")
    error = metrics["expected_calibration_error"]
    report.save(report.reliability_diagram(reliability(labels, probabilities), error), folder / "reliability.png")
    report.save(report.learning_curves(history), folder / "curves.png")


def _draw_mistakes(judged: Judged, mistakes: list[Mistake], folder: Path) -> None:
    worst, classes = mistakes[:MISTAKES_SHOWN], judged.classes
    captions = [sheets.mistake_caption(classes[item.label], classes[item.guess], item.likelihood) for item in worst]
    count = len(judged.split)
    title = f"Worst mistakes: the {len(worst)} surest of {len(mistakes):,} wrong guesses in {count:,} test images"
    sheet = sheets.captioned_sheet([judged.split.images[item.row] for item in worst], captions, title)
    report.save(sheet, folder / "mistakes.png")


def _track(journal: Journal, params: Params, metrics: dict[str, Any]) -> None:
    if not journal.events("start"):  # `train` was restored from DVC's cache and never ran here
        record.rebuild(journal, params)
    journal.write("test", metrics=record.test_metrics(metrics))
    record.keep_evaluation(journal)
    live = Live(journal)
    live.connect()
    if not live.attempt(lambda client, run_id: complete(client, journal, paths.MODEL)):
        journal.keep_model(paths.MODEL)


def main() -> None:
    import pandas as pd

    params = params_file.load(paths.PARAMS)
    keras_setup.deterministic(params.evaluate.seed, params.train.threads)
    judged, manifest = judge(paths.MODEL)
    history = pd.read_csv(paths.HISTORY)
    with os_errors("cannot write the report", paths.EVALUATE_REPORT.parent):
        about = about_workspace(params, {"Test split": folder_digest(paths.TEST)})
        metrics = evaluate(params.evaluate, judged, manifest, history, about, paths.EVALUATE_REPORT)
        write_text(paths.METRICS, json.dumps(metrics, indent=1) + "\n")
        _track(open_journal(paths.RUN_KEY.read_text(encoding="utf-8").strip()), params, metrics)
    interval = metrics["interval"]["accuracy"]
    say(f"evaluate: accuracy {metrics['accuracy']:.4f} (95% interval {interval['low']:.4f} to {interval['high']:.4f})")


if __name__ == "__main__":
    run_main("evaluate", main)
