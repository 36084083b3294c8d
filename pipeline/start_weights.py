"""Where the weights of `backbone.weights` are: fetched, verified, and kept, so that a training can be made again."""

import shutil
import tempfile
from pathlib import Path

from pipeline import paths, registry, tracked_model, tracking_server, version_names, weights
from pipeline.backbone_params import IMAGENET, NONE, Backbone
from pipeline.backbones import BACKBONES
from pipeline.errors import UserError, os_errors
from pipeline.files import at_home, file_digest, replacing

ADDRESS = "models:/"


def find(params: Backbone) -> Path | None:
    """The file of the weights, with the bytes that the params name; None of a training from scratch.

    Raises:
        UserError: it is not there, was changed, or cannot be fetched.
    """
    if params.weights == NONE:
        return None
    if params.weights == IMAGENET:
        return weights.fetched(BACKBONES[params.name], False, params.mirror, params.width)
    kept = _place(params.weights, params.sha256)
    if not kept.exists():
        found = _keep(params.weights)
        if found != params.sha256:
            raise UserError(
                f"backbone.weights {params.weights} was changed: its SHA-256 is {found}, backbone.sha256 is "
                f"{params.sha256}; `reprolens use` takes it as it is now"
            )
    return kept


def pinned(wanted: str) -> tuple[str, str]:
    """A file or a model as params name it for good, and its SHA-256: an alias becomes the version it is of today.

    Raises:
        UserError: there is none, or MLflow is away.
    """
    fixed = _fixed(wanted) if wanted.startswith(ADDRESS) else str(at_home(wanted, "backbone.weights"))
    return fixed, _keep(fixed)


def _fixed(address: str) -> str:
    version = version_names.parse(address)
    if version is None:
        raise UserError(
            f"backbone.weights {address} is no model version: give models:/NAME@ALIAS or models:/NAME/VERSION"
        )
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            return registry.version_of(client, *version).address
    except tracking_server.Away as error:
        raise _away(address, error) from error


def _keep(wanted: str) -> str:
    """Copies a file or model to where it is kept; returns its SHA-256."""
    with tempfile.TemporaryDirectory() as folder, os_errors("cannot keep backbone.weights", paths.downloads()):
        file = _downloaded(wanted, Path(folder)) if wanted.startswith(ADDRESS) else Path(wanted)
        if not file.is_file():
            raise UserError(
                f"backbone.weights {wanted} is no file: give imagenet, a .h5 or .keras file, or models:/NAME@ALIAS"
            )
        digest = file_digest(file, "sha256")
        target = _place(wanted, digest)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as beside:
                shutil.copyfile(file, beside)
        return digest


def _downloaded(address: str, folder: Path) -> Path:
    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            return tracked_model.download(client, address, folder)
    except tracking_server.Away as error:
        raise _away(address, error) from error


def _away(address: str, error: Exception) -> UserError:
    uri = tracking_server.tracking_uri()
    return UserError(f"backbone.weights {address}: MLflow at {uri} is away ({error}): try again once it is back")


def _place(wanted: str, digest: str) -> Path:
    kinds = (".keras", ".weights.h5", ".h5")  # Keras reads each in its own way
    suffix = next((kind for kind in kinds if wanted.endswith(kind)), ".keras" if wanted.startswith(ADDRESS) else ".h5")
    return paths.downloads() / "weights" / f"{digest}{suffix}"
