"""The command line of `reprolens retrain`: thin; `retrain` does the work."""

import click

EXIT_CODES = """\b
Exit codes:
   0  nothing to do
  10  promoted: the candidate is the champion now
  11  kept: the gate did not let the candidate pass
  12  locked: another call is at work in this folder
  13  data refused: a person has to look at it
   1  failed: the next call tries again
"""


@click.command(short_help="Take new data, train, and let the gate decide; for schedules.", epilog=EXIT_CODES)
@click.option(
    "--tune", is_flag=True, help="Search better params first (tune.*), and write the winner into params.yaml."
)
@click.option("--push", is_flag=True, help="Afterwards, push data and model to the DVC remote.")
@click.option("--commit", is_flag=True, help="Afterwards, commit dvc.lock and params.yaml. Needs a clean tree.")
@click.pass_context
def retrain(context: click.Context, tune: bool, push: bool, commit: bool) -> None:
    """Take what is new at the source, check it, train on it, and let the gate decide whether it takes over.

    Killed anywhere, the champion stays as it is, and the same command finishes the work. What came of it is in
    reports/retrain/summary.md and .json.
    """
    from pipeline.lifecycle.retrain import retrain as again
    from pipeline.retrain_state import Wishes

    done = again(Wishes(tune, push, commit))
    click.echo(done.line(), err=done.answer == "locked")
    context.exit(done.code)
