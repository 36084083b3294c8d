"""Stage 1: brings the raw images into one tar, `data/download/images.tar`."""

from pathlib import Path

from pipeline import params_file, paths
from pipeline.errors import os_errors, run_main
from pipeline.files import replacing
from pipeline.params import Dataset
from pipeline.progress import say
from pipeline.sources import SOURCES


def download(params: Dataset, target: Path, scratch: Path) -> None:
    """Writes the data set `params.name` to the tar `target`; partial downloads stay in `scratch`.

    Raises:
        UserError: the data cannot be had, is not what its checksum says, or has no class folders.
    """
    with os_errors(f"cannot write {target}", target), replacing(target) as beside:
        SOURCES[params.name](params, beside, scratch)
    say(f"download: {params.name}, {target.stat().st_size / 1e6:.1f} MB in {target}")


def main() -> None:
    params = params_file.load(paths.PARAMS)
    download(params.dataset, paths.RAW, paths.downloads())


if __name__ == "__main__":
    run_main("download", main)
