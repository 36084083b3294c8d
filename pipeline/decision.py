"""The record of a decision: as JSON, as a page for people, and short enough for a tag; pure.

A record is a plain dictionary, so that what was written years ago is read as it is.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline import decision_page
from pipeline.gate import Decision, Differing
from pipeline.gate_findings import Finding
from pipeline.promote_params import Promote

Kind = Literal["promote", "keep", "force", "rollback"]
Record = dict[str, Any]

FORMAT = 1
LONGEST = 3_999  # characters of the short form
ROOMS = (300, 150, 60, 20)  # characters that each text of the short form gets; the most that fit


@dataclass(frozen=True)
class VersionFacts:
    """A model version as a record names it.

    `called` is for people, as in `dropout 0.3 (digits) 1a2b3c4d`; `facts` lead back: run_id, run_key, commit, data,
    split, model (all as text, shown in their order).
    """

    number: int
    called: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Occasion:
    """What surrounds a decision.

    kind: promote (the gate let it pass), keep (it did not), force (a person did without it), rollback.
    name: of the registered model. when: with its time zone. who: a person or a host.
    candidate: the version that was judged; of a rollback the one that serves again.
    champion: the one that served until then; None: there was none.
    rule: None of a rollback. test: digest of the test split. reason: why it was forced or rolled back.
    refused: why the gate could not decide, where it was forced for all that.
    """

    kind: Kind
    name: str
    when: datetime
    who: str
    candidate: VersionFacts
    champion: VersionFacts | None
    rule: Promote | None
    test: str
    reason: str = ""
    refused: str = ""


def to_record(occasion: Occasion, decision: Decision | None) -> Record:
    """The record, plain enough for JSON; `decision` is None of a rollback, or where the gate could not decide."""
    assert occasion.when.tzinfo, "a record is read in other time zones"
    rule = occasion.rule
    found: Record = {
        "format": FORMAT,
        "kind": occasion.kind,
        "name": occasion.name,
        "when": occasion.when.astimezone(UTC).isoformat(timespec="seconds"),
        "who": occasion.who,
        "reason": occasion.reason,
        "refused": occasion.refused,
        "test": occasion.test,
        "question": question(occasion.candidate, occasion.champion, rule, occasion.test) if rule else "",
        "rule": rule.model_dump() if rule else None,
        "candidate": asdict(occasion.candidate),
        "champion": asdict(occasion.champion) if occasion.champion else None,
        "decision": asdict(decision) if decision else None,
    }
    plain: Record = json.loads(json.dumps(found, allow_nan=False))
    return plain


def from_record(record: Record) -> tuple[Occasion, Decision | None]:
    """What `to_record` was given."""
    occasion = Occasion(
        kind=record["kind"],
        name=record["name"],
        when=datetime.fromisoformat(record["when"]),
        who=record["who"],
        candidate=VersionFacts(**record["candidate"]),
        champion=VersionFacts(**record["champion"]) if record["champion"] else None,
        rule=Promote.model_validate(record["rule"]) if record["rule"] else None,
        test=record["test"],
        reason=record["reason"],
        refused=record["refused"],
    )
    return occasion, _decision(record["decision"]) if record["decision"] else None


def _decision(kept: Mapping[str, Any]) -> Decision:
    return Decision(
        kept["promoted"],
        tuple(Finding(**item) for item in kept["findings"]),
        kept["numbers"],
        tuple(Differing(**item) for item in kept["differing"]),
    )


def question(candidate: VersionFacts, champion: VersionFacts | None, rule: Promote, test: str) -> str:
    """A digest of what was asked, `question` of a record: asked again, the same decision holds."""
    asked = [_identity(candidate), _identity(champion) if champion else None, rule.model_dump(), test]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _identity(version: VersionFacts) -> list[Any]:
    return [version.number, version.facts.get("model", "")]


def to_json(record: Record) -> str:
    """The text of the `.json` file."""
    return json.dumps(record, indent=1) + "\n"


def markdown(record: Record) -> str:
    """The page for people."""
    return decision_page.page(record)


def headline(record: Record) -> str:
    """One line, as in `version 3 was not promoted, version 2 stays the champion: ...`."""
    return decision_page.headline(record)


def when(record: Record) -> str:
    """Its time, to the minute, as in `2026-01-31 07:30 UTC`."""
    return f"{datetime.fromisoformat(record['when']):%Y-%m-%d %H:%M} UTC"


def short(record: Record) -> str:
    """JSON under 4,000 characters: all but the images, the classes and what leads back; for the tag of a version.

    It is a record, too. Where it would get too long, its texts are cut.
    """
    texts = (json.dumps(_shortened(record, room), separators=(",", ":")) for room in ROOMS)
    return next(text for text in texts if len(text) <= LONGEST)


def _shortened(record: Record, room: int) -> Record:
    kept = {**record, **{name: _cut(record[name], room) for name in ("who", "reason", "refused")}}
    for name in ("candidate", "champion"):
        kept[name] = record[name] and {**record[name], "called": _cut(record[name]["called"], room), "facts": {}}
    if found := record["decision"]:
        findings = [{**item, "text": _cut(item["text"], room)} for item in found["findings"]]
        kept["decision"] = {**found, "findings": findings, "numbers": _few(found["numbers"], room), "differing": []}
    return kept


def _few(numbers: Mapping[str, Any], room: int) -> dict[str, Any]:
    """The numbers without the classes."""
    few = {name: value for name, value in numbers.items() if name != "classes"}
    for name in ("candidate", "champion"):
        few[name] = numbers[name] and {**numbers[name], "called": _cut(numbers[name]["called"], room)}
    return few


def _cut(text: str, room: int) -> str:
    """As much of a text as takes so much room in JSON."""
    shown = text
    while len(json.dumps(shown)) - 2 > room:
        shown = shown[: len(shown) * 3 // 4]
    return shown if shown == text else f"{shown}..."


def stamp(record: Record) -> str:
    """When, as it stands in names of files and tags: `20260131T235959Z`."""
    return f"{datetime.fromisoformat(record['when']):%Y%m%dT%H%M%SZ}"
