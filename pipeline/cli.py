"""`reprolens`: thin; each command calls one function."""

from pathlib import Path

import click

from pipeline import __version__, paths
from pipeline.errors import UserError, run_main


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="reprolens")
def cli() -> None:
    """Experiment tracking for image classifiers whose every number can be made again."""
    if not paths.GRAPH.exists():
        raise UserError(f"{Path.cwd()} has no {paths.GRAPH}: change to the folder of the repository first")


@cli.command()
@click.argument("preset")
@click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)
def use(preset: str, overrides: tuple[str, ...]) -> None:
    """Write PRESET, with changes, into params.yaml and show the difference.

    For example: reprolens use folder dataset.path=~/pictures train.epochs=10
    """
    from pipeline.lifecycle.use import use as write_preset

    difference = write_preset(preset, overrides)
    click.echo(difference or "params.yaml holds this already")
    click.echo("Next: dvc repro")


@cli.command()
def check() -> None:
    """Check params.yaml, and that the data it names is there."""
    from pipeline.lifecycle.use import check as check_params

    check_params()


@cli.command()
def track() -> None:
    """Complete runs in MLflow: those restored from DVC's cache, or made while its server was away."""
    from pipeline.lifecycle.track import track as complete_runs

    names = complete_runs()
    for name in names:
        click.echo(f"complete: {name}")
    if not names:
        click.echo("nothing to complete")


@cli.command()
def summary() -> None:
    """Say what the last run made, and what to type next."""
    from pipeline.lifecycle.summary import summary as describe

    click.echo(describe())


def main() -> None:
    """The console script."""
    run_main("reprolens", cli)


if __name__ == "__main__":
    main()
