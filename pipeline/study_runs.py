"""The MLflow runs of an Optuna study: one for the study, and one below it per trial; a projection of the study.

Whatever is missing is added and nothing is logged twice, so it can be repeated after any cut-off. The runs
lie in an experiment of their own, so that the table of evaluated runs stays clean. Whoever works on a study
makes the runs of its own trials (`study_tracker`); `project` fills the gaps that others left.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import machine, run_state, study_facts, study_record, tracking, wording
from pipeline.context import provenance_tags
from pipeline.files import file_digest
from pipeline.journal import Event
from pipeline.run_state import RunState
from pipeline.study_record import BEGAN_TAG, EPOCHS_TAG, PARENT_TAG, PICTURES_TAG, STUDY_TAG, TRIAL_TAG
from pipeline.tracking import HOST_TAG, PID_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# User attributes of the study that only this module and `study_tracker` know.
FACTS = "tracking"  # what cannot be known later: {"params", "settings", "tags"}
ENDED = "tracking_ended"  # how the last process ended: {"status", "time", "pictures"}; None while one works
WHOLE = "tracking_whole"  # whether MLflow had everything when the last one had ended


class StudyRuns:
    """The runs of a study that has begun, as MLflow has them; made where they are missing."""

    def __init__(
        self,
        client: "MlflowClient",
        study: "Study",
        base_params: Mapping[str, Any],
        settings: Mapping[str, str],
        at_work: bool = False,
    ) -> None:
        """Finds or creates the run of the study; see `project`. `at_work`: this process runs trials of it."""
        self.client, self.study, self.base, self.at_work = client, study, base_params, at_work
        attrs = study.user_attrs
        self.objectives = study_facts.objectives_of(study)
        self.names = [objective.name for objective in self.objectives]
        self.origin: dict[str, str] = attrs.get(FACTS, {}).get("tags") or provenance_tags()
        self.experiment = _experiment(client, f"{attrs['experiment']}-tune", self.names)
        began = study_record.began(study.get_trials(deepcopy=False))
        self.identity = {STUDY_TAG: study.study_name, BEGAN_TAG: began}
        self.runs: dict[int, RunState] = {}
        self.parent = self._find(int(began))
        self._open({**settings})

    def _find(self, start: int) -> RunState:
        """Reads every run of the study, with one search; returns the one for the study."""
        groups: dict[str, list[RunState]] = {"": []}
        for state in self._search():
            groups.setdefault(state.tags.get(TRIAL_TAG, ""), []).append(state)
        parents = groups.pop("")
        self.runs = {int(number): run_state.first_of(self.client, states) for number, states in groups.items()}
        if not parents:
            tags = study_record.study_tags(self.study.study_name, self.names, self.origin) | self.identity
            run_state.create(self.client, self.experiment, self.study.study_name, start, tags)
            parents = [state for state in self._search() if TRIAL_TAG not in state.tags]  # another may have come first
        return run_state.first_of(self.client, parents)

    def _search(self) -> list[RunState]:
        found = run_state.search(self.client, self.experiment, f"tags.`{BEGAN_TAG}` = '{self.identity[BEGAN_TAG]}'")
        return [state for state in found if state.tags.get(STUDY_TAG) == self.study.study_name]

    def _open(self, settings: dict[str, str]) -> None:
        """Gives the study's run its settings and, if this process works on it, says that it runs."""
        mine = {HOST_TAG: machine.host(), PID_TAG: machine.process_mark()} if self.at_work else {}
        run_state.add_facts(self.client, self.parent, settings, mine)
        if self.at_work:
            run_state.set_status(self.client, self.parent, "RUNNING")

    def _reopen(self) -> None:
        """Opens the study's run again if another process, which ended, has closed it."""
        if self.at_work:
            self.parent = run_state.read(self.client, self.parent.run_id)
            self._open({})

    def bring(self, trial: "FrozenTrial", rows: Sequence[Event] = (), vanished: bool = False) -> None:
        """Brings the run of a trial that has begun to what the study says; see `study_record.trial_run`."""
        wanted = study_record.trial_run(trial, self.base, self.names, rows, vanished)
        tags = wanted.tags | self.identity | {PARENT_TAG: self.parent.run_id}
        state = self.runs.get(trial.number)
        if state is None:
            self._reopen()
            first = study_record.origin_tags(self.origin) | {name: tags[name] for name in tags if name != EPOCHS_TAG}
            state = run_state.create(self.client, self.experiment, wanted.name, wanted.start, first)
            self.runs[trial.number] = state
        if wanted.epochs and (EPOCHS_TAG not in tags or tags[EPOCHS_TAG] != state.tags.get(EPOCHS_TAG)):
            run_state.add_epochs(self.client, state, wanted.epochs)
        when = wanted.end or wanted.start
        run_state.add_points(self.client, state, [(name, value, when, 0) for name, value in wanted.values.items()])
        run_state.add_facts(self.client, state, wanted.params, tags)
        run_state.set_status(self.client, state, wanted.status, wanted.end)

    def bring_study(self, trials: Sequence["FrozenTrial"]) -> None:
        """Brings the study's own run to date: the best so far, and how many trials ended how."""
        counts = study_record.counts(trials)
        if all(self.parent.metrics.get(name) == value for name, value, _, _ in counts):
            return
        metrics = [study_record.best_metric(name) for name in self.names]
        have = {metric: tracking.epochs_of(self.client, self.parent.run_id, metric) for metric in metrics}
        points = study_record.history(trials, self.objectives)
        tracking.log_points(
            self.client, self.parent.run_id, [point for point in points if point[3] not in have[point[0]]]
        )
        run_state.add_points(self.client, self.parent, counts)

    def project(self) -> None:
        """Brings every run to what the study says; closes those that nobody works on."""
        trials = self.study.get_trials(deepcopy=False)
        running = {trial.number: self._lives(trial) for trial in trials if trial.state.name == "RUNNING"}
        for trial in trials:
            vanished = running.get(trial.number) is False
            ended = trial.datetime_complete and trial.datetime_start
            if ended or (vanished and trial.number in self.runs):
                self.bring(trial, vanished=vanished)
        for number in self.runs.keys() - {trial.number for trial in trials}:
            if self.runs[number].status == "RUNNING":
                run_state.set_status(self.client, self.runs[number], "KILLED")
        self.bring_study(trials)
        if not self.at_work and not any(running.values()) and not self._awaited():
            self._close()

    def _lives(self, trial: "FrozenTrial") -> bool:
        """Whether the process of a running trial may be there; of another host only its heartbeat tells."""
        host, process = trial.user_attrs.get("host"), str(trial.user_attrs.get("process", ""))
        if process == machine.process_mark():
            return self.at_work
        return host != machine.host() or machine.process_lives(process)

    def _awaited(self) -> bool:
        """Whether another process of this machine is about to run the next trial."""
        tags = self.parent.tags
        mark = tags.get(PID_TAG, "")
        return tags.get(HOST_TAG) == machine.host() and mark != machine.process_mark() and machine.process_lives(mark)

    def _close(self) -> None:
        attrs = self.study.user_attrs
        if ended := attrs.get(ENDED):
            self._upload([Path(name) for name in ended["pictures"] if Path(name).exists()])
            run_state.set_status(self.client, self.parent, ended["status"], ended["time"])
        elif self.parent.status == "RUNNING":
            run_state.set_status(self.client, self.parent, "KILLED")
        if not attrs.get(WHOLE):
            self.study.set_user_attr(WHOLE, True)

    def _upload(self, pictures: Sequence[Path]) -> None:
        """Uploads pictures, in place of those of their names, if they are not those that are there."""
        digest = wording.short_digest({picture.name: file_digest(picture, "md5") for picture in pictures})
        if pictures and self.parent.tags.get(PICTURES_TAG) != digest:
            for picture in pictures:
                self.client.log_artifact(self.parent.run_id, str(picture), "pictures")
            run_state.add_facts(self.client, self.parent, {}, {PICTURES_TAG: digest})


def _experiment(client: "MlflowClient", name: str, objectives: Sequence[str]) -> str:
    """The experiment of all studies of a data set; what someone wrote about it stays."""
    experiment_id = tracking.experiment_id(client, name)
    have = client.get_experiment(experiment_id).tags
    for tag, value in study_record.experiment_tags(objectives).items():
        if tag not in have:
            client.set_experiment_tag(experiment_id, tag, value)
    return experiment_id


def remember(study: "Study", base_params: Mapping[str, Any], settings: Mapping[str, str]) -> None:
    """Leaves in the study what `reprolens track` needs later, and that someone works on it."""
    if FACTS not in study.user_attrs:
        facts = {"params": {**base_params}, "settings": {**settings}, "tags": provenance_tags()}
        study.set_user_attr(FACTS, facts)
    study.set_user_attr(WHOLE, False)
    study.set_user_attr(ENDED, None)


def project(
    client: "MlflowClient", study: "Study", base_params: Mapping[str, Any], settings: Mapping[str, str]
) -> None:
    """Brings the runs of a study to what it says, and closes those that nobody works on; can be repeated.

    Args:
        base_params: the params of the training that hold where a trial sets no other, by dotted name.
        settings: how the study searches; the params of its run.
    """
    if study_record.began(study.get_trials(deepcopy=False)):
        StudyRuns(client, study, base_params, settings).project()
