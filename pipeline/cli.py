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
@click.option("--image", "number", type=int, default=0, show_default=True, help="The training image to draw.")
@click.option("--augmented", is_flag=True, help="Draw that image under many augmentations, too.")
def preview(number: int, augmented: bool) -> None:
    """Show the data before training: shapes, classes, counts, samples, one image with its label."""
    from pipeline.lifecycle import preview as look

    look.make_splits()
    click.echo(look.overview())
    click.echo(f"pictures {look.image(number)}")
    if augmented:
        click.echo(f"pictures {look.augmented(number)}")


@cli.command()
@click.option("--ui", metavar="ADDRESS", help="Where the UI on the local store is; its pages are listed.")
def track(ui: str | None) -> None:
    """Complete runs in MLflow: those restored from DVC's cache, or made while its server was away."""
    from pipeline.lifecycle.track import track as complete_runs
    from pipeline.lifecycle.track import where

    names = complete_runs()
    for name in names:
        click.echo(f"complete: {name}")
    if not names:
        click.echo("nothing to complete")
    for experiment, address in where(ui).items():
        click.echo(f"compare the runs of {experiment}: {address}")


@cli.command()
@click.argument("run", required=False)
@click.option("--no-open", is_flag=True, help="Only print where the page is.")
def report(run: str | None, no_open: bool) -> None:
    """Open the report of RUN: an MLflow run id or run key, the beginning of one, or a run's exact name.

    Without RUN, the report of what was made last in this folder.
    """
    from pipeline.lifecycle.report import report as write_report

    target = write_report(run)
    click.echo(f"report: {target}")
    if not no_open:
        click.launch(str(target))


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
