"""`reprolens export`: a trained network in another format, which has to answer real images as its source does."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import classifier, export_images, export_origin, imagenet, paths, tracked_model, tracking_server
from pipeline.classifier import Classifier
from pipeline.errors import UserError
from pipeline.export import Exported, TooFar, check_place
from pipeline.export import export as write_compared
from pipeline.export_formats import SMALLEST_FIRST, Source
from pipeline.origin import called
from pipeline.progress import Advance, progress_bar

QUANTISABLE = "tflite"


@dataclass(frozen=True)
class Wishes:
    """What to write where. images: pictures to compare on. within: see `export.export`."""

    format_name: str
    place: Path
    quantize: bool = False
    images: str | None = None
    within: float | None = None


def export(wanted: str | None, wishes: Wishes) -> str:
    """Writes one export of the model that `classifier.find` understands; returns what to say of it.

    Raises:
        UserError: something that was given is not there or does not fit, or the export differs from its source.
    """
    names = _tried(wishes)
    check_place(wishes.place, names[0])
    asked = _find(wanted)
    images, of_what = export_images.images_for(asked, wishes.images)
    with tempfile.TemporaryDirectory() as folder:
        source = Source(asked, _canonical_file(wanted, names[0], Path(folder)))
        done, refused = _first_within(source, names, wishes, images)
    lines = [*refused, *_told(done, of_what), _logged(wanted, done)]
    return "\n".join(line for line in lines if line)


def _tried(wishes: Wishes) -> Sequence[str]:
    """Names of formats, the one that is liked best first."""
    if wishes.quantize and wishes.format_name != QUANTISABLE:
        raise UserError(f"--quantize is for --format {QUANTISABLE} alone: leave it out for {wishes.format_name}")
    return SMALLEST_FIRST if wishes.quantize else [wishes.format_name]


def _find(wanted: str | None) -> Classifier:
    try:
        return classifier.find(wanted)
    except UserError as error:  # which speaks to `reprolens predict`, where the model is an option
        raise UserError(str(error).replace("--model", "MODEL")) from error


def _canonical_file(wanted: str | None, format_name: str, folder: Path) -> Path | None:
    """The source's file, if the format is a copy of it and there is one."""
    if format_name != "keras" or imagenet.is_meant(wanted or ""):
        return None
    if at_hand := export_origin.file_at_hand(wanted):
        return at_hand
    client, address = tracking_server.connect(), str(wanted)
    with tracking_server.reachable():
        if not address.startswith(classifier.ADDRESS):
            run = export_origin.run_of_model(client, address)
            assert run, "a run was found by this word before"
            address = tracked_model.address_of(client, run)
        return tracked_model.download(client, address, folder)


def _first_within(
    source: Source, names: Sequence[str], wishes: Wishes, images: NDArray[np.uint8]
) -> tuple[Exported, list[str]]:
    """The first format of those that is near enough to its source, and a line on each one before."""
    refused: list[str] = []
    for name in names:
        try:
            with _progress(len(images), source.asked.batch) as advance:
                return write_compared(source, name, wishes.place, images, wishes.within, advance), refused
        except TooFar as error:
            if name == names[-1]:
                before = "".join(f" ({line})" for line in refused)
                raise UserError(f"{error}{before}") from error
            refused.append(f"{name} differs by {error.compared.difference:.1e}, too much")
    raise AssertionError("no format was asked for")


@contextlib.contextmanager
def _progress(total: int, batch: int) -> Iterator[Advance]:
    """On standard error; none for a few images."""
    with ExitStack() as stack:
        if total <= batch:
            yield lambda steps: None
            return
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield stack.enter_context(progress_bar("comparing", total, "images"))


def _told(done: Exported, of_what: str) -> list[str]:
    compared = done.compared
    same = f"{compared.num_same:,} of {compared.num_images:,} images of {of_what}"
    return [
        f"export      {done.place} ({done.format_name}, {done.num_bytes:,} bytes, sha256 {done.digest})",
        f"labels      {done.labels}" if done.labels else "",
        f"difference  {compared.difference:.1e} at most, {done.within:g} allowed; the same class for {same}",
    ]


def _logged(wanted: str | None, done: Exported) -> str:
    """Logs to the run that the model came from, if MLflow knows it; returns what to say of that."""
    if imagenet.is_meant(wanted or "") or not _has_store():
        return ""
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            at_hand = export_origin.file_at_hand(wanted)
            find_by_file = export_origin.run_of_file
            run = find_by_file(client, at_hand) if at_hand else export_origin.run_of_model(client, str(wanted))
            return f"logged      {export_origin.log(client, run, done)} to run {called(run)}" if run else ""
    except tracking_server.Away as error:
        return f"not logged  MLflow at {tracking_server.tracking_uri()} is away ({error})"


def _has_store() -> bool:
    """Whether there is an MLflow to ask; one is not made for this."""
    return not tracking_server.tracking_uri().startswith("sqlite:") or (paths.tracking_store() / "mlflow.db").exists()
