"""A run is made again from commit, params, lock, difference of the code and data; or one line says what is missing."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import dvc_storage, paths
from pipeline.errors import UserError
from pipeline.lifecycle.remake import laid_out, remake
from pipeline.origin import Origin
from tests.checkout import Checkout
from tests.conftest import REPOSITORY
from tests.small_graph import make_repository, origin_of

NEW = b"""diff --git a/pipeline/more.py b/pipeline/more.py
new file mode 100644
--- /dev/null
+++ b/pipeline/more.py
@@ -0,0 +1 @@
+MORE = 1
diff --git a/notes.png b/notes.png
new file mode 100644
Binary files /dev/null and b/notes.png differ
"""
SCRIPT = """
import sys
from pathlib import Path
from pipeline.lifecycle.remake import remake
from pipeline.lifecycle.tune import terminated_as_interrupted
from tests.checkout import Checkout
from tests.conftest import REPOSITORY
from tests.small_graph import origin_of
try:
    with terminated_as_interrupted():
        remake(origin_of(Checkout(Path(sys.argv[1]), Path(sys.argv[2]))))
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A repository that ran once; its source is gone."""
    checkout = make_repository(tmp_path_factory.mktemp("original"))
    (checkout.folder / "source.bin").rename(checkout.folder.parent / "source.bin")
    return checkout


@pytest.fixture
def here(original: Checkout, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That repository as the current folder."""
    monkeypatch.chdir(original.folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return original.folder


@pytest.fixture
def origin(original: Checkout, here: Path) -> Origin:
    return origin_of(original)


@pytest.fixture
def empty_cache(here: Path) -> Iterator[None]:
    """DVC's cache is away."""
    cache = here / ".dvc" / "cache"
    cache.rename(here.parent / "cache")
    yield
    shutil.rmtree(cache, ignore_errors=True)
    (here.parent / "cache").rename(cache)


def test_the_same_bytes_are_identical(origin: Origin, here: Path) -> None:
    before = (here / "params.yaml").read_text()
    (here / "params.yaml").write_text("dataset: changed since\n")
    verdict = remake(origin)
    (here / "params.yaml").write_text(before)
    assert (verdict.word, verdict.exit_code, verdict.differing()) == ("identical", 0, [])
    assert verdict.now.metrics == {"accuracy": 0.05, "interval.low": 0.01}


def test_another_machine_differs_in_model_and_metrics(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCK", "1")
    verdict = remake(replace(origin, made=replace(origin.made, environment={"numpy": "1.0"})))
    assert (verdict.exit_code, verdict.differing()) == (3, ["model", "metrics"])
    assert "accuracy: 0.05 then, 0.06 now (+0.01)" in verdict.text() and "numpy: 1.0 then," in verdict.text()


def test_a_stage_that_fails_is_one_line(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCK", "none")
    with pytest.raises(UserError, match="small 1a2b3c4d cannot be made again: a stage failed"):
        remake(origin)


@pytest.mark.usefixtures("empty_cache")
def test_without_cache_the_data_come_from_the_remote(original: Checkout, origin: Origin, tmp_path: Path) -> None:
    stored = tmp_path / "remote" / "files" / "md5" / origin.made.data[:2] / origin.made.data[2:]
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"images")
    assert original.run("dvc", "remote", "add", "--local", "-d", "far", str(tmp_path / "remote")).returncode == 0
    verdict = remake(origin)
    stored.chmod(0o644)
    stored.write_bytes(b"imageS")
    stored.chmod(0o444)  # else DVC looks closer
    tampered = remake(origin)
    original.run("dvc", "remote", "remove", "--local", "far")
    assert (verdict.word, verdict.data_from) == ("identical", "DVC's remote far")
    assert tampered.differing() == ["data"] and not dvc_storage.storage().has(origin.made.data)


@pytest.mark.usefixtures("empty_cache")
def test_without_cache_and_remote_the_source_is_asked(origin: Origin, here: Path) -> None:
    gone = r"\(MD5 [0-9a-f]{32}\) are gone: neither DVC's cache .* nor a remote has them, and "
    with pytest.raises(UserError, match=f"{gone}they cannot be fetched again"):
        remake(origin)
    (here / "source.bin").write_bytes(b"imageS")
    with pytest.raises(UserError, match=f"{gone}source.bin holds other images now"):
        remake(origin)
    (here / "source.bin").write_bytes(b"images")
    verdict = remake(origin)
    (here / "source.bin").unlink()
    assert (verdict.word, verdict.data_from) == ("identical", "the source (source.bin)")


def test_code_that_was_never_tracked_is_one_line(origin: Origin) -> None:
    origin.lock["stages"]["train"]["deps"].append({"path": "pipeline/secret.py", "md5": "0" * 32})
    with (
        pytest.raises(UserError, match=r"pipeline/secret\.py, which it was made by, was never tracked"),
        laid_out(origin),
    ):
        pass


def test_code_that_was_another_is_one_line(origin: Origin) -> None:
    origin.lock["stages"]["train"]["deps"].append({"path": "pipeline/__init__.py", "md5": "0" * 32})
    with pytest.raises(UserError, match=r"pipeline/__init__\.py was another file \(MD5 0{32}\)"), laid_out(origin):
        pass


def test_a_missing_commit_is_one_line(origin: Origin) -> None:
    with pytest.raises(UserError, match=r"at commit 0{40}, which this repository does not have: `git fetch`"):
        remake(replace(origin, commit="0" * 40))


def test_the_difference_of_the_code_is_laid_over(original: Checkout, origin: Origin) -> None:
    with laid_out(origin_of(original, NEW)) as place:
        assert (place / "pipeline" / "more.py").read_text() == "MORE = 1\n"
        assert not (place / "notes.png").exists()
    assert not place.exists()


def test_a_difference_that_does_not_fit_is_one_line(original: Checkout, origin: Origin) -> None:
    misfit = NEW.replace(b"new file mode 100644\n--- /dev/null", b"--- a/pipeline/more.py", 1)
    with (
        pytest.raises(UserError, match=r"its code\.diff does not fit its commit"),
        laid_out(origin_of(original, misfit)),
    ):
        pass


def test_a_lock_stored_after_a_newer_split_gets_the_data_of_the_run(origin: Origin) -> None:
    older = replace(origin, made=replace(origin.made, data="f" * 32))
    with laid_out(older) as place:
        lock = (place / paths.GRAPH_LOCK).read_text()
    assert lock.count("f" * 32) == 2 and origin.made.data not in lock


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_nothing_behind(original: Checkout, tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (tmp_path / "temporary").mkdir()
    more = {"LUCK": "slow", "TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": str(REPOSITORY)}
    process = original.start("python", str(script), str(original.folder), str(original.home), **more)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "train: takes its time" in line:
            break
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    rest = process.stdout.read()  # which ends only when every program that writes to it has ended
    assert "stopped\n" in rest, said
    process.stdout.close()
    assert (process.wait(), list((tmp_path / "temporary").iterdir())) == (0, [])
    assert original.run("git", "worktree", "list").stdout.count("\n") == 1
