"""The command lines of `reprolens verify`, `trace` and `doctor`: thin; the modules of those names do the work."""

import click


@click.command(short_help="Make a run again, and say whether it is the same.")
@click.argument("run", metavar="RUN|VERSION")
@click.pass_context
def verify(context: click.Context, run: str) -> None:
    """Make a run again from what it stored, in a temporary copy, and say whether it is the same to the byte.

    RUN is an MLflow run id or run key, the beginning of one, or a run's exact name; VERSION a model version as
    models:/NAME/3 or NAME@champion. Nothing in this folder changes; the run keeps the verdict as tags.

    Exit code: 0 identical; 3 it differs, and what differs is told; 1 it could not be made again.

    For example: reprolens verify digits@champion
    """
    from pipeline.lifecycle.verify import verify as make_again

    text, exit_code = make_again(run)
    click.echo(text)
    context.exit(exit_code)


@click.command(short_help="Tell all that is connected with a run, file, hash...")
@click.argument("thing", metavar="ANY")
def trace(thing: str) -> None:
    """Tell everything that is connected with ANY: runs, commits, params, data, model versions, decisions.

    ANY is a run (id, run key, the beginning of one, exact name), a commit, a file (model, report, picture,
    params.yaml...), a model version (models:/NAME/3, NAME@champion) or the beginning of an MD5.

    For example: reprolens trace models/model.keras
    """
    from pipeline.lifecycle.trace import trace as tell

    click.echo(tell(thing))


@click.command(short_help="Check this machine and checkout: what is well, what to do.")
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check Python, packages, git, DVC's cache and remote, MLflow, disk, processor and threads.

    Each line is ok, or warn or bad with what to do. Exit code: 1 if any is bad.
    """
    from pipeline.lifecycle.doctor import doctor as check_all

    text, is_well = check_all()
    click.echo(text)
    context.exit(0 if is_well else 1)
