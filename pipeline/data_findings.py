"""What there is to find in new data, one function per check: how large it is, how likely by chance, in words; pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline import drift
from pipeline.picture_statistics import STATISTICS
from pipeline.profile import TEST, Keys, Profile

LEAST = 20  # images on each side; with fewer, statistics say nothing
LEAST_TOLD = 0.1  # of a champion that is wrong as often as by chance it is 0, of one that is always right 1
SHOWN = 3  # classes, or kinds of change, that are named

NO_CHAMPION = "there is no champion's data to compare with"


@dataclass(frozen=True)
class Found:
    """What one check found; without `size` it was not possible, and the text says why."""

    text: str
    size: float | None = None  # 0 to 1
    p: float | None = None  # None: no statistical check


@dataclass(frozen=True)
class LabelEvidence:
    """How often the champion disagrees with labels: of new train and val images, and of its validation images."""

    wrong: int
    count: int
    wrong_before: int
    count_before: int
    num_classes: int
    resized: bool = False  # to the size that the champion takes


def unreadable(champion: Profile | None, now: Profile) -> Found:
    """The share of the new files that cannot be read."""
    broken = _more(champion, now, "unreadable")
    return _share(broken, broken + new_files(champion, now), "new files cannot be read")


def duplicates(champion: Profile | None, now: Profile) -> Found:
    """The share of the new files that are copies of another image, known before or new."""
    files = new_files(champion, now)
    return _share(files - len(new_keys(champion, now)), files, "new files are copies of an image")


def classes(champion: Profile, now: Profile) -> Found:
    """The share of the classes that came or went."""
    before, after = set(champion.classes), set(now.classes)
    changes = [f"new: {_list(sorted(after - before))}"] if after - before else []
    changes += [f"gone: {_list(sorted(before - after))}"] if before - after else []
    return Found("; ".join(changes) or f"the same {len(after)}", len(before ^ after) / len(before | after))


def relabelled(champion: Profile, now: Profile) -> Found:
    """The share of the images known before whose label is another now."""
    _, old, new = np.intersect1d(champion.hashes, now.hashes, return_indices=True)
    before, after = (np.array(side.classes)[side.labels[rows]].tolist() for side, rows in ((champion, old), (now, new)))
    changed = Counter((one, other) for one, other in zip(before, after, strict=True) if one != other)
    found = _share(changed.total(), len(before), "images known before have another label")
    kinds = [f"{one} -> {other} ({count:,})" for (one, other), count in changed.most_common()]
    return Found(f"{found.text}: {_list(kinds)}" if kinds else found.text, found.size)


def vanished(champion: Profile, now: Profile) -> Found:
    """The share of the champion's images that are gone; `split` drops those that come again under another label."""
    known = np.unique(champion.hashes)
    found = _share(int(np.count_nonzero(~now.knows(known))), len(known), "images known before are gone")
    clashing = _more(champion, now, "conflicting_labels")
    note = f"; {clashing:,} more files are left out because equal pixels have two labels" if clashing else ""
    return Found(found.text + note, found.size)


def labels(evidence: LabelEvidence | None) -> Found:
    """The share of the new labels that are wrong, as the champion sees it; is it more than in validation by chance?

    A champion that is wrong about a share e of the images disagrees with right labels as often, and with wrong ones
    of k classes in 1 - e / (k - 1) of the cases; the share of wrong ones follows (Rogan & Gladen, "Estimating
    Prevalence from the Results of a Screening Test", American Journal of Epidemiology 107, 1978).
    """
    if evidence is None or not evidence.count or not evidence.count_before:
        return Found("the champion cannot be asked: no new images of its classes, or its validation images are gone")
    more = drift.more_often(evidence.wrong, evidence.count, evidence.wrong_before, evidence.count_before)
    before = evidence.wrong_before / evidence.count_before
    told = 1 - before - before / max(1, evidence.num_classes - 1)
    if told < LEAST_TOLD:
        return Found(f"the champion cannot be asked: it is wrong about {before:.0%} of its validation images")
    size = min(1.0, more.size / told)
    text = (
        f"the champion disagrees with {evidence.wrong / evidence.count:.1%} of {evidence.count:,} new labels, and with "
        f"{before:.1%} of {evidence.count_before:,} in validation: about {size:.0%} are wrong"
    )
    return Found(text + (" (pictures resized to what it takes)" if evidence.resized else ""), size, more.p)


def balance(champion: Profile, now: Profile) -> Found:
    """How far the class shares of new training and validation images are from those known; of classes in both."""
    both = sorted(set(champion.classes) & set(now.classes))
    known, new = _per_class(champion, both), _per_class(now, both, beyond=champion)
    if min(known.sum(), new.sum()) < LEAST:
        return _too_few(int(known.sum()), int(new.sum()))
    found = drift.balance(known, new)
    before, after = known / known.sum(), new / new.sum()
    most = int(np.argmax(np.abs(after - before)))
    return Found(f"most: {both[most]}, from {before[most]:.1%} to {after[most]:.1%} of the images", found.size, found.p)


def statistics(champion: Profile, now: Profile) -> Found:
    """The largest distance of a statistic's distribution, its p-value corrected for their number (Bonferroni)."""
    if reason := _incomparable(champion, now):
        return reason
    pairs = zip(champion.statistics.T, now.statistics.T, strict=True)
    found = {name: drift.distribution(known, new) for name, (known, new) in zip(STATISTICS, pairs, strict=True)}
    # Of grey pictures colour and warmth are all 0, and there is nothing to test.
    together = np.concatenate([champion.statistics, now.statistics])
    varying = max(1, int(np.count_nonzero(np.ptp(together, axis=0))))
    largest = max(found.values(), key=lambda item: item.size)
    shown = [f"{name} {item.size:.2f}" for name, item in found.items() if item.size]
    return Found(f"distance of {', '.join(shown) or 'all 0'}", largest.size, min(1.0, largest.p * varying))


def features(champion: Profile, now: Profile) -> Found:
    """How well a classifier tells new training images from known ones."""
    if reason := _incomparable(champion, now):
        return reason
    found = drift.told_apart(champion.features, now.features)
    return Found(
        f"a classifier tells new images from known ones with AUC {0.5 + found.size / 2:.2f}", found.size, found.p
    )


def new_keys(champion: Profile | None, now: Profile) -> Keys:
    """The different images that the champion's data has not."""
    keys = np.unique(now.hashes)
    return keys if champion is None else keys[~champion.knows(keys)]


def new_files(champion: Profile | None, now: Profile) -> int:
    """Readable files that there are beyond those of the champion's data, copies of known images among them."""
    dropped = _more(champion, now, "copies_of_held_out_images")
    if champion is None:
        return len(now) + dropped
    keys, counts = np.unique(now.hashes, return_counts=True)
    known, before = np.unique(champion.hashes, return_counts=True)
    _, here, there = np.intersect1d(keys, known, assume_unique=True, return_indices=True)
    counts[here] -= before[there]
    return int(np.maximum(counts, 0).sum()) + dropped


def _more(champion: Profile | None, now: Profile, what: str) -> int:
    return max(0, now.counts[what] - (champion.counts[what] if champion else 0))


def _per_class(profile: Profile, wanted: Sequence[str], beyond: Profile | None = None) -> NDArray[np.int64]:
    """Different training and validation images per class, that `beyond` has not."""
    keys, rows = np.unique(profile.hashes, return_index=True)
    chosen = profile.splits[rows] != TEST
    if beyond is not None:
        chosen &= ~beyond.knows(keys)
    found = np.bincount(profile.labels[rows[chosen]], minlength=len(profile.classes))
    return found[[profile.classes.index(name) for name in wanted]]


def _incomparable(champion: Profile, now: Profile) -> Found | None:
    if champion.shape != now.shape:
        sizes = ["x".join(str(side) for side in profile.shape) for profile in (now, champion)]
        return Found(f"images are packed as {sizes[0]}, those of the champion were {sizes[1]}")
    if min(len(champion.statistics), len(now.statistics)) < LEAST:
        return _too_few(len(champion.statistics), len(now.statistics))
    return None


def _too_few(known: int, new: int) -> Found:
    return Found(f"too few images: {new:,} new, {known:,} known; at least {LEAST} of each are needed")


def _share(part: int, whole: int, what: str) -> Found:
    size = part / whole if whole else 0.0
    return Found(f"{part:,} of {whole:,} {what}", size)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
