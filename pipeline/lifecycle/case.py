"""What the gate is asked: a run as a candidate, the champion, the test images, and what was decided so far."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipeline import decision, machine, paths, record, registry, runs, succession, tracking
from pipeline.decision import Kind, Occasion, Record, VersionFacts
from pipeline.errors import UserError
from pipeline.lifecycle import judging
from pipeline.on_record import Standing
from pipeline.params import Params
from pipeline.registry import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FACTS = {
    "run_key": runs.KEY_TAG,
    "commit": "reprolens.commit",
    "data": "reprolens.data",
    "split": "reprolens.split.test",
    "model": registry.MODEL_TAG,
}


@dataclass(frozen=True)
class Case:
    """The versions, the digest of the test images, all decisions so far, and why the gate is passed over, if it is."""

    candidate: Version
    champion: Version | None
    test: str
    known: Sequence[Record]
    reason: str

    @property
    def serves(self) -> bool:
        """Whether the candidate is the champion already."""
        return self.champion is not None and self.champion.number == self.candidate.number

    @property
    def standing(self) -> Standing:
        champion = self.champion.number if self.champion else None
        return Standing(self.candidate.number, champion, succession.served(self.candidate))

    def question(self, params: Params) -> str:
        """What is asked, as a digest."""
        champion = facts_of(self.champion) if self.champion else None
        return decision.question(facts_of(self.candidate), champion, params.promote, self.test)

    def occasion(self, kind: Kind, params: Params | None = None, refused: str = "") -> Occasion:
        """What a record says beside the numbers.

        Args:
            params: of the rule; None: by no rule.
        """
        return Occasion(
            kind=kind,
            name=self.candidate.name,
            when=_after(self.known),
            who=f"{machine.user()}@{machine.host()}",
            candidate=facts_of(self.candidate),
            champion=facts_of(self.champion) if self.champion else None,
            rule=params.promote if params else None,
            test=self.test,
            reason=self.reason,
            refused=refused,
        )


def facts_of(version: Version) -> VersionFacts:
    """A version as records name it."""
    facts = {"run_id": version.run_id} | {name: version.tags.get(tag, "unknown") for name, tag in FACTS.items()}
    return VersionFacts(version.number, version.called, facts)


def _after(known: Sequence[Record]) -> datetime:
    """Now, in whole seconds, but after every decision so far: they are told apart and put in order by their time."""
    now = datetime.now(UTC).replace(microsecond=0)
    if not known:
        return now
    return max(now, datetime.fromisoformat(known[-1]["when"]) + timedelta(seconds=1))


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two calls in one checkout wait for each other."""
    from filelock import FileLock

    paths.private().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.private() / "promote.lock"):
        yield


def open_case(client: "MlflowClient", params: Params, wanted: str | None, reason: str) -> Case:
    """Makes a version of the run `wanted`, by default that of the workspace, and gathers what it is held to.

    Raises:
        UserError: no such run, one of other data, one that is not complete; no test images; MLflow is away.
    """
    judging.require_fresh(params)
    test = judging.test_digest()
    name = registry.model_name(params)
    with registry.answering():
        run = runs.one_run(client, wanted) if wanted else _run_of_workspace(client)
        _require_complete(client, run, params)
        succession.settle(client, name)
        candidate = registry.add(client, name, run)
        champion = registry.champion(client, name)
        return Case(candidate, champion, test, registry.decisions(client, name), reason)


def _run_of_workspace(client: "MlflowClient") -> "Run":
    if not paths.RUN_KEY.exists():
        raise UserError("nothing was trained here yet: run `make repro`, or give a RUN")
    key = paths.RUN_KEY.read_text(encoding="utf-8").strip()
    if run := tracking.find_run(client, key):
        return run
    raise UserError(f"MLflow does not have the run of this workspace, {key}: run `reprolens track`")


def _require_complete(client: "MlflowClient", run: "Run", params: Params) -> None:
    """Holds a run to the data set of `params.yaml`, and to its end."""
    called = f"run {run.info.run_id} ({run.info.run_name})"
    data, wanted = client.get_experiment(run.info.experiment_id).name, record.experiment_name(params)
    if data != wanted:
        raise UserError(
            f"{called} is of the data set {data}, params.yaml names {wanted}: give a run of {wanted}, or change "
            "params.yaml with `reprolens use` and run `dvc repro`"
        )
    if "test/accuracy" not in run.data.metrics:
        raise UserError(f"{called} was never evaluated: run `dvc repro` for it, or `reprolens track` to complete it")


def require_unchanged(client: "MlflowClient", case: Case) -> None:
    """Holds the champion to the one that the candidate was judged against; another host may have been faster.

    Raises:
        UserError: it is another one now.
    """
    now = registry.champion(client, case.candidate.name)
    if (now and now.number) != (case.champion and case.champion.number):
        raise UserError(
            f"the champion became version {now.number if now else 'none'} while version {case.candidate.number} was "
            "judged: run this again"
        )
