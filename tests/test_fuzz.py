"""Archives and pictures broken at random end in a clear refusal, within bounds of memory and place.

`python -m benchmarks.fuzz` runs ten thousand of them.
"""

import gzip
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import snapshot
from tests.hostile import MUTATIONS, SMALL, mutant, outcome, seeds

NUM_MUTANTS = 600
EXTRA_MEMORY = 1 << 30  # bytes; the largest picture that is taken needs it while it is turned


@pytest.fixture(scope="module")
def originals() -> dict[str, bytes]:
    return seeds()


@pytest.mark.parametrize("start", range(0, NUM_MUTANTS, 100))
@pytest.mark.filterwarnings("ignore")  # as outside pytest: no warning may reach the screen
def test_what_is_broken_is_refused_or_taken(
    tmp_path: Path, originals: dict[str, bytes], start: int, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    for number in range(start, start + 100):
        name, content = mutant(number, originals)
        found = outcome(content, folder)
        assert found and not re.search(r"Traceback| at 0x", found), name
    assert capfd.readouterr().err == ""
    assert {file.name for file in tmp_path.rglob("*")} <= {"inside", "scratch", "mutant", "packed.tar"}


def test_mutants_are_the_same_every_time(originals: dict[str, bytes]) -> None:
    assert [mutant(number, originals) for number in range(50)] == [mutant(number, seeds()) for number in range(50)]
    assert all(mutant(number, originals)[1] not in originals.values() for number in range(10))
    used = " ".join(mutant(number, originals)[0] for number in range(50))
    assert all(mutate.__name__ in used for mutate in MUTATIONS)


@pytest.mark.filterwarnings("ignore")
def test_good_ones_are_taken(tmp_path: Path, originals: dict[str, bytes]) -> None:
    taken = {name for name, content in originals.items() if outcome(content, tmp_path).startswith("taken")}
    assert taken == {"zip", "zip stored", "tar", "tar gz", "tar xz"}
    pictures = {name for name, content in originals.items() if outcome(content, tmp_path).endswith(", 3)")}
    assert pictures == originals.keys() - taken


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is counted in other units elsewhere")
def test_memory_stays_bounded(tmp_path: Path, originals: dict[str, bytes]) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for number in range(NUM_MUTANTS, NUM_MUTANTS + 200):
        outcome(mutant(number, originals)[1], tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < EXTRA_MEMORY


def test_a_small_limit_is_a_limit_in_the_fuzzing_too(tmp_path: Path) -> None:
    assert "unpacks to more than" in outcome(bytes_that_unpack(SMALL.unpacked * 2), tmp_path)
    assert list(snapshot(tmp_path)) == ["mutant"]


def bytes_that_unpack(size: int) -> bytes:
    return gzip.compress(bytes(size))
