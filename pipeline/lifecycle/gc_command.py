"""The command line of `reprolens gc`: thin; `gc` does the work."""

import click


@click.command(short_help="Remove what neither DVC nor MLflow needs any more.")
@click.option("--apply", is_flag=True, help="Remove it. Without this, only say what would go.")
@click.option("--cloud", is_flag=True, help="Also from the default DVC remote. Run `git fetch` first.")
@click.option(
    "--backend-store", metavar="ADDRESS", help="Of an MLflow server's database, which alone can remove for good."
)
def gc(apply: bool, cloud: bool, backend_store: str | None) -> None:
    """Say what neither DVC nor MLflow needs any more; with --apply, remove it.

    Needed is what the workspace, a branch (also of a git remote), a tag or a DVC experiment has in its dvc.lock, what
    a run that is not deleted leads back to, and all of a registered model version. Runs are deleted in MLflow's page.
    """
    from pipeline.lifecycle.gc import gc as collect

    click.echo(collect(apply, cloud, backend_store))
