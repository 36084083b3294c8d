"""Four rounds on MNIST with all real parts: an MLflow server on PostgreSQL, a DVC remote, two clones."""

from pathlib import Path

import pytest

from tests.checkout import Checkout, free_port, make_checkout, mlflow_server
from tests.postgres import Server
from tests.retraining import PLAIN, checks, mnist, poisoned, registry, summary, write_pictures

SMALL = (
    *("image.size=[28,28]", "image.channels=1", "model.filters=[8]", "model.dense=[32]", "train.epochs=4"),
    *("evaluate.bootstrap=100", *PLAIN),
)


def share(checkout: Checkout, folder: Path) -> Checkout:
    """Commits all and gives the checkout a DVC remote and a bare repository beside; returns a clone of that."""
    run(checkout, "dvc", "remote", "add", "--quiet", "--default", "storage", str(folder / "remote"))
    run(checkout, "git", "init", "-q", "--bare", str(folder / "origin.git"))
    run(checkout, "git", "add", "-A")
    run(checkout, "git", "commit", "-qm", "a data set and where to keep it")
    run(checkout, "git", "remote", "add", "origin", str(folder / "origin.git"))
    run(checkout, "git", "push", "-q", "origin", "main")
    other = Checkout(folder / "two" / "repository", folder / "two" / "home")
    other.home.mkdir(parents=True)
    run(checkout, "git", "clone", "-q", "-b", "main", str(folder / "origin.git"), str(other.folder))
    return other


def run(checkout: Checkout, *words: str, **environment: str) -> str:
    """A command that must go well; its output."""
    done = checkout.run(*words, **environment)
    assert done.returncode == 0, done.stdout
    return done.stdout


def bring(checkout: Checkout) -> None:
    """What the other clone has committed and pushed."""
    run(checkout, "git", "pull", "-q", "origin", "main")
    run(checkout, "dvc", "pull", "--quiet")


def set_check(checkout: Checkout, name: str, do: str) -> None:
    """Sets what a check of the data does."""
    file = checkout.folder / "params.yaml"
    lines = file.read_text().splitlines(keepends=True)
    (number,) = [n for n, line in enumerate(lines) if line.startswith(f"    {name}: {{do: ")]
    lines[number] = f"    {name}: {{do: {do}, above: {lines[number].partition('above: ')[2]}"
    file.write_text("".join(lines))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_four_rounds_a_rollback_and_a_verification(tmp_path: Path, datasets: Path, postgres: Server) -> None:
    images, labels = mnist(datasets)
    pictures = tmp_path / "pictures"
    write_pictures(pictures, images, labels, range(2_000))
    one = make_checkout(tmp_path / "one", "folder", f"dataset.path={pictures}", *SMALL)
    two = share(one, tmp_path)
    backend = postgres.create("mlflow").replace("postgresql://", "postgresql+psycopg://")
    with mlflow_server(tmp_path / "server", free_port(), backend) as address:
        server = {"MLFLOW_TRACKING_URI": address}

        def retrain(checkout: Checkout, *words: str) -> int:
            done = checkout.run("reprolens", "retrain", *words, **server)
            print(done.stdout)  # shown where the test fails
            return done.returncode

        # The first one is promoted, pushed and committed.
        assert retrain(one, "--push", "--commit") == 10
        run(one, "git", "push", "-q", "origin", "main")
        assert summary(one)["pushed"] and summary(one)["commit"] == run(one, "git", "rev-parse", "HEAD").strip()

        # The other clone knows that all is done, and takes the next data.
        bring(two)
        assert retrain(two) == 0
        write_pictures(pictures, images, labels, range(2_000, 10_000))
        assert retrain(two, "--push", "--commit") == 10
        assert registry(two, **server) == {"aliases": {"champion": 2, "previous": 1}, "runs": 2}
        assert retrain(two) == 0
        run(two, "git", "push", "-q", "origin", "main")
        bring(one)
        assert retrain(one) == 0

        # A third of the new labels is wrong: refused, and the workspace is as it was.
        lock = one.lock()
        bad = write_pictures(pictures, images, poisoned(labels, 0.3), range(10_000, 11_000))
        assert retrain(one) == 13
        assert checks(one)["labels"] == "stop" and "labels" in summary(one)["why"]
        assert one.lock() == lock and run(one, "git", "status", "--porcelain") == ""
        for file in bad:
            file.unlink()
        assert retrain(one) == 0

        # Pictures turned dark to light: refused or warned of, as the rule says.
        write_pictures(pictures, 255 - images, labels, range(11_000, 11_600))
        set_check(one, "features", "stop")
        assert retrain(one) == 13
        assert checks(one)["features"] == "stop" and one.lock() == lock
        for name in ("features", "labels"):
            set_check(one, name, "warn")
        assert retrain(one) in (10, 11)
        assert checks(one)["features"] == checks(one)["statistics"] == "warn"

        # Back to the version before; the schedule does not undo that.
        serving = registry(one, **server)["aliases"]
        run(one, "reprolens", "rollback", "--reason", "customers complain", **server)
        back = registry(one, **server)["aliases"]
        assert back["champion"] == serving["previous"]
        assert retrain(one) == 0
        assert registry(one, **server)["aliases"] == back
        assert "customers complain" in run(one, "reprolens", "history", **server)

        # Months later: the first champion, again.
        assert "identical" in run(one, "reprolens", "verify", "models:/pictures/1", **server)
