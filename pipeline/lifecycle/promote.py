"""`reprolens promote`: the gate's answer becomes a record, then the champion.

The record is written before the alias moves. So a call that was cut off is finished by the next one, and a question
that was answered before (the same two versions, rule and test images) is not decided again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import decision, gate, on_record, paths, registry, succession
from pipeline.decision import Kind, Record
from pipeline.errors import UserError
from pipeline.files import scratch_folder
from pipeline.gate import Decision
from pipeline.lifecycle import history, judging
from pipeline.lifecycle.case import Case, one_at_a_time, open_case, require_unchanged
from pipeline.params import Params
from pipeline.registry import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate: whether `version` serves now, the record, and words.

    The record of a question that was answered before is the short one.
    """

    promoted: bool
    record: Record
    version: Version
    text: str


def promote(
    client: "MlflowClient", params: Params, wanted: str | None = None, force: bool = False, reason: str | None = None
) -> Outcome:
    """Judges the candidate `wanted`, by default the run of the workspace, and acts on the answer.

    Raises:
        UserError: nothing could be decided; the champion stays.
    """
    why = (reason or "").strip()
    if force and not why:
        raise UserError("--force needs a reason that stays on record: add --reason TEXT")
    if why and not force:
        raise UserError("--reason tells why the gate is passed over: add --force, or leave it out")
    with one_at_a_time():
        case = open_case(client, params, wanted, why)
        found = on_record.answer(case.known, case.standing, case.question(params), force)
        return _again(client, case, found) if found else _decide(client, params, case)


def words(found: Record) -> str:
    """A record for the terminal: the decision, each line of the rule, and where the whole record is."""
    findings = found["decision"]["findings"] if found["decision"] else []
    lines = [f"  {'met    ' if item['passed'] else 'not met'}  {item['text']}" for item in findings]
    refused = [f"  the gate decided nothing: {found['refused']}"] if found["refused"] else []
    candidate = found["candidate"]
    file = f"{registry.FOLDER}/{decision.stamp(found)}-v{candidate['number']}.md"
    return "\n".join([history.line(found), *lines, *refused, f"record {file} of run {candidate['called']}"])


def _again(client: "MlflowClient", case: Case, found: Record) -> Outcome:
    """The outcome of a question that was answered before, brought to its end where that was cut off."""
    now, line = case.standing, words(found)
    if on_record.is_due(found, now):
        with registry.answering():
            succession.make_champion(client, case.candidate)
        return Outcome(True, found, case.candidate, line)
    if found["kind"] == "keep":
        return Outcome(False, found, case.candidate, line)
    if now.champion == now.candidate:
        return Outcome(True, found, case.candidate, line)
    back = f"version {now.candidate} served before and was taken back: it returns by --force --reason TEXT alone"
    return Outcome(False, found, case.candidate, f"{back}\n{line}")


def _decide(client: "MlflowClient", params: Params, case: Case) -> Outcome:
    """Judges the candidate, writes down the answer, and acts on it."""
    with registry.answering():
        if not case.serves:
            succession.challenge(client, case.candidate)
    with scratch_folder(paths.private() / "judging") as folder:
        found, refused = _judged(client, params, case, folder)
    promoted = bool(case.reason) or (found is not None and found.promoted)
    kind: Kind = "force" if case.reason else "promote" if promoted else "keep"
    kept = decision.to_record(case.occasion(kind, params, refused), found)
    with registry.answering():
        require_unchanged(client, case)
        registry.keep_files(client, case.candidate, kept)
        registry.keep_tag(client, case.candidate, kept)
        if promoted:
            succession.make_champion(client, case.candidate)
    return Outcome(promoted, kept, case.candidate, words(kept))


def _judged(client: "MlflowClient", params: Params, case: Case, folder: Path) -> tuple[Decision | None, str]:
    """The gate's answer; where a forced one could not be had, None and why not.

    Raises:
        UserError: it could not be had and is not forced, or the candidate's model does not load.
    """
    candidate = judging.open_model(client, params, case.candidate, folder)
    try:
        rival = candidate if case.serves else None
        if case.champion and not case.serves:
            rival = judging.open_model(client, params, case.champion, folder)
        return gate.decide(params.promote, judging.evidence(client, params, candidate, rival, folder)), ""
    except UserError as error:
        if not case.reason:
            raise
        return None, str(error)
