"""Who serves: the registry's champion, and a new one as soon as there is one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import classifier, registry, tracked_model, tracking_server
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.registry import Version
from pipeline.serving_champion import find
from tests.promoting import FAIR, MODEL, open_checkout, save_model
from tests.serving import SAID, champion, crown, logged_at, pictures, two_versions, version_of


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Params]:
    with open_checkout(tmp_path_factory.mktemp("checkout")) as params:
        yield params


@pytest.fixture(scope="module")
def versions(here: Params, tmp_path_factory: pytest.TempPathFactory) -> list[Version]:
    """The second one takes larger pictures; the third one's file is broken."""
    folder = tmp_path_factory.mktemp("models")
    broken = version_of(here, "c" * 20, save_model(folder / "c.keras", FAIR))
    (logged_at(broken) / tracked_model.FILE).write_bytes(b"broken")
    return [*two_versions(here, folder), broken]


def test_without_a_champion_nothing_can_serve(here: Params) -> None:
    with pytest.raises(UserError, match="model nobody has no champion to serve: `reprolens promote`"):
        find(registry.connect(), "nobody")


def test_a_new_champion_is_taken_over_and_said_once(versions: list[Version]) -> None:
    crown(versions[0])
    who = champion()
    first = who.now
    who.look()
    assert who.now is first and not SAID
    crown(versions[1])
    who.look()
    assert who.now.classifier.size == (16, 16) and who.now.version.number == versions[1].number
    assert [f"version {versions[1].number} of {MODEL} serves now"] == SAID


def test_a_thread_looks_for_the_new_champion(versions: list[Version]) -> None:
    crown(versions[0])
    with champion(every=0.01) as who:
        crown(versions[1])
        for _ in range(1000):
            if who.now.version.number == versions[1].number:
                return
            who._ended.wait(0.02)
    pytest.fail("the new champion was not seen")


@pytest.mark.parametrize("trouble", ["broken", "gone", "away"])
def test_trouble_costs_one_line_and_the_one_that_serves_goes_on(
    trouble: str, versions: list[Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(versions[0])
    who = champion()
    serving: Any = who.now
    client = tracking_server.connect()
    if trouble == "broken":
        crown(versions[2])
    elif trouble == "gone":
        client.delete_registered_model_alias(MODEL, registry.CHAMPION)
    else:
        who._client = Away()
    who.look()
    who.look()
    assert who.now is serving
    assert len(SAID) == 1 and SAID[0].startswith(f"version {versions[0].number} goes on serving: ")


class Away:
    """A client of a server that does not answer."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("nobody there")


def test_it_tells_who_it_is(versions: list[Version]) -> None:
    crown(versions[0])
    about = champion().now.about()
    assert (about["name"], about["version"], about["run_key"]) == (MODEL, versions[0].number, "a" * 20)
    assert about["labels"] == ["dark", "grey", "light"] and about["size"] == [8, 8]


def test_it_answers_as_predict_does(versions: list[Version], tmp_path: Path) -> None:
    crown(versions[0])
    here, address = champion().now.classifier, f"models:/{MODEL}@champion"
    pixels = np.stack(pictures(8))
    np.testing.assert_allclose(here.likelihoods(pixels), classifier.find(address).likelihoods(pixels), atol=1e-6)
