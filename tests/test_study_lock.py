"""One at a time asks for a trial: threads, processes, and with PostgreSQL also after the server has restarted."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import UserError
from pipeline.study_lock import key_of, study_lock
from pipeline.study_storage import open_storage
from pipeline.study_waiting import Waiting
from tests.postgres import Server

if TYPE_CHECKING:
    from pipeline.patient_storage import PatientStorage

KINDS = ("sqlite", "postgresql")
TIMES = 15


def quiet(patience: float = 60) -> Waiting:
    return Waiting(patience, say=lambda _: None)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["PatientStorage"]:
    url = f"sqlite:///{tmp_path / 'tune.db'}"
    if getattr(request, "param", "postgresql") == "postgresql":
        url = request.getfixturevalue("postgres").create(tmp_path.name)
    opened = open_storage(url, waiting=quiet())
    yield opened
    opened.engine.dispose()


def count_up(storage: "PatientStorage", file: Path, who: int) -> None:
    """Adds its name to a file, in a manner that loses those of others who do the same meanwhile."""
    for _ in range(TIMES):
        with study_lock(storage, "one"):
            before = file.read_text()
            time.sleep(0.01)
            file.write_text(f"{before}{who} ")
        time.sleep(0.01)


def count_up_alone(url: str, file: Path, who: int) -> None:
    """Runs in a process of its own."""
    storage = open_storage(url)
    file.with_name(f"ready {who}").touch()
    while len(list(file.parent.glob("ready *"))) < 2:
        time.sleep(0.01)
    count_up(storage, file, who)
    storage.engine.dispose()


def url_of(storage: "PatientStorage") -> str:
    return storage.engine.url.render_as_string(hide_password=False)


@pytest.mark.parametrize("storage", KINDS, indirect=True)
def test_threads_take_turns(storage: "PatientStorage", tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.touch()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda who: count_up(storage, file, who), range(4)))
    assert sorted(file.read_text().split()) == sorted("0123" * TIMES)


@pytest.mark.parametrize("storage", KINDS, indirect=True)
def test_processes_take_turns(storage: "PatientStorage", tmp_path: Path, processes: ProcessPoolExecutor) -> None:
    file = tmp_path / "names"
    file.touch()
    working = [processes.submit(count_up_alone, url_of(storage), file, who) for who in range(2)]
    assert [one.result(120) for one in working] == [None, None]
    assert sorted(file.read_text().split()) == sorted("01" * TIMES)


@pytest.mark.parametrize("storage", KINDS, indirect=True)
def test_it_excludes_other_holders_until_released(storage: "PatientStorage") -> None:
    other = open_storage(url_of(storage))
    first, second, stop = study_lock(storage, "one"), study_lock(other, "one"), threading.Event()
    assert first.acquire() and first.held()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.acquire, stop)
        time.sleep(0.3)
        assert not waiting.done() and not second.held()
        first.release()
        first.release()
        assert waiting.result(10) and not first.held()
        pool.submit(second.release).result(10)
    with study_lock(storage, "one"), study_lock(storage, "two"):
        assert not first.held()
    other.engine.dispose()


@pytest.mark.parametrize("storage", KINDS, indirect=True)
def test_who_waits_can_be_stopped_and_only_the_holder_releases(storage: "PatientStorage") -> None:
    lock, stop = study_lock(storage, "one"), threading.Event()
    with lock, ThreadPoolExecutor(1) as pool:
        pool.submit(lock.release).result(10)
        assert lock.held()
        waiting = pool.submit(study_lock(storage, "one").acquire, stop)
        stop.set()
        assert waiting.result(10) is False
        with pytest.raises(KeyError), study_lock(storage, "two"):
            raise KeyError
        with study_lock(storage, "two") as freed:
            assert freed.held() and lock.held()


def test_a_server_that_restarts_frees_the_lock_and_release_says_nothing(
    storage: "PatientStorage", postgres: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    lost = study_lock(storage, "one")
    lost.acquire()
    postgres.restart()
    assert not lost.held() and not lost.held()
    lost.release()
    with study_lock(storage, "one") as lock:
        assert lock.held()
        postgres.restart()
    with study_lock(storage, "one") as lock:
        assert lock.held()
    assert capfd.readouterr() == ("", "")


def test_who_wants_the_lock_waits_for_a_server_that_is_away(storage: "PatientStorage", postgres: Server) -> None:
    lock = study_lock(storage, "one")

    def work() -> bool:
        with lock:
            return lock.held()

    postgres.stop()
    with ThreadPoolExecutor(1) as pool:
        try:
            waiting = pool.submit(work)
            time.sleep(1)
            assert not waiting.done()
        finally:
            postgres.start()
        assert waiting.result(30)


def test_a_server_that_stays_away_frees_the_other_threads(storage: "PatientStorage", postgres: Server) -> None:
    storage.waiting.patience = 0.3
    postgres.stop()
    try:
        for _ in range(2):
            with pytest.raises(UserError, match=r"away for over 0.3 s"):
                study_lock(storage, "one").acquire()
    finally:
        postgres.start()
    with study_lock(storage, "one") as lock:
        assert lock.held()


def test_the_key_is_the_same_everywhere() -> None:
    assert key_of("one") == 0x7C4909925F611E88
    assert len({key_of(f"study {number}") for number in range(1000)}) == 1000
    assert all(0 <= key_of(str(number)) < 2**63 for number in range(1000))
