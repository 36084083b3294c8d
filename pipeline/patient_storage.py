"""Optuna's RDB storage, made to wait while its database is away, and to do each thing once however often it is asked.

A connection that breaks during a commit leaves open whether the commit was done. Attributes, params and
intermediate values may be written twice; a new trial, and a change of a trial's state, carry a mark instead.
"""

import copy
import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.study_waiting import LONGEST_PAUSE, Waiting

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.orm import Session

    class PatientStorage(RDBStorage):
        """What `patient_storage_class` makes: Optuna is imported late, so the class is too."""

        waiting: Waiting
        own_trials: set[int]

        def __init__(self, waiting: Waiting, url: str, **options: Any) -> None: ...


MADE_AS = "reprolens:made_as"
TAKEN_AS = "reprolens:taken_as"
# What Optuna's cache over this storage and its heartbeats call, and may be called twice (`create_new_study` then
# says that the study exists, as where another process was faster). `delete_study` is left out: no one deletes.
REPEATED = (
    *("create_new_study", "set_study_user_attr", "set_study_system_attr", "get_study_id_from_name"),
    *("get_study_name_from_id", "get_study_directions", "get_study_user_attrs", "get_study_system_attrs"),
    *("get_all_studies", "_set_trial_param", "get_trial_id_from_study_id_trial_number", "_get_best_trial_id"),
    *("set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr", "get_trial", "_get_trials"),
)


@cache
def patient_storage_class() -> type["PatientStorage"]:
    """The subclass of `optuna.storages.RDBStorage`."""
    from optuna.storages import RDBStorage

    methods: dict[str, Any] = {name: _patient(getattr(RDBStorage, name)) for name in REPEATED}
    methods["__init__"] = _init
    methods["_create_new_trial"] = _create_new_trial
    methods["_get_prepared_new_trial"] = _get_prepared_new_trial
    methods["set_trial_state_values"] = _set_trial_state_values
    methods["record_heartbeat"] = _record_heartbeat
    methods["_get_stale_trial_ids"] = _get_stale_trial_ids
    return type("PatientStorage", (RDBStorage,), methods)


def _init(self: "PatientStorage", waiting: Waiting, url: str, **options: Any) -> None:
    """Opens the database at `url`; `options` are those of `RDBStorage`. Errors leave no connection open."""
    from optuna.storages import RDBStorage

    self.waiting, self.own_trials = waiting, set()
    try:
        RDBStorage.__init__(self, url, **options)
    except BaseException:
        if hasattr(self, "engine"):
            self.engine.dispose()
        raise


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: "PatientStorage", *args: Any, **kwargs: Any) -> Any:
        return self.waiting.repeat(lambda _: method(self, *args, **kwargs))

    return call


def _create_new_trial(
    self: "PatientStorage", study_id: int, template_trial: "FrozenTrial | None" = None
) -> "FrozenTrial":
    """Makes the trial once. Queued trials with equal user attributes are one, even if two hosts queue them."""
    from optuna.storages import RDBStorage
    from optuna.trial import TrialState, create_trial

    marked = copy.deepcopy(template_trial) if template_trial else create_trial(state=TrialState.RUNNING)
    known_by = json.dumps(marked.user_attrs, sort_keys=True) if marked.user_attrs else uuid.uuid4().hex
    marked.system_attrs = {**marked.system_attrs, MADE_AS: hashlib.sha256(known_by.encode()).hexdigest()}
    made = self.waiting.repeat(lambda _: RDBStorage._create_new_trial(self, study_id, marked))
    return self.get_trial(made._trial_id)  # one that was there before may have gone on since


def _get_prepared_new_trial(
    self: "PatientStorage", study_id: int, template_trial: "FrozenTrial", session: "Session"
) -> Any:
    """The row of a new trial, or of the one that has its mark. Optuna repeats this too, inside `_create_new_trial`."""
    from optuna.storages import RDBStorage
    from optuna.storages._rdb.models import TrialModel, TrialSystemAttributeModel

    mark = json.dumps(template_trial.system_attrs[MADE_AS])
    marked = session.query(TrialModel).join(TrialSystemAttributeModel).filter(TrialModel.study_id == study_id)
    made = marked.filter(TrialSystemAttributeModel.key == MADE_AS, TrialSystemAttributeModel.value_json == mark)
    return made.one_or_none() or RDBStorage._get_prepared_new_trial(self, study_id, template_trial, session)


def _set_trial_state_values(
    self: "PatientStorage", trial_id: int, state: "TrialState", values: Sequence[float] | None = None
) -> bool:
    """Whether the state is set; also where an earlier try had set it, and only its answer was lost."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.storages import RDBStorage
    from optuna.trial import TrialState

    mark = uuid.uuid4().hex
    if state == TrialState.RUNNING:  # a queued trial is taken
        self.set_trial_system_attr(trial_id, TAKEN_AS, mark)

    def work(again: bool) -> bool:
        try:
            done = RDBStorage.set_trial_state_values(self, trial_id, state, values)
        except UpdateFinishedTrialError:
            trial = RDBStorage.get_trial(self, trial_id)
            if again and trial.state == state and (values is None or trial.values == list(values)):
                return True
            raise
        if done or not again:
            return done
        return bool(RDBStorage.get_trial(self, trial_id).system_attrs.get(TAKEN_AS) == mark)

    return self.waiting.repeat(work)


def _record_heartbeat(self: "PatientStorage", trial_id: int) -> None:
    """Says that a trial of this process lives. A beat that is given up is missed: the thread goes on beating."""
    from optuna.storages import RDBStorage

    self.own_trials.add(trial_id)
    with suppress(UserError):
        self.waiting.repeat(lambda _: RDBStorage.record_heartbeat(self, trial_id))


def _get_stale_trial_ids(self: "PatientStorage", study_id: int) -> list[int]:
    """Trials whose process is dead, or cannot reach the storage.

    Right after the storage was away all hearts seem to have stopped, and likewise after this machine slept: other
    processes get time to beat again, and trials that this process runs are never among the dead.
    """
    from optuna.storages import RDBStorage

    stale = self.waiting.repeat(lambda _: RDBStorage._get_stale_trial_ids(self, study_id))
    return [] if self.waiting.back_within(2 * LONGEST_PAUSE) else [id_ for id_ in stale if id_ not in self.own_trials]
