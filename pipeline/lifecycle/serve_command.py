"""The command line of `reprolens serve`: thin; `serve` does the work."""

import click


@click.command(short_help="Answer pictures over HTTP with the champion.")
@click.option("--model", "name", metavar="NAME", help="Registered model. [default: that of the data in params.yaml]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is every one.")
@click.option("--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="0: any that is free.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Seconds between looks for a new champion.",
)
@click.option("--most-mib", type=click.FloatRange(min=0.001), default=16, show_default=True, help="Of one request.")
@click.option(
    "--most-pixels", type=click.IntRange(min=1), default=25_000_000, show_default=True, help="Of one picture."
)
@click.option("--page", is_flag=True, help="A page at / to try pictures by hand.")
def serve(name: str | None, host: str, port: int, every: float, most_mib: float, most_pixels: int, page: bool) -> None:
    """Answer pictures over HTTP with the champion, until Ctrl-C. A new champion takes over without a pause.

    POST /invocations takes a picture file as it is, or JSON as MLflow's server does; /health and /version tell how it
    is and which version answers.

    For example: curl -H "content-type: image/png" --data-binary @cat.png http://127.0.0.1:5001/invocations
    """
    from pipeline.lifecycle.serve import serve as answer
    from pipeline.request_pictures import Limits

    answer(name, host, port, every, Limits(int(most_mib * (1 << 20)), most_pixels), page)
