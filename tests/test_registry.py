"""Model versions and their aliases in a real local MLflow store."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import registry, succession, tracked_model
from pipeline.errors import UserError
from pipeline.registry import Version
from pipeline.runs import KEY_TAG
from tests.small_model import save_model
from tests.tracked_runs import params_of

KEY = "0123456789abcdef0123"


def make_versions(client: Any, name: str, count: int) -> list[Version]:
    """Versions without a run, of a model of their own."""
    client.create_registered_model(name)
    for _ in range(count):
        client.create_model_version(name, "file:///nowhere")
    return registry.versions(client, name)


def named(client: Any, name: str) -> dict[str, int]:
    return {alias: version.number for version in registry.versions(client, name) for alias in version.aliases}


class Cut(Exception):
    """Stands for a kill."""


class CutClient:
    """A client that dies before its call number `left` that changes anything."""

    def __init__(self, client: Any, left: int) -> None:
        self.client, self.left = client, left

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("set_", "delete_", "create_", "log_")):
            if self.left == 0:
                raise Cut
            self.left -= 1
        return getattr(self.client, name)


def test_a_model_is_named_after_its_data_set_as_mlflow_can_hold_it(tmp_path: Path) -> None:
    (tmp_path / "our:pets@home").mkdir()
    odd = params_of(f"dataset.path={tmp_path / 'our:pets@home'}", preset="folder")
    assert (registry.model_name(params_of()), registry.model_name(odd)) == ("digits", "our-pets-home")


def test_the_model_of_a_run_is_one_version_that_leads_back(client: Any, tmp_path: Path) -> None:
    tags = {KEY_TAG: KEY, "reprolens.commit": "abc", "reprolens.split.test": "t.dir", "other": "left behind"}
    run_id = client.create_run(client.create_experiment("add"), run_name="a run", tags=tags).info.run_id
    tracked_model.log_model(client, run_id, save_model(tmp_path / "model.keras"))
    run = client.get_run(run_id)
    first, again = registry.add(client, "add", run), registry.add(client, "add", run)
    assert first == again == registry.version_of(client, "add", 1)
    made = run.data.tags[tracked_model.LOGGED_TAG]
    expected = {name: tags[name] for name in tags if name != "other"} | {"reprolens.model": made}
    assert first.tags == expected | {"reprolens.called": "a run 01234567"}
    assert (first.run_id, first.address, first.called) == (run_id, "models:/add/1", "a run 01234567")
    tracked_model.log_model(client, run_id, save_model(tmp_path / "model.keras", ["other"] * 4))  # trained elsewhere
    assert registry.add(client, "add", client.get_run(run_id)).number == 2


def test_versions_come_in_order_with_their_aliases(client: Any) -> None:
    make_versions(client, "order", 11)
    client.set_registered_model_alias("order", "champion", "10")
    assert [version.number for version in registry.versions(client, "order")] == list(range(1, 12))
    assert registry.version_of(client, "order", "champion") == registry.version_of(client, "order", 10)
    assert registry.versions(client, "no such model") == [] and registry.champion(client, "no such model") is None


@pytest.mark.parametrize(
    ("name", "wanted", "line"),
    [
        ("unknown", "champion", "model unknown has no alias 'champion': give one of 1 to 2"),
        ("unknown", "3", "model unknown has no version '3': give one of 1 to 2"),
        ("none", "1", "model none has no version yet: `reprolens promote` makes the first one"),
    ],
)
def test_an_unknown_version_is_one_line(client: Any, name: str, wanted: str, line: str) -> None:
    if name == "unknown" and not registry.versions(client, name):
        make_versions(client, name, 2)
    with pytest.raises(UserError, match=f"^{line}$"):
        registry.version_of(client, name, wanted)


def test_previous_follows_the_champion_and_a_rollback_goes_further_back(client: Any) -> None:
    one, two, three = make_versions(client, "chain", 3)
    succession.challenge(client, one)
    succession.make_champion(client, one)
    assert named(client, "chain") == {"champion": 1}
    succession.make_champion(client, two)
    succession.make_champion(client, three)
    assert named(client, "chain") == {"champion": 3, "previous": 2}
    assert succession.roll_back(client, "chain").number == 2
    assert named(client, "chain") == {"champion": 2, "previous": 1}
    succession.roll_back(client, "chain")
    with pytest.raises(UserError, match="version 1 of chain has no version before it"):
        succession.roll_back(client, "chain")
    assert named(client, "chain") == {"champion": 1}


def test_a_promotion_cut_off_anywhere_leaves_a_champion_and_is_finished_by_the_next(client: Any) -> None:
    ended_by_itself = []
    for left in range(6):
        one, two, three = make_versions(client, f"cut {left}", 3)
        succession.make_champion(client, one)
        succession.make_champion(client, two)
        succession.challenge(client, three)
        try:
            succession.make_champion(CutClient(client, left), three)
            ended_by_itself.append(left)
        except Cut:
            assert named(client, f"cut {left}")["champion"] in (2, 3)
        succession.make_champion(client, three)
        assert named(client, f"cut {left}") == {"champion": 3, "previous": 2}
    assert ended_by_itself == [4, 5]


def test_a_rollback_needs_a_champion(client: Any) -> None:
    make_versions(client, "new", 1)
    with pytest.raises(UserError, match="model new has no champion yet"):
        succession.before(client, "new")


def test_a_champion_moved_by_hand_is_settled(client: Any) -> None:
    one, two = make_versions(client, "by hand", 2)
    succession.make_champion(client, one)
    succession.make_champion(client, two)
    client.set_registered_model_alias("by hand", "champion", "1")
    assert not succession.succession(client, "by hand").is_settled
    succession.settle(client, "by hand")
    assert named(client, "by hand") == {"champion": 1} and succession.succession(client, "by hand").is_settled
