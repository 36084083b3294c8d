"""New data looked at before anything is trained on it: against what the champion was trained on, and by its eyes.

The champion answers new training and validation images, and its own validation images to compare with; never the
test split.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import classifier, packed, paths
from pipeline.classifier import Classifier
from pipeline.data_checks import CheckResult, Verdict, check, table, verdict
from pipeline.data_findings import LabelEvidence, new_keys
from pipeline.decode import fit
from pipeline.picture_statistics import Pixels
from pipeline.profile import NAME, TEST, TRAIN, VAL, Profile, evenly
from pipeline.registry import Version, answering
from pipeline.retrain_params import Retrain

if TYPE_CHECKING:
    from mlflow import MlflowClient

MOST_ASKED = 5000  # new images, and as many validation images, that the champion answers

Rows = NDArray[np.int64]  # of a profile


@dataclass(frozen=True)
class Guarded:
    """What was found."""

    verdict: Verdict
    new_images: int  # that the champion's data has not; without a champion, all
    results: tuple[CheckResult, ...]

    @property
    def text(self) -> str:
        """For a terminal, a line per check."""
        return "\n".join([f"data: {self.verdict}, {self.new_images:,} new images", *table(self.results)])

    def as_dict(self) -> dict[str, Any]:
        """For a JSON summary."""
        return asdict(self)


def guard(client: "MlflowClient", retrain: Retrain, champion: Version | None) -> Guarded:
    """Checks the splits of the workspace.

    Raises:
        UserError: nothing is split yet; the champion's model or profile cannot be read; the registry is away.
    """
    known = profile_of(client, champion.run_id) if champion else None
    now = Profile.of_workspace(beyond=known)
    evidence = label_evidence(known, now, champion.address) if champion and known else None
    results = check(retrain, known, now, evidence)
    return Guarded(verdict(results), len(new_keys(known, now)), results)


def profile_of(client: "MlflowClient", run_id: str) -> Profile | None:
    """What a run keeps of its data; None where it keeps nothing, as runs of earlier versions do.

    Raises:
        UserError: it is broken, or the registry is away.
    """
    folder, _, _ = NAME.rpartition("/")
    with tempfile.TemporaryDirectory() as scratch:
        with answering():
            if not any(item.path == NAME for item in client.list_artifacts(run_id, folder)):
                return None
            file = Path(client.download_artifacts(run_id, NAME, scratch))
        return Profile.load(file)


def label_evidence(champion: Profile, now: Profile, address: str) -> LabelEvidence | None:
    """Has the champion's model guess; None where there is nothing to ask."""
    new, before = asked_rows(champion, now)
    if not len(new) or not len(before):
        return None
    asked = classifier.find(address)
    return LabelEvidence(
        wrong=_wrong(asked, now, new),
        count=len(new),
        wrong_before=_wrong(asked, now, before),
        count_before=len(before),
        num_classes=len(asked.labels),
        resized=now.shape != (*asked.size, asked.channels),
    )


def asked_rows(champion: Profile, now: Profile, most: int = MOST_ASKED) -> tuple[Rows, Rows]:
    """Rows of `now`: images that are new, of classes that the champion knows; and those it was validated on.

    Of either at most `most`, none of the test split; of the latter those whose label is still the same.
    """
    keys, first = np.unique(now.hashes, return_index=True)
    allowed = now.splits[first] != TEST
    new = allowed & ~champion.knows(keys) & np.isin(_names(now, first), champion.classes)
    held = np.flatnonzero(champion.splits == VAL)
    _, here, there = np.intersect1d(keys, champion.hashes[held], return_indices=True)
    same = allowed[here] & (_names(now, first[here]) == _names(champion, held[there]))
    return evenly(np.sort(first[new]), most), evenly(np.sort(first[here[same]]), most)


def _names(profile: Profile, rows: Rows) -> NDArray[np.str_]:
    return np.array(profile.classes)[profile.labels[rows]]


def _wrong(asked: Classifier, now: Profile, rows: Rows) -> int:
    """On how many of these images of the workspace the classifier disagrees with the label."""
    train, val = packed.load(paths.TRAIN).images, packed.load(paths.VAL).images
    boundary = np.count_nonzero(now.splits == TRAIN)
    names = np.array(asked.labels)
    count = 0
    for start in range(0, len(rows), asked.batch):
        chunk = rows[start : start + asked.batch]
        pixels = np.concatenate([train[chunk[chunk < boundary]], val[chunk[chunk >= boundary] - boundary]])
        guesses = asked.likelihoods(_as_taken(pixels, asked)).argmax(axis=1)
        count += int(np.count_nonzero(names[guesses] != _names(now, chunk)))
    return count


def _as_taken(pixels: Pixels, asked: Classifier) -> Pixels:
    """Pictures in the size and channels that the classifier takes."""
    if pixels.shape[1:] == (*asked.size, asked.channels):
        return pixels
    colour = np.broadcast_to(pixels, (*pixels.shape[:3], 3))
    return np.stack([fit(np.ascontiguousarray(item), asked.size, asked.channels) for item in colour])
