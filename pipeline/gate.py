"""The gate: does a candidate take the champion's place? A pure decision by the rule `promote` of `params.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import gate_findings, gate_refusals, metrics
from pipeline.class_floor import adjusted
from pipeline.gate_findings import Finding, Scores
from pipeline.metrics import Floats, Labels
from pipeline.paired_bootstrap import Pairs, pairs_of
from pipeline.promote_params import Promote

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Side:
    """One model's answers to the common test images, in their order.

    `labels` is (n,), `probabilities` (n, classes). `milliseconds` is the median time to answer one image, None where
    it was not measured.
    """

    called: str
    labels: Labels
    probabilities: Floats
    megabytes: float
    milliseconds: float | None


@dataclass(frozen=True)
class Evidence:
    """What is decided on: both models on test images that neither was trained or validated on.

    `champion` is None where there is none yet. `hashes` are of the pixels, one an image; copies of one image count
    once. `left_out` counts the test images that were left out since they lie in the training or validation data of
    only the `champion`, only the `candidate`, or `both`; no image is counted twice.
    """

    candidate: Side
    champion: Side | None
    classes: Sequence[str]
    hashes: Sequence[str]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Differing:
    """An image that the two answer differently, with the classes by name."""

    hash: str
    label: str
    candidate: str
    champion: str


@dataclass(frozen=True)
class Decision:
    """What the gate says, and on what ground; `numbers` is plain enough for JSON."""

    promoted: bool
    findings: tuple[Finding, ...]
    numbers: Mapping[str, Any]
    differing: tuple[Differing, ...]


def decide(rule: Promote, evidence: Evidence) -> Decision:
    """Holds a candidate to the rule: it is promoted if every line of it is met.

    Against a champion it must gain more than `least_gain`, and that must be no luck: neither by McNemar's exact test
    nor by the paired bootstrap interval, both one-sided at `level`. No class may be let down (`class_floor`), the
    calibration may not suffer, and the budgets hold. The first candidate only needs enough images, and the budgets.

    Raises:
        UserError: nothing can be decided: too few images, a rule that no candidate can meet, or a model whose answers
            are no numbers.
    """
    gate_refusals.require_possible(rule)
    places = _distinct(evidence)
    copies = len(evidence.hashes) - len(places)
    gate_refusals.require_enough(rule, len(places), copies, evidence.left_out)
    candidate = _scores(evidence.candidate, places)
    gate_refusals.require_timed(rule, candidate.called, candidate.milliseconds)
    findings = [gate_findings.enough(rule, len(places), evidence.left_out)]
    numbers = {"images": len(places), "copies": copies, "left_out": dict(evidence.left_out), "metric": rule.metric}
    numbers |= {"candidate": asdict(candidate), "champion": None, "differing": 0}
    differing: tuple[Differing, ...] = ()
    if evidence.champion is None:
        findings.append(gate_findings.first())
    else:
        champion = _scores(evidence.champion, places)
        gate_refusals.require_room(rule, champion.called, champion.of(rule.metric))
        pairs = _pairs(evidence, evidence.champion, places)
        findings += gate_findings.against(rule, candidate, champion, pairs, evidence.classes)
        differing = _differing(evidence, evidence.champion, places)
        numbers |= {"champion": asdict(champion), "differing": len(differing), **_compared(rule, pairs, evidence)}
    findings += gate_findings.budgets(rule, candidate)
    return Decision(all(finding.passed for finding in findings), tuple(findings), numbers, differing)


def _distinct(evidence: Evidence) -> Places:
    """Where each image stands first: a copy is no evidence of its own."""
    sides = [side for side in (evidence.candidate, evidence.champion) if side]
    for side in sides:
        assert np.array_equal(side.labels, evidence.candidate.labels), "both are judged on the same images"
        assert side.probabilities.shape == (len(evidence.hashes), len(evidence.classes))
        gate_refusals.require_numbers(side.called, side.probabilities)
    return np.sort(np.unique(np.asarray(evidence.hashes, dtype=np.str_), return_index=True)[1])


def _guesses(side: Side, places: Places) -> Labels:
    guesses: Labels = side.probabilities[places].argmax(axis=1)
    return guesses


def _scores(side: Side, places: Places) -> Scores:
    labels, probabilities = side.labels[places], side.probabilities[places]
    classes = metrics.per_class(labels, probabilities)
    return Scores(
        called=side.called,
        accuracy=metrics.accuracy(labels, probabilities),
        balanced_accuracy=float(classes["recall"][classes["support"] > 0].mean()),
        calibration_error=metrics.expected_calibration_error(labels, probabilities),
        megabytes=side.megabytes,
        milliseconds=side.milliseconds,
    )


def _pairs(evidence: Evidence, champion: Side, places: Places) -> Pairs:
    now, before = _guesses(evidence.candidate, places), _guesses(champion, places)
    return pairs_of(champion.labels[places], now, before, len(evidence.classes))


def _compared(rule: Promote, pairs: Pairs, evidence: Evidence) -> dict[str, Any]:
    """The numbers that need both: images that only one has right, in all and by class."""
    p, _ = adjusted(pairs, rule.level)
    classes = {
        str(name): {"images": images, "only_candidate": candidate, "only_champion": champion, "p": share}
        for name, images, candidate, champion, share in zip(
            evidence.classes,
            pairs.images.tolist(),
            pairs.only_candidate.tolist(),
            pairs.only_champion.tolist(),
            p.tolist(),
        )
    }
    only = {"only_candidate": int(pairs.only_candidate.sum()), "only_champion": int(pairs.only_champion.sum())}
    return {**only, "classes": classes}


def _differing(evidence: Evidence, champion: Side, places: Places) -> tuple[Differing, ...]:
    """The images that the two answer differently, in their order; either may be right, or neither."""
    now, before = _guesses(evidence.candidate, places), _guesses(champion, places)
    apart = np.flatnonzero(now != before)
    names = [str(name) for name in evidence.classes]
    numbers = (places[apart], champion.labels[places[apart]], now[apart], before[apart])
    return tuple(
        Differing(str(evidence.hashes[place]), names[label], names[one], names[other])
        for place, label, one, other in zip(*(part.tolist() for part in numbers))
    )
