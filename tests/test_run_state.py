"""Several processes bring one run to what it should be, at the same time."""

import threading
from copy import deepcopy
from typing import Any

import pytest

from pipeline import run_state
from pipeline.run_state import RunState


@pytest.fixture
def state(client: Any) -> RunState:
    return run_state.create(client, "0", "run", 0, {})


def test_who_comes_second_adds_what_the_first_left_out(client: Any, state: RunState) -> None:
    second = deepcopy(state)  # both have read the run before one of them writes
    run_state.add_facts(client, state, {"sampler": "tpe", "trials": 4}, {"kept": "yes"})
    run_state.add_facts(client, second, {"sampler": "random", "seed": 1}, {"kept": "no"})
    there = run_state.read(client, state.run_id)
    assert there.params == {"sampler": "tpe", "trials": "4", "seed": "1"} == second.params
    assert there.tags["kept"] == "no"


def test_params_written_at_once_are_there_once(client: Any, state: RunState) -> None:
    params, writers, failed = {f"param.{number}": number for number in range(20)}, 6, []
    together = threading.Barrier(writers)

    def write(mine: RunState) -> None:
        together.wait()
        try:
            run_state.add_facts(client, mine, params, {})
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(deepcopy(state),)) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert run_state.read(client, state.run_id).params == {name: str(value) for name, value in params.items()}


def test_a_run_that_takes_nothing_is_told(client: Any, state: RunState) -> None:
    client.delete_run(state.run_id)
    with pytest.raises(Exception, match="must be in the 'active' state"):
        run_state.add_facts(client, state, {"sampler": "tpe"}, {})
