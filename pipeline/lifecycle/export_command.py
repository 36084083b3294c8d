"""The command line of `reprolens export`: thin; `export` does the work."""

from pathlib import Path

import click

# Written out, since the table of formats needs NumPy, which a command line must not wait for; a test compares.
FORMATS = ("keras", "savedmodel", "weights", "h5", "structure", "tflite")


@click.command(short_help="Write a model in another format, compared with its source.")
@click.argument("model", metavar="[RUN|ADDRESS|FILE]", required=False)
@click.option("--format", "format_name", type=click.Choice(FORMATS), required=True)
@click.option("--out", type=click.Path(path_type=Path), metavar="PLACE", required=True, help="A new file, or folder.")
@click.option("--quantize", is_flag=True, help="tflite: weights in 8 bits, or in 16 where 8 change too much.")
@click.option("--images", metavar="FOLDER", help="Pictures to compare on. [default: the validation split here]")
@click.option(
    "--within",
    type=click.FloatRange(min=0),
    metavar="DIFFERENCE",
    help="The largest difference of a likelihood. [default: 1e-5, and 1e-3 with --quantize]",
)
def export(
    model: str | None, format_name: str, out: Path, quantize: bool, images: str | None, within: float | None
) -> None:
    """Write a model (by default the last one made) in another format, with the names of its classes.

    \b
    keras       one file: network, weights, class names and params
    savedmodel  a folder for TensorFlow Serving and its kin
    weights     .weights.h5, for a network that is built by code
    h5          one file as Keras 2 wrote it
    structure   .json, the network without weights
    tflite      one file for phones and small devices (LiteRT)

    It is loaded back and compared with its source on up to 1,000 real images; only then it is there. The largest
    difference is shown, and logged to the MLflow run that the model came from.

    For example: reprolens export models:/pets@champion --format tflite --out pets.tflite
    """  # noqa: D301
    from pipeline.lifecycle.export import Wishes
    from pipeline.lifecycle.export import export as write

    click.echo(write(model, Wishes(format_name, out, quantize, images, within)))
