"""Champion and candidate on the same test images: those that neither was trained or validated on.

The images are those of the workspace, and `stages.evaluate` reads them. A model for pictures of another size gets
the same images, packed once more at its size.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline import classifier, keras_setup, latency, packed, params_file, paths, profile, registry, tracked_model
from pipeline.classifier import Classifier
from pipeline.errors import UserError, os_errors
from pipeline.files import file_digest
from pipeline.gate import Evidence, Side
from pipeline.lifecycle import data_guard
from pipeline.params import Image, Params
from pipeline.profile import Profile
from pipeline.progress import say
from pipeline.registry import Version
from pipeline.stages import evaluate, split

if TYPE_CHECKING:
    from mlflow import MlflowClient

FORCE = "or replace the champion with `reprolens promote RUN --force --reason TEXT`"


@dataclass(frozen=True)
class Fetched:
    """A version with its model, at hand and known to load."""

    version: Version
    file: Path
    classifier: Classifier


def require_fresh(params: Params) -> None:
    """Holds the splits of the workspace to `params.yaml`.

    Raises:
        UserError: they were made with other params.
    """
    if not paths.GRAPH_LOCK.exists():
        return
    stages = params_file.read_yaml(paths.GRAPH_LOCK).get("stages", {})
    now = params_file.flatten(params.model_dump(mode="json"))
    for stage in ("download", "split"):
        made = params_file.flatten(stages.get(stage, {}).get("params", {}).get(str(paths.PARAMS), {}))
        if other := [name for name, value in made.items() if name in now and now[name] != value]:
            raise UserError(
                f"data/split was made with {other[0]} {made[other[0]]}, params.yaml has {now[other[0]]}: "
                "run `dvc repro` first"
            )


def test_digest() -> str:
    """A digest of the test images and their labels; raises a `UserError` where there are none."""
    lines = "".join(f"{row.pixel_hash} {row.label}\n" for row in evaluate.open_test()[1].itertuples())
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:32]


def fetch(client: "MlflowClient", version: Version, folder: Path) -> Path:
    """Fetches the model of a version to `folder`.

    Raises:
        UserError: it is gone, or other bytes than those that were registered.
    """
    place = folder / f"v{version.number}"
    place.mkdir(exist_ok=True)
    with registry.answering():
        file = tracked_model.download(client, version.address, place)
    made = version.tags.get(registry.MODEL_TAG)  # a version that was made by hand has none
    if made and file_digest(file, "md5") != made:
        raise UserError(f"{version.address} holds another model than the one that was registered (MD5 {made})")
    return file


def open_model(client: "MlflowClient", params: Params, version: Version, folder: Path) -> Fetched:
    """Fetches the model of a version, and loads it; raises as `fetch`, and where it is no model of this project."""
    file = fetch(client, version, folder)
    # It takes several models in one process for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras_setup.deterministic(params.evaluate.seed, params.train.threads)
    return Fetched(version, file, classifier.load(file, version.address))


def evidence(
    client: "MlflowClient", params: Params, candidate: Fetched, champion: Fetched | None, folder: Path
) -> Evidence:
    """Both models on the test images that neither was trained or validated on.

    Raises:
        UserError: other classes; nobody knows what a model was trained on; no test split.
    """
    classes = packed.load_classes(paths.CLASSES)
    sides = [candidate, *([champion] if champion else [])]
    for side in sides:
        _require_classes(side, classes)
    hashes = list(evaluate.open_test()[1]["pixel_hash"])
    seen = [_profile(client, side.version).in_training(hashes) for side in sides]
    trained, known = seen[0], seen[-1] if champion else np.zeros(len(hashes), np.bool_)
    common = ~(trained | known)
    answers = [_answers(params, side, hashes, folder) for side in sides]
    times = latency.milliseconds([side.classifier for side in sides], budget=params.promote.max_milliseconds > 0)
    judged = [
        Side(called(side.version), labels[common], likelihoods[common], side.file.stat().st_size / 1e6, taken)
        for side, (labels, likelihoods), taken in zip(sides, answers, times, strict=True)
    ]
    left_out = {
        "champion": int(np.sum(known & ~trained)),
        "candidate": int(np.sum(trained & ~known)),
        "both": int(np.sum(trained & known)),
    }
    kept = [digest for digest, use in zip(hashes, common.tolist(), strict=True) if use]
    return Evidence(judged[0], judged[1] if champion else None, classes, kept, left_out)


def called(version: Version) -> str:
    """A version for people: `version 3 (dropout 0.3 (digits) 1a2b3c4d)`."""
    return f"version {version.number} ({version.called})"


def _require_classes(side: Fetched, classes: Sequence[str]) -> None:
    if (known := side.classifier.labels) == list(classes):
        return
    other = sorted(set(known) ^ set(classes))
    named = ", ".join(map(repr, other[:5])) + (", ..." if len(other) > 5 else "") if other else "another order"
    raise UserError(
        f"{called(side.version)} and the data of the workspace have different classes ({named}): nothing can be "
        f"compared, promote a run on this data, {FORCE}"
    )


def _profile(client: "MlflowClient", version: Version) -> Profile:
    """Which images the run of a version was made from."""
    found = data_guard.profile_of(client, version.run_id) if version.run_id else None
    if found is None:
        raise UserError(
            f"the run of {called(version)} has no {profile.NAME}, so nobody knows which images it was trained on: run "
            f"`dvc repro --force evaluate` for it, {FORCE}"
        )
    return found


def _answers(
    params: Params, side: Fetched, hashes: Sequence[str], folder: Path
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Labels and probabilities of all test images; packs them anew for a model of another size."""
    size, channels = side.classifier.size, side.classifier.channels
    if evaluate.open_test()[0].images.shape[1:] == (*size, channels):
        judged, manifest = evaluate.judge(side.file)
    else:
        image = Image.model_validate({"size": size, "channels": channels})
        judged, manifest = evaluate.judge(side.file, _packed_as(params, image, folder / f"p{side.version.number}"))
    if list(manifest["pixel_hash"]) != list(hashes):
        raise UserError(f"{paths.RAW} is not what data/split was made of: run `dvc repro` first")
    return judged.split.labels, judged.probabilities


def _packed_as(params: Params, image: Image, folder: Path) -> Path:
    """Packs the splits at another size; which image lies in which does not depend on it."""
    say(f"judging: packing the test images as {image.size[0]}x{image.size[1]}x{image.channels}")
    places = {name: folder / name for name in split.OUTPUTS.splits}
    with os_errors("cannot pack the test images", folder):
        folder.mkdir()
        split.split(
            params.split, image, paths.RAW, split.Outputs(places, folder / paths.CLASSES.name, folder / "report")
        )
    return places["test"]
