"""Published weights of the networks in `backbones`: fetched once, verified, kept, and put into a network."""

import struct
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import paths
from pipeline.backbones import HOST, Backbone
from pipeline.canonical import BROKEN
from pipeline.checksums import wrong_md5
from pipeline.errors import UserError, one_line
from pipeline.fetch import Check, fetch, is_address
from pipeline.files import at_home
from pipeline.pull import PATIENCE, Patience

if TYPE_CHECKING:
    import keras

SETTING = "backbone.mirror"
REMEDY = "Give the right file; one among the downloads is fetched again once it is deleted"
MOST = 2 << 30  # bytes; no network of `keras.applications` has more
HDF5 = b"\x89HDF\r\n\x1a\n"
# The kind of HDF5 head -> where in the file it says how long the file is, in 8 bytes.
LENGTH_AT = {0: 40, 1: 44, 2: 28, 3: 28}


def address(backbone: Backbone, top: bool, width: float = 1.0) -> str:
    """Where the file is published; `top`: with the head that tells the thousand classes apart."""
    return HOST + backbone.files[top].format(width=float(width))


def fetched(
    backbone: Backbone,
    top: bool,
    mirror: str = "",
    width: float = 1.0,
    setting: str = SETTING,
    patience: Patience = PATIENCE,
) -> Path:
    """The verified ImageNet weights, among the downloads; see `fetched_file`."""
    md5 = backbone.md5[top]
    check: Check = partial(wrong_md5, md5=md5) if md5 else not_hdf5
    try:
        return fetched_file(address(backbone, top, width), mirror, check, setting, patience)
    except UserError as error:
        if "wrong checksum" in str(error) and setting == SETTING:
            raise UserError(f"{error}. A file that you trust can be given by its path, as backbone.weights") from error
        raise


def fetched_file(
    published: str, mirror: str, check: Check, setting: str, patience: Patience = PATIENCE, most: int = MOST
) -> Path:
    """The file at the address `published`, verified, in `paths.downloads()`; fetched only where it is not there yet.

    Args:
        mirror: a folder, or an address, that has the file, under its bare name or in a folder named as it is where
            it is published; empty: the official host.
        setting: what a user sets to name a mirror.

    Raises:
        UserError: it cannot be had; names the file, its address, and where to put it.
    """
    host, _, name = published.rpartition("/")
    places = _mirrored(mirror, host.rpartition("/")[2], name, setting) if mirror else [host]
    try:
        return fetch(name, places, paths.downloads() / "weights", check, patience, most)
    except UserError as error:
        problems, found, _ = str(error).partition(". Check the network")
        if not found:
            raise
        what = published if mirror else "it"  # named before
        remedy = f"Get {what} where there is a network, put it in a folder, and set {setting} to that folder"
        raise UserError(f"{problems}. {remedy}, or to an address that has it") from error


def _mirrored(mirror: str, folder: str, name: str, setting: str) -> list[str]:
    if not is_address(mirror) and not at_home(mirror, setting).is_dir():
        raise UserError(f"{setting} {mirror!r} is neither a folder nor an http(s) address: give one that has {name}")
    return [mirror, f"{mirror.rstrip('/')}/{folder}"]


def not_hdf5(path: Path) -> str | None:
    """None for a whole HDF5 file; else what is wrong with it. Its numbers are not looked at."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(64)
    if not head.startswith(HDF5) or len(head) < 64 or head[8] not in LENGTH_AT:
        return "not an HDF5 file"
    (length,) = struct.unpack_from("<Q", head, LENGTH_AT[head[8]])
    return f"cut off after {size:,} of {length:,} bytes" if size < length else None


def load(model: "keras.Model", file: Path, called: str) -> None:
    """Puts the weights of an HDF5 file into a network, all of them.

    Args:
        called: what named the file, for the error.

    Raises:
        UserError: no such file, a broken one, or the weights of another network.
    """
    if not file.is_file():
        raise UserError(f"{called}: there is no file {file}: give one that is there")
    if problem := not_hdf5(file):
        raise UserError(f"{called}: {file} is broken: {problem}. {REMEDY}")
    try:
        model.load_weights(file)
    except BROKEN as error:
        reason = textwrap.shorten(one_line(error), 160)
        what = f"{file} has no weights for {model.name}, or is broken ({reason})"
        raise UserError(f"{called}: {what}. {REMEDY}") from error
    if not all(np.isfinite(weight.numpy()).all() for weight in model.weights):
        raise UserError(f"{called}: {file} is broken: some of its weights are no numbers. {REMEDY}")
