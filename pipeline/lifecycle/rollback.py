"""`reprolens rollback`: the version before serves again, and why stays on record."""

from typing import TYPE_CHECKING

from pipeline import decision, paths, registry, succession
from pipeline.decision import Record
from pipeline.files import scratch_folder
from pipeline.lifecycle import judging
from pipeline.lifecycle.case import Case, one_at_a_time
from pipeline.lifecycle.promote import Outcome
from pipeline.params import Params
from pipeline.registry import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient


def rollback(client: "MlflowClient", params: Params, reason: str | None = None) -> Outcome:
    """Gives the champion's place back to the version before it. A call that was cut off is finished first.

    Raises:
        UserError: there is none, or its model is gone.
    """
    name = registry.model_name(params)
    with one_at_a_time(), scratch_folder(paths.private() / "judging") as folder:
        with registry.answering():
            if finished := _unfinished(client, name):
                return _outcome(client, name, finished)
            now, target = succession.before(client, name)
            known = registry.decisions(client, name)
        judging.fetch(client, target, folder)
        with registry.answering():
            found = _begun(known, now, target) or _keep(client, Case(target, now, "", known, (reason or "").strip()))
            succession.roll_back(client, name)
            return _outcome(client, name, found)


def _unfinished(client: "MlflowClient", name: str) -> Record | None:
    """The rollback that a kill cut off after the champion was changed, now brought to its end."""
    settled = succession.succession(client, name).is_settled
    succession.settle(client, name)
    known = [] if settled else registry.decisions(client, name)
    return known[-1] if known and known[-1]["kind"] == "rollback" else None


def _begun(known: list[Record], now: Version, target: Version) -> Record | None:
    """The record of this very rollback, that a kill cut off before the champion was changed."""
    last = known[-1] if known else None
    if last is None or last["kind"] != "rollback":
        return None
    return last if (last["champion"]["number"], last["candidate"]["number"]) == (now.number, target.number) else None


def _keep(client: "MlflowClient", case: Case) -> Record:
    """Writes down that the candidate of a case, which served before, serves again."""
    found = decision.to_record(case.occasion("rollback"), None)
    registry.keep_files(client, case.candidate, found)
    registry.keep_tag(client, case.candidate, found)
    return found


def _outcome(client: "MlflowClient", name: str, found: Record) -> Outcome:
    return Outcome(True, found, registry.version_of(client, name, registry.CHAMPION), decision.headline(found))
