"""The storage of a study, on SQLite files and a real PostgreSQL: opened, away for a while, and what is refused."""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from pipeline import paths
from pipeline.errors import UserError
from pipeline.study_hosts import refuse_network_file, refuse_other_hosts
from pipeline.study_lock import study_lock
from pipeline.study_storage import open_storage
from pipeline.study_waiting import Waiting
from tests.postgres import Cutter, Server

if TYPE_CHECKING:
    from pipeline.patient_storage import PatientStorage

# We ask by hand here, where `reprolens tune` lets Optuna's `optimize` do it.
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
KINDS = ("sqlite", "postgresql")
Opener = Callable[..., "PatientStorage"]


@dataclass(frozen=True)
class Mount:
    mountpoint: str
    fstype: str


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of the kind a test is parametrized with."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tune.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.create(tmp_path.name)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def opened() -> Iterator[Opener]:
    """`open_storage`, whose connections are closed at the end."""
    storages: list[PatientStorage] = []

    def open_one(url: str | None, **options: Any) -> "PatientStorage":
        storages.append(open_storage(url, **options))
        return storages[-1]

    yield open_one
    for storage in storages:
        storage.remove_session()
        storage.engine.dispose()


def study_in(storage: "PatientStorage") -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(storage=storage, study_name="one", sampler=sampler, load_if_exists=True)


def make_trial(url: str) -> int:
    """Runs in a process of its own."""
    storage = open_storage(url)
    number = study_in(storage).ask().number
    storage.engine.dispose()
    return number


@pytest.mark.parametrize("address", KINDS, indirect=True)
def test_two_first_users_at_once_share_the_tables(address: str, opened: Opener, processes: ProcessPoolExecutor) -> None:
    numbers = list(processes.map(make_trial, [address] * 4))
    assert sorted(numbers) == [0, 1, 2, 3]
    assert len(study_in(opened(address)).trials) == 4


def test_by_default_studies_lie_in_the_checkout(workspace: Path, opened: Opener) -> None:
    study_in(opened(None))
    assert (paths.private() / "tune.db").exists()
    assert [summary.study_name for summary in opened(f"sqlite:///{paths.private()}/tune.db").get_all_studies()] == [
        "one"
    ]


def test_a_relative_file_is_not_followed_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    monkeypatch.chdir(tmp_path)
    assert opened("sqlite:///tune.db").engine.url.database == str(tmp_path / "tune.db")


@pytest.mark.parametrize("address", KINDS, indirect=True)
def test_trials_run_side_by_side_without_a_word(
    address: str, opened: Opener, capfd: pytest.CaptureFixture[str]
) -> None:
    storage = opened(address)
    study_in(storage)

    def work(_: int) -> None:
        lock, study = study_lock(storage, "one"), optuna.load_study(storage=storage, study_name="one")

        def objective(trial: optuna.Trial) -> float:
            x = trial.suggest_float("x", -1, 1)
            lock.release()
            for step in range(5):
                trial.report(x, step)
            return x / (trial.number % 3)

        lock.acquire()
        study.optimize(objective, n_trials=1, catch=(ZeroDivisionError,))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(21)))
    states = [trial.state for trial in study_in(storage).trials]
    assert states.count(TrialState.COMPLETE) == 14
    assert states.count(TrialState.FAIL) == 7
    assert capfd.readouterr() == ("", "")


# --- away for a while ---


def write_on(study: optuna.Study, trials: list[optuna.Trial], until: threading.Event) -> int:
    """Reports into every trial, again and again; returns how often."""
    step = 0
    while not until.is_set():
        for trial in trials:
            trial.report(0.5, step)
            trial.set_user_attr(f"step {step}", step)
        step += 1
    return step


def test_writes_wait_for_a_server_that_is_away(
    postgres: Server, opened: Opener, capfd: pytest.CaptureFixture[str]
) -> None:
    study, until = study_in(opened(postgres.create("away"))), threading.Event()
    with ThreadPoolExecutor(3) as pool:
        trials = [[study.ask()] for _ in range(3)]
        writers = [pool.submit(write_on, study, one, until) for one in trials]
        time.sleep(0.5)
        postgres.restart(away=2)
        time.sleep(1.5)
        until.set()
        steps = [writer.result(60) for writer in writers]
    written = study.trials
    assert [len(trial.intermediate_values) for trial in written] == steps
    assert [len(trial.user_attrs) for trial in written] == steps
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "tune: the study's storage is away",
        "tune: the study's storage is back",
    ]


@contextmanager
def locked_for(file: Path, seconds: float) -> Iterator[None]:
    """Another program holds the file so long, and longer than the body if that does not need it."""
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(seconds, other.close)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_writes_wait_for_a_file_that_is_locked(
    tmp_path: Path, opened: Opener, capfd: pytest.CaptureFixture[str]
) -> None:
    trial = study_in(opened(f"sqlite:///{tmp_path}/tune.db", busy=0.1)).ask()
    with locked_for(tmp_path / "tune.db", 1.0):
        trial.report(0.5, 1)
    assert trial.study.trials[0].intermediate_values == {1: 0.5}
    assert capfd.readouterr().err.splitlines() == [
        "tune: the study's storage is away (database is locked); waiting",
        "tune: the study's storage is back",
    ]


def test_patience_ends_in_one_clear_line_and_for_later_calls_at_once(tmp_path: Path, opened: Opener) -> None:
    said: list[str] = []
    storage = opened(f"sqlite:///{tmp_path}/tune.db", busy=0.05, waiting=Waiting(patience=0.5, say=said.append))
    trial = study_in(storage).ask()
    with locked_for(tmp_path / "tune.db", 3):
        with pytest.raises(UserError, match=r"away for over 0.5 s \(database is locked\).*run the same command again"):
            trial.report(0.5, 1)
        began = time.monotonic()
        with pytest.raises(UserError, match="away"):
            trial.set_user_attr("reason", "given up")
        storage.record_heartbeat(trial._trial_id)  # a missed beat does not end its thread
        assert time.monotonic() - began < 1
    trial.set_user_attr("reason", "at last")
    assert said == ["the study's storage is away (database is locked); waiting", "the study's storage is back"]


def test_errors_of_other_kinds_are_not_waited_for(tmp_path: Path, opened: Opener) -> None:
    storage = opened(f"sqlite:///{tmp_path}/tune.db")
    study_in(storage).add_trial(create_trial(state=TrialState.FAIL))
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_state_values(1, TrialState.COMPLETE, [1.0])
    with pytest.raises(KeyError):
        storage.get_trial(7)
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE trial_heartbeats")
    with pytest.raises(optuna.exceptions.StorageInternalError):
        storage.record_heartbeat(1)


# --- a commit whose answer is lost ---


@pytest.fixture
def cut(postgres: Server) -> Iterator[Cutter]:
    with Cutter(postgres.port) as cutter:
        yield cutter


@pytest.fixture
def through(cut: Cutter, postgres: Server, tmp_path: Path, opened: Opener) -> optuna.Study:
    """A study whose connections can be cut."""
    url = postgres.create(tmp_path.name).replace(str(postgres.port), str(cut.port))
    return study_in(opened(url, waiting=Waiting(say=lambda _: None)))


def test_a_trial_is_made_once(cut: Cutter, through: optuna.Study) -> None:
    cut.commit_of("INSERT INTO trials ")
    assert through.ask().number == 0
    assert cut.times == 1
    assert len(through.trials) == 1


def test_a_queued_trial_is_queued_once_also_by_two_hosts(cut: Cutter, through: optuna.Study) -> None:
    cut.commit_of("INSERT INTO trials ")
    through.enqueue_trial({"x": 0.5}, user_attrs={"point": 3, "retry_of": 1})
    through.enqueue_trial({"x": 0.5}, user_attrs={"point": 3, "retry_of": 1})
    through.enqueue_trial({"x": 0.5}, user_attrs={"point": 3, "retry_of": 2})
    assert cut.times == 1
    assert [trial.user_attrs["retry_of"] for trial in through.trials] == [1, 2]
    taken = through.ask()
    assert taken.suggest_float("x", 0, 1) == 0.5
    through.tell(taken, 1.0)
    through.enqueue_trial({"x": 0.5}, user_attrs={"point": 3, "retry_of": 1})  # finished by now
    assert [trial.state for trial in through.trials] == [TrialState.COMPLETE, TrialState.WAITING]


def test_a_queued_trial_is_taken_by_who_took_it(cut: Cutter, through: optuna.Study) -> None:
    through.enqueue_trial({"x": 0.5}, user_attrs={"point": 0})
    cut.commit_of("UPDATE trials SET")
    assert through.ask().number == 0
    assert cut.times == 1
    assert [trial.state for trial in through.trials] == [TrialState.RUNNING]
    assert through.ask().number == 1


def test_a_trial_that_is_told_stays_told(cut: Cutter, through: optuna.Study) -> None:
    trial = through.ask()
    cut.commit_of("UPDATE trials SET")
    through.tell(trial, 0.75)
    assert cut.times == 1
    assert [(trial.state, trial.value) for trial in through.trials] == [(TrialState.COMPLETE, 0.75)]


# --- heartbeats ---


def leave_running(storage: "PatientStorage", host: str) -> int:
    """A running trial of that host, whose heart has beaten; returns its id."""
    trial = study_in(storage).ask()
    trial.set_user_attr("host", host)
    storage.record_heartbeat(trial._trial_id)
    return trial._trial_id


def stop_hearts(storage: "PatientStorage", minutes: int = 10) -> None:
    """Makes all beats so many minutes older."""
    ago = {"sqlite": f"datetime('now', '-{minutes} minutes')", "postgresql": f"now() - interval '{minutes} minutes'"}
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE trial_heartbeats SET heartbeat = {ago[storage.engine.name]}")


@pytest.mark.parametrize("address", KINDS, indirect=True)
def test_trials_of_others_die_without_beats_but_never_ones_own(address: str, opened: Opener) -> None:
    dying, storage = opened(address), opened(address)
    other, own = leave_running(dying, "elsewhere"), leave_running(storage, "here")
    assert storage._get_stale_trial_ids(1) == []
    stop_hearts(storage)
    assert storage._get_stale_trial_ids(1) == [other]
    assert dying._get_stale_trial_ids(1) == [own]


def test_beats_are_in_utc_whatever_the_server_thinks(postgres: Server, opened: Opener) -> None:
    url = postgres.create("utc")
    postgres.execute("ALTER DATABASE utc SET timezone = 'Asia/Tokyo'")
    storage = opened(url)
    leave_running(storage, "here")
    ((minutes,),) = postgres.execute(
        "SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - heartbeat) / 60 FROM trial_heartbeats", "utc"
    )
    assert abs(float(str(minutes))) < 1


def test_hearts_get_time_to_beat_again_after_the_storage_was_away(tmp_path: Path, opened: Opener) -> None:
    url = f"sqlite:///{tmp_path}/tune.db"
    other = leave_running(opened(url), "elsewhere")
    storage = opened(url, busy=0.05, waiting=Waiting(say=lambda _: None))
    stop_hearts(storage)
    assert storage._get_stale_trial_ids(1) == [other]
    with locked_for(tmp_path / "tune.db", 0.3):
        storage.set_study_user_attr(1, "host", "here")
    assert storage._get_stale_trial_ids(1) == []


# --- one host only ---


def test_another_host_that_works_on_the_file_is_refused(tmp_path: Path, opened: Opener) -> None:
    url = f"sqlite:///{tmp_path}/tune.db"
    leave_running(opened(url), "elsewhere")
    storage = opened(url)
    refuse_other_hosts(storage, "one", "elsewhere")
    with pytest.raises(UserError, match=r"host 'elsewhere' runs trial 0 in the same SQLite file.*postgresql://.*300 s"):
        refuse_other_hosts(storage, "one", "here")
    stop_hearts(storage)
    refuse_other_hosts(storage, "one", "here")
    assert study_in(storage).trials[0].state == TrialState.RUNNING


def test_hosts_share_a_server(postgres: Server, opened: Opener) -> None:
    storage, other = opened(url := postgres.create("hosts")), opened(url)
    leave_running(other, "elsewhere")
    refuse_other_hosts(storage, "one", "here")
    assert study_in(storage).ask().number == 1


def test_a_file_on_a_network_is_refused(tmp_path: Path) -> None:
    mounts = [Mount("/", "ext4"), Mount(str(tmp_path / "net"), "autofs"), Mount(str(tmp_path / "net"), "nfs4")]
    mounts.append(Mount(str(tmp_path / "net/local"), "xfs"))
    (tmp_path / "link").symlink_to(tmp_path / "net")
    refuse_network_file(tmp_path / "network.db", mounts)
    refuse_network_file(tmp_path / "net/local/tune.db", mounts)
    for place in ("net", "link"):
        with pytest.raises(UserError, match=f"network file system \\(nfs4 at {tmp_path}/net\\).*locks do not hold"):
            refuse_network_file(tmp_path / place / "tune.db", mounts)


# --- what cannot be opened ---

SECRET = "s3cret-{word}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tune.db", "no address of a database: give sqlite:///PATH or postgresql://"),
        (f"mysql://me:{SECRET}@host/studies", "mysql://...: neither SQLite nor PostgreSQL"),
        (f"postgresql+asyncpg://me:{SECRET}@host/studies", "neither SQLite nor PostgreSQL"),
        (f"postgresql://me:{SECRET}@host:port/studies", "no address of a database"),
        (f"postgresql://me:p@{SECRET}@host/studies", "more than one @: write one inside a password as %40"),
        ("sqlite://", "SQLite needs the path of a file"),
        ("sqlite:///:memory:", "SQLite needs the path of a file"),
        ("sqlite:///file:x?uri=true", "SQLite needs the path of a file"),
        ("sqlite:////nowhere/tune.db", "sqlite:////nowhere/tune.db: there is no folder /nowhere. Make it"),
        ("sqlite:////tmp", "this is a folder. Name a file in it, as in /tmp/tune.db"),
        ("sqlite:////dev/null/x", "there is no folder /dev/null"),
        (f"postgresql://me:{SECRET}@127.0.0.1:9/studies", "postgresql://me:***@127.0.0.1:9/studies: .*refused"),
        (f"postgresql://127.0.0.1:9/studies?user=me&password={SECRET}", "//127.0.0.1:9/studies: .*refused.*Check that"),
        (f"postgres://me:{SECRET}@nowhere.invalid/studies", "//me:***@nowhere.invalid/studies: .*resolve"),
        (f"postgresql://me:{SECRET}@127.0.0.1:9/studies?sslmode=odd", "sslmode"),
    ],
)
def test_an_address_that_cannot_be_is_one_line_without_its_password(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("***", r"\*\*\*")) as caught:
        open_storage(url)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_wrong_password_is_said_but_not_shown(postgres: Server, opened: Opener) -> None:
    postgres.execute("CREATE ROLE locked LOGIN SUPERUSER PASSWORD 's3{c}r%t@'")
    right = f"postgresql://locked:s3{{c}}r%25t%40@127.0.0.1:{postgres.port}/postgres"
    assert opened(right).get_all_studies() == []
    with pytest.raises(UserError, match=r"password authentication failed.*Check that the server runs") as caught:
        open_storage(right.replace("s3", "wrong"))
    assert "wrong" not in str(caught.value)


def test_a_database_that_does_not_exist_is_said(postgres: Server) -> None:
    with pytest.raises(UserError, match=r'database "nothing" does not exist.*name of the database'):
        open_storage(postgres.url("nothing"))


def test_a_user_who_may_make_no_tables_is_told(postgres: Server) -> None:
    postgres.execute("CREATE ROLE guest LOGIN")
    url = postgres.create("guarded").replace("postgres@", "guest@")
    postgres.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "guarded")
    with pytest.raises(UserError, match="permission denied for schema public"):
        open_storage(url)


def test_a_missing_driver_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"no driver.*pip install 'psycopg\[binary\]'"):
        open_storage("postgresql://127.0.0.1/studies")


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "tune.db").write_text("not a database, but long enough to be looked at " * 20)
    with pytest.raises(UserError, match=r"file is not a database. Name a new file"):
        open_storage(f"sqlite:///{tmp_path}/tune.db")
    assert (tmp_path / "tune.db").read_text().startswith("not a database")


def test_a_database_of_mlflow_is_refused_untouched(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, inspect

    from pipeline import tracking_server

    file = tmp_path / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
        tracking_server.connect()
    with pytest.raises(UserError, match=f"sqlite:///{file}: MLflow keeps its tables here. Name another database"):
        open_storage(f"sqlite:///{file}")
    engine = create_engine(f"sqlite:///{file}")
    assert "studies" not in inspect(engine).get_table_names()
    engine.dispose()


def test_tables_of_another_optuna_are_refused(tmp_path: Path, opened: Opener) -> None:
    storage = opened(f"sqlite:///{tmp_path}/tune.db")
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(UserError, match=r"tune.db: The runtime optuna version .* no longer compatible"):
        open_storage(f"sqlite:///{tmp_path}/tune.db")
