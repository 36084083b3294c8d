"""Stage 3: trains the network on the training split, watched on the validation split; never sees test."""

from dataclasses import dataclass
from pathlib import Path

from pipeline import (
    canonical,
    devices,
    keras_setup,
    packed,
    params_file,
    paths,
    record,
    run_key,
    start_weights,
    transfer,
)
from pipeline.checkpoint import Row
from pipeline.errors import os_errors, run_main
from pipeline.files import replacing, write_text
from pipeline.journal import Journal, open_journal
from pipeline.live import Live, ended_properly
from pipeline.model import summary
from pipeline.params import Params
from pipeline.progress import say
from pipeline.training import Data, Watch, fit


@dataclass(frozen=True)
class Outputs:
    """Where the stage writes: the `.keras` file, the history and the table of layers."""

    model: Path
    history: Path
    summary: Path


OUTPUTS = Outputs(paths.MODEL, paths.HISTORY, paths.SUMMARY)


def train(params: Params, data: Data, classes: list[str], saved: Path, watch: Watch, outputs: Outputs) -> None:
    """Trains, and saves the canonical model with labels and params inside, and the history.

    Args:
        saved: the checkpoint to go on from and to write.
        watch: told about each epoch.
    """
    weights = start_weights.find(params.backbone)
    with devices.shared():
        model = transfer.build(params, data, len(classes))
        layers = summary(model)
        say(layers)
        write_text(outputs.summary, layers)
        job = transfer.job_of(model, params, data, weights, classes)
        if not saved.exists():
            transfer.warm_up(job, params)
        history = fit(job.model, job.data, params.train, job.changes, saved, watch)
    final = transfer.finished(params, data, model, len(classes))
    canonical.save(final, outputs.model, {"labels": classes, "params": run_key.train_params(params)})
    write_history(history, outputs.history)


def write_history(history: list[Row], target: Path) -> None:
    """The history as CSV: epoch, loss, accuracy, val_loss, val_accuracy."""
    import pandas as pd

    order = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    with replacing(target) as beside:
        packed.write_table(beside, pd.DataFrame(history)[order].astype({"epoch": int}))


def _train_tracked(params: Params, journal: Journal, key: str) -> None:
    data = Data(packed.load(paths.TRAIN), packed.load(paths.VAL))
    classes = packed.load_classes(paths.CLASSES)
    live = Live(journal)
    with ended_properly(live):
        live.start(**record.start_facts(params))
        record.keep_origin(journal)
        say(f"train: {len(data.train):,} images to train on, {len(data.val):,} to validate on")
        train(params, data, classes, journal.checkpoint, live.epoch, OUTPUTS)
        write_text(paths.RUN_KEY, key + "\n")
        record.keep_training(journal)
        journal.write("model", tags=record.model_tags(paths.MODEL))


def main() -> None:
    params = params_file.load(paths.PARAMS)
    keras_setup.deterministic(params.train.seed, params.train.threads)
    key = run_key.run_key(params, run_key.train_deps())
    journal = open_journal(key)
    with os_errors("cannot write the model", paths.MODEL.parent):
        _train_tracked(params, journal, key)
    journal.checkpoint.unlink(missing_ok=True)  # so that `--force` trains
    say(f"train: {paths.MODEL} (run key {key})")


if __name__ == "__main__":
    run_main("train", main)
