"""100 classes of 32x32 pictures, made of CIFAR-10's: `python -m benchmarks.hundred_classes FOLDER MADE.zip`.

FOLDER holds `cifar10-jpeg.tar.xz`, CIFAR-10 as JPEG files in `train/<class>/` and `test/<class>/`. Each picture made is
one picture above another, both at half their height; the class is what is above and what is below, as in
`cat-over-ship`. There are 50,000 to train on, 500 of each class, and 10,000 to test on, as CIFAR-100 has them; every
source picture is once above and once below, and none of the test pictures has a part in training. Mirroring a picture
leaves its class. What `cifar100-fast` does on them, beside the notebook's network for CIFAR-100:
`python -m benchmarks.time_to_accuracy cifar100-fast cifar100-cnn dataset.name=folder dataset.path=MADE.zip`.
"""

import argparse
import io
import tarfile
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, HALF = 32, 16
WRITTEN = (1980, 1, 1, 0, 0, 0)  # so that the same pictures make the same archive


def halves(archive: Path) -> dict[tuple[str, str], list[Image.Image]]:
    """All pictures at half their height, by split and class, in the order of their names."""
    found = defaultdict(list)
    with tarfile.open(archive) as members:
        for member in members:
            if stream := members.extractfile(member) if member.isfile() else None:
                split, label, name = Path(member.name).parts[-3:]
                with Image.open(io.BytesIO(stream.read())) as picture:
                    half = picture.convert("RGB").resize((SIDE, HALF), Image.Resampling.BOX)
                found[split, label].append((name, half))
    return {key: [half for _, half in sorted(rows, key=lambda row: row[0])] for key, rows in sorted(found.items())}


def pairs(sources: dict[str, list[Image.Image]], random: np.random.Generator) -> dict[str, list[NDArray[np.uint8]]]:
    """As many pictures as there are sources, as many of each class: by the name of the class."""
    labels = sorted(sources)
    shares: dict[str, dict[str, list[NDArray[np.int64]]]] = {}
    for place in ("above", "below"):
        orders = {label: random.permutation(len(sources[label])) for label in labels}
        shares[place] = {label: np.array_split(orders[label], len(labels)) for label in labels}
    made = {}
    for high, above in enumerate(labels):
        for low, below in enumerate(labels):
            both = zip(shares["above"][above][low], shares["below"][below][high], strict=True)
            made[f"{above}-over-{below}"] = [
                np.concatenate([np.asarray(sources[above][one]), np.asarray(sources[below][other])])
                for one, other in both
            ]
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("made", type=Path)
    given = parser.parse_args()
    found = halves(given.data / "cifar10-jpeg.tar.xz")
    random = np.random.default_rng(0)
    count = 0
    with zipfile.ZipFile(given.made, "w") as archive:
        for split in sorted({split for split, _ in found}):
            sources = {label: pictures for (each, label), pictures in found.items() if each == split}
            for label, pictures in pairs(sources, random).items():
                for number, pixels in enumerate(pictures):
                    content = io.BytesIO()
                    Image.fromarray(pixels).save(content, "png")
                    name = zipfile.ZipInfo(f"{split}/{label}/{number:04}.png", WRITTEN)
                    archive.writestr(name, content.getvalue())
                    count += 1
    print(f"{given.made}: {count:,} pictures")


if __name__ == "__main__":
    main()
