"""The command line of `reprolens tune`: thin; `tune` does the work."""

import click


@click.command(short_help="Search better params; go on where it was stopped.")
@click.option(
    "--trials", type=click.IntRange(min=1), help="Finished trials wanted, of the whole study. [default: tune.trials]"
)
@click.option("--timeout", type=click.FloatRange(min=1), metavar="SECONDS", help="Stop then; the same command goes on.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Trials at once.")
@click.option("--study", metavar="NAME", help="[default: one for this data, code and space]")
@click.option(
    "--storage",
    metavar="URL",
    envvar="REPROLENS_TUNE_STORAGE",
    help="Where the study is kept: postgresql://... joins several hosts. [default: a SQLite file here]",
)
@click.option("--on", metavar="CLUSTER", help="Workers on a Ray cluster: ray, or ray://HOST:PORT. [default: here]")
@click.option(
    "--cpus", type=click.FloatRange(min=0.1), help="That a worker takes of a cluster. [default: train.threads]"
)
@click.option("--gpus", type=click.FloatRange(min=0), default=0.0, show_default=True, help="The same.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="How often a worker of a cluster begins anew if its node is lost.",
)
@click.option("--apply", is_flag=True, help="Write the winner into params.yaml, and say whether it was luck.")
@click.option("--winner", type=click.IntRange(min=0), metavar="TRIAL", help="Apply this trial, not the best one.")
def tune(
    trials: int | None,
    timeout: float | None,
    workers: int,
    study: str | None,
    storage: str | None,
    on: str | None,
    cpus: float | None,
    gpus: float,
    retries: int,
    apply: bool,
    winner: int | None,
) -> None:
    """Search the params that `tune.space` in params.yaml names, one process per trial.

    Today's params are the first trial. Stopped by Ctrl-C, a kill or the end of the time, the same command goes on.

    For example: reprolens tune --trials 40 --workers 2 --apply

    On a cluster: reprolens tune --on ray://HOST:10001 --storage postgresql://... --workers 16 --gpus 0.5
    """
    from pipeline.lifecycle.tune import tune as search
    from pipeline.study_plan import Wishes

    wishes = Wishes(
        *(trials, timeout, workers, study, storage, apply or winner is not None, winner),
        *(on, cpus, gpus, retries),
    )
    click.echo(search(wishes))
