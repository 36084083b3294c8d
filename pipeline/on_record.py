"""What the decisions on record say of a candidate: whether its question was answered before; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import decision
from pipeline.decision import Record

SERVES = ("promote", "force", "rollback")  # kinds after which the candidate serves


@dataclass(frozen=True)
class Standing:
    """A candidate as the registry has it now: its number, the champion's, and by which decision it served, if ever."""

    candidate: int
    champion: int | None
    served: str  # the stamp of the newest decision that was acted on; empty: none


def answer(known: Sequence[Record], now: Standing, question: str, force: bool) -> Record | None:
    """The decision that holds already, if any; the same question is not decided twice.

    A version that was rolled back, or whose promotion was undone by hand, returns by force alone.

    Args:
        known: all decisions on the model, oldest first.
        question: of the candidate, see `decision.question`.
    """
    about = [record for record in known if now.candidate in (number(record, "candidate"), _deposed(record))]
    if not about:
        return None
    last = about[-1]
    if now.champion == now.candidate:
        return next((record for record in reversed(about) if _asked(record, now, question)), None)
    if _deposed(last) == now.candidate:
        return None if force else last
    if last["question"] != question or (last["kind"] == "force") != force:
        return None
    return None if force and _was_done(last, now) else last


def is_due(found: Record, now: Standing) -> bool:
    """Whether a decision on record has still to be acted on: it was cut off between record and alias."""
    promoted = found["kind"] in ("promote", "force") and number(found, "candidate") == now.candidate
    return promoted and now.champion != now.candidate and not _was_done(found, now)


def _was_done(found: Record, now: Standing) -> bool:
    return now.served >= decision.stamp(found)


def number(record: Record, side: str) -> int | None:
    """The number of the version that a record has as `candidate` or `champion`."""
    return record[side]["number"] if record[side] else None


def _deposed(record: Record) -> int | None:
    """The version that a rollback took the champion's place from."""
    return number(record, "champion") if record["kind"] == "rollback" else None


def _asked(record: Record, now: Standing, question: str) -> bool:
    """Whether a record is why the champion serves, or says that it does already."""
    return number(record, "candidate") == now.candidate and (record["kind"] in SERVES or record["question"] == question)
