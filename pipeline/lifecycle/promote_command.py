"""The command lines of `reprolens promote`, `rollback` and `history`: thin; the modules of these names do the work."""

import click

KEPT = 11  # exit code, as of `reprolens retrain`


@click.command(short_help="Let a run take the champion's place, if the gate says so.")
@click.argument("run", required=False)
@click.option("--force", is_flag=True, help="Whatever the gate says; it stays on record with the reason.")
@click.option("--reason", metavar="TEXT", help="Why it is forced.")
def promote(run: str | None, force: bool, reason: str | None) -> None:
    """Judge the model of RUN, by default the run of this workspace, against the champion, by `promote` in params.yaml.

    Both answer the same test images, without those that either was trained on. The decision stays on record.

    Exit code: 0 if the model is the champion now, 11 if the champion was kept, 1 if nothing could be decided.

    For example: reprolens promote 1a7a792e
    """
    from pipeline import params_file, paths, registry
    from pipeline.lifecycle.promote import promote as decide

    outcome = decide(registry.connect(), params_file.load(paths.PARAMS), run, force, reason)
    click.echo(outcome.text)
    if not outcome.promoted:
        raise click.exceptions.Exit(KEPT)


@click.command(short_help="Let the champion before serve again.")
@click.option("--reason", metavar="TEXT", help="Why; it stays on record.")
def rollback(reason: str | None) -> None:
    """Let the version that the champion replaced serve again.

    The one that was taken back returns only by `reprolens promote RUN --force --reason TEXT`.
    """
    from pipeline import params_file, paths, registry
    from pipeline.lifecycle.rollback import rollback as roll_back

    click.echo(roll_back(registry.connect(), params_file.load(paths.PARAMS), reason).text)


@click.command(short_help="Show every decision of the gate.")
@click.option("--out", metavar="FILE", help="Write the records to a .md or .json file, too.")
def history(out: str | None) -> None:
    """Show every decision on the model of this data set, oldest first, and which version serves now."""
    from pipeline import params_file, paths, registry
    from pipeline.lifecycle.history import history as tell

    click.echo(tell(registry.connect(), params_file.load(paths.PARAMS), out))
