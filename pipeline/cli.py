"""`reprolens`: thin; each command calls one function."""

from pathlib import Path

import click

from pipeline import __version__, paths
from pipeline.errors import UserError, run_main
from pipeline.lifecycle.export_command import export
from pipeline.lifecycle.gc_command import gc
from pipeline.lifecycle.promote_command import history, promote, rollback
from pipeline.lifecycle.provenance_commands import doctor, trace, verify
from pipeline.lifecycle.retrain_command import retrain
from pipeline.lifecycle.serve_command import serve
from pipeline.lifecycle.tune_command import tune


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="reprolens")
def cli() -> None:
    """Experiment tracking for image classifiers whose every number can be made again."""
    if not paths.GRAPH.exists():
        raise UserError(f"{Path.cwd()} has no {paths.GRAPH}: change to the folder of the repository first")


@cli.command(short_help="Write PRESET, with changes, into params.yaml.")
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


@cli.command(short_help="Show the data before training.")
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


@cli.command(short_help="Complete runs in MLflow that missed something.")
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


@cli.command(short_help="Open the report of a run, or of what was made last.")
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


@cli.command(short_help="Make the course notebooks' networks again, and their table.")
@click.argument("presets", metavar="[PRESET]...", nargs=-1)
@click.option("--data", metavar="FOLDER", help="Where data sets lie, as files from their hosts or as class folders.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Rows per network.")
def notebooks(presets: tuple[str, ...], data: str | None, seeds: int) -> None:
    """Make the course notebooks' networks again, one after another as DVC experiments, and show their table.

    Without PRESET all ten. Goes on where it was stopped; a row whose data is missing says how to get it.

    For example: reprolens notebooks cifar10-cnn --data ../datasets --seeds 3
    """
    from pipeline.lifecycle.notebooks import notebooks as make_rows

    table, went_well = make_rows(presets, data, seeds)
    click.echo(table)
    if not went_well:
        raise click.exceptions.Exit(1)


@cli.command(short_help="Say which class pictures of any size and mode show.")
@click.argument("files", metavar="FILES|FOLDERS...", nargs=-1, required=True)
@click.option(
    "--model", metavar="RUN|ADDRESS|FILE", help="MLflow run, models:/..., imagenet:vgg16 or file. [default: the last]"
)
@click.option("--top", type=click.IntRange(min=1), help="Likeliest classes to tell. [default: 3; of ImageNet's, 10]")
@click.option("--labelled", is_flag=True, help="Folders are named by the true labels: tell how many are right.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write all to a .csv or .json file.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw the first 100 to a .png file.")
@click.pass_context
def predict(
    context: click.Context,
    files: tuple[str, ...],
    model: str | None,
    top: int | None,
    labelled: bool,
    out: Path | None,
    picture: Path | None,
) -> None:
    """Say which class pictures of any size and mode show, and how likely it is.

    Folders are searched at any depth. Unreadable files are named and skipped.

    imagenet:vgg16, imagenet:resnet50 and imagenet:mobilenet_v2 are published networks that name a thousand kinds of
    things. Their weights come from the official host, or from the folder or address in REPROLENS_WEIGHTS_MIRROR.

    Exit code: 0 if every file was read, 3 if some were unreadable, 1 for any other mistake.

    For example: reprolens predict photos/ cat.jpg --model models:/pets@champion --out answers.csv
    """
    from pipeline.lifecycle import predict as answers

    done, text = answers.predict(files, model, answers.Wishes(top, out, picture, labelled))
    if text:
        click.echo(text)
    if done.unreadable:
        click.echo(f"predict: {done.unreadable}", err=True)
    context.exit(done.exit_code)


@cli.command(short_help="Show runs side by side; test two of them exactly.")
@click.argument("runs", metavar="[RUN|EXPERIMENT]...", nargs=-1)
@click.option("--out", metavar="FILE", help="Write the table to a .md, .html or .csv file, too.")
@click.option("--pair", nargs=2, metavar="A B", help="Test two runs on the same images, and draw where they differ.")
@click.option("--picture", metavar="FILE", help="The .png file to draw to. [default: one under reports/compare]")
def compare(runs: tuple[str, ...], out: str | None, pair: tuple[str, str] | None, picture: str | None) -> None:
    """Show runs side by side: data, network, size, training, test accuracy, and what a notebook published.

    A run is an MLflow run id or run key, the beginning of one, or a run's exact name; an experiment stands for all its
    evaluated runs. Without any, all evaluated runs.

    For example: reprolens compare digits --out digits.html

    Two runs by McNemar's exact test: reprolens compare --pair 1a7a792e 46611706
    """
    from pipeline.lifecycle.compare import compare as side_by_side

    click.echo(side_by_side(runs, out, pair, picture))


for command in (export, tune, retrain, promote, rollback, history, serve, gc, verify, trace, doctor):
    cli.add_command(command)


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
