"""The snapshot: whole though the source grows while it is read; and the way back."""

import os
from pathlib import Path

import pytest

from pipeline import retrain_source
from pipeline.dvc_program import Dvc
from pipeline.retrain_source import is_unwatched, listing
from tests.tracked_runs import params_of

# `download` reads the source, then a picture comes in, once, before DVC hashes the source.
GRAPH = """
stages:
  download:
    cmd:
      - mkdir -p data && ls source > data/list && echo read >> log
      - test -e source/3 || touch source/3
    deps: [source]
    outs: [data/list]
  split:
    cmd: wc -l < data/list > data/count
    deps: [data/list]
    outs: [data/count]
"""


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A graph whose source has two pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source").mkdir()
    for name in ("1", "2"):
        (tmp_path / "source" / name).write_text(name)
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    assert Dvc().run("init", "--quiet", "--no-scm") == 0
    return tmp_path


@pytest.mark.slow
def test_a_picture_that_comes_in_meanwhile_is_taken(graph: Path) -> None:
    dataset = params_of().dataset.model_copy(update={"name": "folder", "path": "source", "watch": "source"})
    retrain_source.take(dataset, Dvc(), again=False)
    assert (graph / "data" / "count").read_text().strip() == "3"
    assert (graph / "log").read_text() == "read\nread\n"
    retrain_source.take(dataset, Dvc(), again=False)
    assert (graph / "log").read_text().count("read") == 2
    retrain_source.take(dataset, Dvc(), again=True)
    assert (graph / "log").read_text().count("read") == 3
    assert list(retrain_source.hashes()) == ["data/list", "data/count"]


def test_the_way_back(graph: Path) -> None:
    (graph / "source" / "3").touch()
    dvc = Dvc()
    dvc.require("never said", "repro", "--quiet")
    before = (graph / "dvc.lock").read_text()
    (graph / "source" / "4").touch()
    dvc.require("never said", "repro", "--quiet")
    assert (graph / "data" / "count").read_text().strip() == "4"
    retrain_source.put_back(before, dvc)
    assert (graph / "dvc.lock").read_text() == before
    assert (graph / "data" / "count").read_text().strip() == "3"
    retrain_source.put_back(None, dvc)
    assert not (graph / "dvc.lock").exists()


def test_a_listing_changes_with_names_sizes_and_times(tmp_path: Path) -> None:
    def now() -> str:
        return listing(str(tmp_path))

    (tmp_path / "cats").mkdir()
    seen = [now()]
    (tmp_path / "cats" / "1.png").write_bytes(b"1")
    seen.append(now())
    (tmp_path / "cats" / "1.png").write_bytes(b"12")
    seen.append(now())
    os.utime(tmp_path / "cats" / "1.png", (0, 0))
    seen.append(now())
    (tmp_path / "cats" / "1.png").rename(tmp_path / "cats" / "2.png")
    assert len({*seen, now()}) == 5 and now() == now()
    assert listing("s3://bucket/pictures") == listing("https://host/x.zip") == ""


@pytest.mark.parametrize(
    ("changes", "unwatched"),
    [
        ({"name": "digits"}, False),
        ({"name": "folder", "path": "/pictures", "watch": "/pictures"}, False),
        ({"name": "folder", "path": "s3://bucket/pictures"}, True),
        ({"name": "folder", "path": "s3://bucket/pictures", "watch": "s3://bucket/pictures"}, False),
        ({"name": "folder", "path": "https://host/x.zip", "sha256": "0" * 64}, False),
    ],
)
def test_an_address_that_dvc_does_not_ask_is_known(changes: dict[str, str], unwatched: bool) -> None:
    assert is_unwatched(params_of().dataset.model_copy(update=changes)) == unwatched
