"""Two runs judged on the same test images, from what `evaluate` left in MLflow: the test split is not read."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import page, pair_sheet, paths, report, runs
from pipeline.errors import UserError, os_errors
from pipeline.journal import open_journal
from pipeline.mcnemar import Verdict
from pipeline.mistake_images import read_pictures
from pipeline.pair_sheet import Pictures
from pipeline.pairing import Answers, read_answers, require_same_images, settings, table_of
from pipeline.wording import SHORT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True)
class Pair:
    """The answers of two runs to the same images, and the pictures of their mistakes, as far as there are any."""

    a: Answers
    b: Answers
    pictures: tuple[Pictures | None, Pictures | None]
    keys: tuple[str, str]

    def verdict(self) -> Verdict:
        """What the exact test says."""
        return Verdict(self.a.called, self.b.called, table_of(self.a, self.b))

    def draw(self, target: Path | None) -> Path:
        """Draws the images on which they differ, by default under the runs' keys; returns the picture's path."""
        place = target or paths.COMPARE / f"{self.keys[0]}_{self.keys[1]}.png"
        with os_errors("cannot write the picture", place):
            report.save(pair_sheet.draw(self.a, self.b, self.pictures), place)
        return place

    def missing(self) -> list[str]:
        """What to do for pictures that are not there, one line per run."""
        return [
            f"the pictures of what {answers.called} has wrong are missing: run `dvc repro --force evaluate` for it"
            for answers, known in zip((self.a, self.b), self.pictures, strict=True)
            if known is None and not answers.right.all()
        ]


def two_runs(client: "MlflowClient", first: str, second: str) -> tuple["Run", "Run"]:
    """The two runs that are meant.

    Raises:
        UserError: there is no such run, several are meant, or both are the same.
    """
    a, b = runs.one_run(client, first), runs.one_run(client, second)
    if a.info.run_id == b.info.run_id:
        raise UserError(f"{first!r} and {second!r} are the same run {called(a)}: give two")
    return a, b


def pair(client: "MlflowClient", a: "Run", b: "Run") -> Pair:
    """Fetches the answers of two runs and holds them to the same images.

    Raises:
        UserError: a run has no predictions; the images, labels or classes are not the same.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first, second = _answers(client, a, place), _answers(client, b, place)
        require_same_images(first, second, settings(_settings(a), _settings(b)))
        pictures = (_pictures(client, a, place), _pictures(client, b, place))
    return Pair(first, second, pictures, (key_of(a), key_of(b)))


def called(run: "Run") -> str:
    """A run by its name and the beginning of its key."""
    return f"{run.info.run_name} {key_of(run)[:SHORT]}"


def key_of(run: "Run") -> str:
    """The run key, else MLflow's id; safe as part of a file name."""
    key = str(run.data.tags.get(runs.KEY_TAG, ""))
    return key if runs.HEX.fullmatch(key) else str(run.info.run_id)


def _settings(run: "Run") -> Mapping[str, Any]:
    return {**run.data.params, "data": run.data.tags.get("data")}


def _answers(client: "MlflowClient", run: "Run", folder: Path) -> Answers:
    file = _artifact(client, run, paths.PREDICTIONS.name, folder)
    if file is None:
        raise UserError(f"run {called(run)} has no predictions: it was never evaluated, give one that was")
    return read_answers(file, called(run))


def _pictures(client: "MlflowClient", run: "Run", folder: Path) -> Pictures | None:
    file = _artifact(client, run, paths.MISTAKE_IMAGES.name, folder)
    return read_pictures(file) if file else None


def _artifact(client: "MlflowClient", run: "Run", name: str, folder: Path) -> Path | None:
    """A file that `evaluate` left: still in the journal, which is the newest, or in MLflow, or in the workspace."""
    key, run_id = key_of(run), run.info.run_id
    waiting = open_journal(key).artifacts / name
    if waiting.exists():
        return waiting
    if any(item.path == name for item in client.list_artifacts(run_id)):
        (folder / run_id).mkdir(exist_ok=True)
        return Path(client.download_artifacts(run_id, name, str(folder / run_id)))
    here = paths.EVALUATE_REPORT / name
    if here.exists() and paths.REPORT_PAGE.exists():
        return here if page.run_key_of(paths.REPORT_PAGE.read_text(encoding="utf-8")) == key else None
    return None
