"""Stage 4: the only reader of the test split. Numbers, tables and pictures of the trained model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import canonical, images, keras_setup, packed, params_file, paths, record, report, sheets
from pipeline.completion import complete
from pipeline.errors import UserError, os_errors, run_main
from pipeline.files import replacing_folder, write_text
from pipeline.intervals import Interval, bootstrap_intervals
from pipeline.journal import Journal, open_journal
from pipeline.live import Live
from pipeline.metrics import Floats, confusion, measures_for, per_class, reliability
from pipeline.packed import Packed
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


def predict(model: "keras.Model", split: Packed) -> Floats:
    """Class probabilities, float32 (count, classes); rows add up to 1."""
    probabilities: Floats = model.predict(images.plain_batches(split, BATCH), verbose=0)
    return probabilities


def metrics_of(judged: Judged, intervals: dict[str, Interval]) -> dict[str, Any]:
    """The overall metrics, and under `interval` their 95% intervals."""
    labels, probabilities = judged.split.labels, judged.probabilities
    overall = {name: measure(labels, probabilities) for name, measure in measures_for(len(judged.classes)).items()}
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
    params: Evaluate, judged: Judged, manifest: "pd.DataFrame", history: "pd.DataFrame", folder: Path
) -> dict[str, Any]:
    """Writes tables and pictures to `folder` and returns the metrics."""
    intervals = bootstrap_intervals(judged.split.labels, judged.probabilities, params.bootstrap, params.seed)
    metrics = metrics_of(judged, intervals)
    predictions = predictions_table(judged, manifest)
    with replacing_folder(folder) as beside:
        packed.write_table(beside / "predictions.csv", predictions)
        packed.write_table(beside / "per_class.csv", class_table(judged, intervals))
        _draw(judged, metrics, history, beside)
        _draw_mistakes(judged, predictions, beside)
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


def _draw_mistakes(judged: Judged, predictions: "pd.DataFrame", folder: Path) -> None:
    wrong = np.flatnonzero((predictions["label"] != predictions["guess"]).to_numpy())
    worst = wrong[np.argsort(-judged.probabilities[wrong].max(axis=1), kind="stable")][:MISTAKES_SHOWN]
    rows = predictions.iloc[worst]
    captions = [
        sheets.mistake_caption(label, guess, likelihood)
        for label, guess, likelihood in zip(rows["label"], rows["guess"], rows["likelihood"], strict=True)
    ]
    title = (
        f"Worst mistakes: the {len(worst)} surest of {len(wrong):,} wrong guesses in {len(predictions):,} test images"
    )
    report.save(
        sheets.captioned_sheet([judged.split.images[row] for row in worst], captions, title), folder / "mistakes.png"
    )


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
    model, note = canonical.load(paths.MODEL)
    split = packed.load(paths.TEST)
    if len(split) == 0:
        raise UserError("the test split is empty: raise split.test")
    judged = Judged(split, predict(model, split), note["labels"])
    history = pd.read_csv(paths.HISTORY)
    with os_errors("cannot write the report", paths.EVALUATE_REPORT.parent):
        metrics = evaluate(params.evaluate, judged, packed.load_manifest(paths.TEST), history, paths.EVALUATE_REPORT)
        write_text(paths.METRICS, json.dumps(metrics, indent=1) + "\n")
        _track(open_journal(paths.RUN_KEY.read_text(encoding="utf-8").strip()), params, metrics)
    interval = metrics["interval"]["accuracy"]
    say(f"evaluate: accuracy {metrics['accuracy']:.4f} (95% interval {interval['low']:.4f} to {interval['high']:.4f})")


if __name__ == "__main__":
    run_main("evaluate", main)
