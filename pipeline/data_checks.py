"""The checks of new data against the champion's, as the section `retrain` of the params says; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline import data_findings as findings
from pipeline.data_findings import Found, LabelEvidence
from pipeline.drift import corrected
from pipeline.profile import Profile
from pipeline.retrain_params import Check, Retrain

Answer = Literal["ok", "ignored", "warn", "stop", "not possible"]
Verdict = Literal["ok", "warn", "stop"]
ALARMS: dict[str, Answer] = {"ignore": "ignored", "warn": "warn", "stop": "stop"}
LOOKS = ("statistics", "features")  # the checks of pictures without their labels


@dataclass(frozen=True)
class CheckResult:
    """What one check found."""

    name: str  # as in `retrain.checks`
    answer: Answer
    size: float | None  # 0 to 1; None: not possible
    limit: float
    p: float | None  # corrected by Holm's method for all checks; None: no statistical check
    text: str  # for people

    @property
    def alarming(self) -> bool:
        """Whether it found more than the limit, whatever is to be done then."""
        return self.answer in ALARMS.values()


def check(
    retrain: Retrain, champion: Profile | None, now: Profile, labels: LabelEvidence | None
) -> tuple[CheckResult, ...]:
    """Every check in the order of the params.

    Args:
        champion: what the champion was trained on; None: there is none yet, or nothing is kept of it.
        now: the data as it is, made by `Profile.of_workspace(beyond=champion)`.
        labels: None where the champion cannot be asked.
    """
    found = _found(champion, now, labels)
    tested = [name for name, item in found.items() if item.p is not None]
    values = dict(zip(tested, corrected([found[name].p or 0.0 for name in tested]), strict=True))
    limits: dict[str, Check] = {name: getattr(retrain.checks, name) for name in type(retrain.checks).model_fields}
    return _explained([_judged(name, limits[name], found[name], values.get(name), retrain.level) for name in limits])


def _found(champion: Profile | None, now: Profile, labels: LabelEvidence | None) -> dict[str, Found]:
    found = {"unreadable": findings.unreadable(champion, now), "duplicates": findings.duplicates(champion, now)}
    if champion is None:
        rest = ("classes", "relabelled", "vanished", "labels", "balance", "statistics", "features")
        return found | dict.fromkeys(rest, Found(findings.NO_CHAMPION))
    return found | {
        "classes": findings.classes(champion, now),
        "relabelled": findings.relabelled(champion, now),
        "vanished": findings.vanished(champion, now),
        "labels": findings.labels(labels),
        "balance": findings.balance(champion, now),
        "statistics": findings.statistics(champion, now),
        "features": findings.features(champion, now),
    }


def _judged(name: str, limit: Check, found: Found, p: float | None, level: float) -> CheckResult:
    """Above its limit and, where it is a statistical check, no chance finding."""
    answer: Answer = "ok"
    if found.size is None:
        answer = "not possible"
    elif found.size > limit.above and (p is None or p <= level):
        answer = ALARMS[limit.do]
    return CheckResult(name, answer, found.size, limit.above, p, found.text)


def _explained(results: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Where pictures look different, too, the champion may be wrong about them, and not the labels."""
    if not any(item.alarming for item in results if item.name in LOOKS):
        return tuple(results)
    note = "; pictures look different, too, so it may be them and not the labels"
    doubted = [item.name == "labels" and item.alarming for item in results]
    return tuple(
        replace(item, text=item.text + note) if doubt else item for item, doubt in zip(results, doubted, strict=True)
    )


def verdict(results: Sequence[CheckResult]) -> Verdict:
    """What the checks say together."""
    answers = {item.answer for item in results}
    return "stop" if "stop" in answers else "warn" if "warn" in answers else "ok"


def table(results: Sequence[CheckResult]) -> list[str]:
    """One line per check, for a terminal: answer, name, size against its limit, p-value, words."""
    return [f"{item.answer:<12}  {item.name:<10}  {_numbers(item):<30}  {item.text}" for item in results]


def _numbers(item: CheckResult) -> str:
    if item.size is None:
        return ""
    chance = "" if item.p is None else ", p < 0.0001" if item.p < 0.0001 else f", p = {item.p:.2g}"
    return f"{item.size:.3f} (limit {item.limit:g}{chance})"
