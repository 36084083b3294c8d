"""The lines of the gate's rule: what was found, what it was held to, and both in words; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.class_floor import Loss, losses
from pipeline.mcnemar import p_words
from pipeline.page_parts import visible
from pipeline.paired_bootstrap import ROUNDING, Pairs, Strata, interval, one_sided_p, sign_p, strata_of
from pipeline.promote_params import Promote

NAMED = 5  # classes that a line lists
METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}


@dataclass(frozen=True)
class Finding:
    """One line of the rule: what was found, what it was held to, and both in words."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    text: str


@dataclass(frozen=True)
class Scores:
    """One model's numbers on the common images."""

    called: str
    accuracy: float
    balanced_accuracy: float
    calibration_error: float
    megabytes: float
    milliseconds: float | None

    def of(self, metric: str) -> float:
        return self.accuracy if metric == "accuracy" else self.balanced_accuracy


def images(count: int) -> str:
    """As in `1 image`, `2,000 images`."""
    return f"{count:,} image{'' if count == 1 else 's'}"


def enough(rule: Promote, num_images: int, left_out: Mapping[str, int]) -> Finding:
    text = f"{images(num_images)} that neither model was trained or validated on, at least {rule.least_images:,} needed"
    if any(left_out.values()):
        text += f"; {sum(left_out.values()):,} more were left out"
    return Finding("images", True, num_images, rule.least_images, text)


def first() -> Finding:
    return Finding("champion", True, None, None, "there is no champion yet: only images and budgets count")


def against(rule: Promote, candidate: Scores, champion: Scores, pairs: Pairs, classes: Sequence[str]) -> list[Finding]:
    """What the candidate is held to beside a champion."""
    strata = strata_of(pairs, rule.metric)
    found = [_gain(rule, candidate, champion, strata), _chance(rule, champion, strata), _interval(rule, strata)]
    if rule.class_floor < 1:
        found.append(_classes(rule, pairs, classes))
    if rule.calibration < 1:
        found.append(_calibration(rule, candidate, champion))
    return found


def budgets(rule: Promote, candidate: Scores) -> list[Finding]:
    """Size and time, where the rule has a budget for them."""
    found = []
    if rule.max_megabytes:
        size, limit = candidate.megabytes, rule.max_megabytes
        text = f"the model file has {size:.4g} MB, at most {limit:g} allowed"
        found.append(Finding("megabytes", size <= limit, size, limit, text))
    if rule.max_milliseconds:
        assert candidate.milliseconds is not None
        took, limit = candidate.milliseconds, rule.max_milliseconds
        text = f"one image takes {took:.3g} ms (median), at most {limit:g} allowed"
        found.append(Finding("milliseconds", took <= limit, took, limit, text))
    return found


def _gain(rule: Promote, candidate: Scores, champion: Scores, strata: Strata) -> Finding:
    values = f"{candidate.of(rule.metric):.4f} against {champion.of(rule.metric):.4f}"
    text = f"{METRICS[rule.metric]} {values}: {strata.gain:+.4f}, more than {rule.least_gain:g} needed"
    return Finding("gain", strata.gain > rule.least_gain + ROUNDING, strata.gain, rule.least_gain, text)


def _chance(rule: Promote, champion: Scores, strata: Strata) -> Finding:
    """McNemar's exact test where every image counts alike, else its kin by random signs."""
    more, fewer = int(strata.only_candidate.sum()), int(strata.only_champion.sum())
    if rule.metric == "accuracy":
        p, test = float(one_sided_p(np.array(more), np.array(fewer))), "exact McNemar, one-sided"
    else:
        p, test = sign_p(strata, rule.least_gain, rule.bootstrap, rule.seed), "paired random signs, one-sided"
    text = f"only the candidate is right on {images(more)}, only the champion on {fewer:,}: {p_words(p)} ({test}), "
    text += f"at most {rule.level:g} allowed{_hopeless(rule, champion, strata)}"
    return Finding("chance", p <= rule.level, p, rule.level, text)


def _hopeless(rule: Promote, champion: Scores, strata: Strata) -> str:
    """Says so where the champion makes so few mistakes that no candidate could pass."""
    mistakes = round((1 - champion.accuracy) * int(strata.images.sum()))
    if 0.5**mistakes <= rule.level:
        return ""
    return f"; the champion is wrong on {images(mistakes)}, so not even a candidate without a mistake could show more"


def _interval(rule: Promote, strata: Strata) -> Finding:
    low, high = interval(strata, rule.level, rule.bootstrap, rule.seed)
    text = f"the gain is above {low:+.4f} with {100 * (1 - rule.level):.5g}% confidence, and below {high:+.4f} "
    text += f"(paired bootstrap, {rule.bootstrap:,} resamples); the lower end must be above {rule.least_gain:g}"
    return Finding("interval", low > rule.least_gain + ROUNDING, low, rule.least_gain, text)


def _classes(rule: Promote, pairs: Pairs, classes: Sequence[str]) -> Finding:
    found = losses(pairs, rule.class_floor, rule.level)
    if found.real:
        text = f"fell by more than {rule.class_floor:g} recall: {_listed(found.real, classes)}"
    else:
        text = f"no class surely lost more than {rule.class_floor:g} recall{_deepest(pairs, classes)}"
    if found.noise:
        text += f"; within noise: {_listed(found.noise, classes)}"
    text += f" ({_tested(found.num_tested)})"
    return Finding("classes", not found.real, float(pairs.lost.max()), rule.class_floor, text)


def _tested(count: int) -> str:
    if not count:
        return "in no class do the two differ on enough images for a test to tell"
    over = f", Holm over the {count} classes where it can tell" if count > 1 else ", in the one class where it can tell"
    return f"exact McNemar, one-sided{over}"


def _deepest(pairs: Pairs, classes: Sequence[str]) -> str:
    number = int(pairs.lost.argmax())
    return f", the most {visible(classes[number])} with {pairs.lost[number]:.4f}" if pairs.lost[number] > 0 else ""


def _listed(found: Sequence[Loss], classes: Sequence[str]) -> str:
    words = [f"{visible(classes[loss.number])} -{loss.lost:.4f} ({p_words(loss.p)})" for loss in found[:NAMED]]
    return ", ".join(words) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _calibration(rule: Promote, candidate: Scores, champion: Scores) -> Finding:
    grew = candidate.calibration_error - champion.calibration_error
    text = (
        f"calibration error {candidate.calibration_error:.4f} against {champion.calibration_error:.4f}: {grew:+.4f}, "
    )
    text += f"it may grow by {rule.calibration:g}"
    return Finding("calibration", grew <= rule.calibration + ROUNDING, grew, rule.calibration, text)
