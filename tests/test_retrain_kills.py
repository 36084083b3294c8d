"""`kill -9` of `reprolens retrain`: the champion always is a whole version, and the next call finishes the work."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pytest

from tests.checkout import Checkout, make_checkout
from tests.retraining import DIGITS, digits, kept, registry, summary, write_pictures

START, MORE = 500, 50  # pictures at the beginning, and new ones for each kill
NUM_KILLS = 20
# Spread evenly, each at random within its share.
SHARES = [(n + float(part)) / NUM_KILLS for n, part in enumerate(np.random.default_rng(0).random(NUM_KILLS))]


@dataclass
class Growing:
    """A checkout, how many pictures its folder has, and how long an undisturbed call takes."""

    checkout: Checkout
    count: int
    seconds: float = 0.0

    def grow(self) -> None:
        rows = range(self.count, self.count + MORE)
        write_pictures(self.checkout.folder.parent / "pictures", *digits(), rows)
        self.count = rows.stop

    def finish(self) -> int:
        """A call that must go well; its exit code."""
        done = self.checkout.run("reprolens", "retrain")
        assert done.returncode in (0, 10, 11), done.stdout
        return done.returncode


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Growing:
    folder = tmp_path_factory.mktemp("retrain-kills")
    write_pictures(folder / "pictures", *digits(), range(START))
    use = ("folder", f"dataset.path={folder / 'pictures'}", *DIGITS, "evaluate.bootstrap=100")
    checkout = make_checkout(folder, *use, "promote.least_images=30", "promote.level=0.4")
    made = Growing(checkout, START)
    assert made.finish() == 10
    made.grow()
    began = time.monotonic()
    made.finish()
    made.seconds = time.monotonic() - began
    return made


@pytest.mark.slow
@pytest.mark.parametrize("share", SHARES, ids=[f"{share:.0%}" for share in SHARES])
def test_killed_at_random_the_champion_is_whole_and_the_next_call_finishes(growing: Growing, share: float) -> None:
    checkout = growing.checkout
    before = kept(checkout)
    growing.grow()
    process = checkout.start("reprolens", "retrain")
    time.sleep(share * growing.seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    cut_off = registry(checkout)  # loads the champion
    assert cut_off["aliases"]["champion"] >= before["aliases"]["champion"]
    assert growing.finish() in ((10, 11) if process.returncode == -signal.SIGKILL else (0,))
    after = kept(checkout)
    assert after["runs"] == before["runs"] + 1
    promoted = after["aliases"]["champion"] != before["aliases"]["champion"]
    assert not promoted or after["aliases"]["previous"] == before["aliases"]["champion"]
    assert not (checkout.folder / ".reprolens" / "retrain" / "state.json").exists()
    assert checkout.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


@pytest.mark.slow
def test_what_a_killed_call_ran_is_waited_for(growing: Growing) -> None:
    checkout = growing.checkout
    growing.grow()
    process = checkout.start("reprolens", "retrain")
    assert process.stdout is not None
    assert any("Running stage 'train'" in line for line in process.stdout)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()  # it alone
    second = checkout.run("reprolens", "retrain")
    assert second.returncode == 12 and "was killed, but what it ran, process" in second.stdout
    psutil.wait_procs(family, timeout=300)
    process.stdout.close()
    process.wait()
    assert growing.finish() in (10, 11)
    assert summary(checkout)["snapshot"]
