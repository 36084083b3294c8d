"""Trained weights for a network to begin with, and which of its layers go on training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import canonical, weights
from pipeline.backbone_params import NONE, Backbone
from pipeline.body import FEATURES, WHITEN, application
from pipeline.canonical import BROKEN
from pipeline.errors import UserError
from pipeline.model import NORMALIZE, between, one_way

if TYPE_CHECKING:
    import keras

OURS = ".keras"
MOVING = ("BatchNormalization",)


def begin(model: "keras.Model", params: Backbone, file: Path, labels: list[str]) -> bool:
    """Loads weights into the body of `model`, and into its head where that tells the same classes apart.

    Then sets which layers train. The statistics of a backbone's batch normalisation never do: a few batches of other
    pictures would spoil what millions have settled.

    Args:
        file: a `.keras` file of this project, or an `.h5` file of the backbone's network without its head.

    Returns:
        Whether the scale of the features came along, with a head that was trained on it.

    Raises:
        UserError: the file is broken, or of another network.
    """
    body = between(model, None, FEATURES, "body")
    is_ours = file.suffix == OURS
    loaded = _from_ours(model, body, params, file, labels) if is_ours else _from_h5(body, params, file)
    _set_trainable(body, params)
    return NORMALIZE in loaded


def _from_h5(body: "keras.Model", params: Backbone, file: Path) -> set[str]:
    """Loads layers; returns their names."""
    import keras

    source = application(params, keras.Input((None, None, 3), name="pictures"))
    weights.load(source, file, f"backbone.weights {params.weights}")
    known = {layer.name: layer.get_weights() for layer in source.layers}
    weighted = [layer for layer in body.layers if layer.weights]
    for layer in weighted:
        layer.set_weights(known[layer.name])
    return {layer.name for layer in weighted}


def _from_ours(model: "keras.Model", body: "keras.Model", params: Backbone, file: Path, labels: list[str]) -> set[str]:
    """Loads layers; returns their names."""
    try:
        source, note = canonical.load(file)
    except BROKEN as error:
        raise UserError(f"backbone.weights {params.weights} is broken or no model of this project") from error
    have, want = tuple(source.input_shape[1:]), tuple(model.input_shape[1:])
    if have != want:
        raise UserError(
            f"backbone.weights {params.weights} takes pictures of {_shape(have)}, this training has {_shape(want)}: "
            f"say image.size=[{have[0]},{have[1]}] image.channels={have[2]}"
        )
    known = {layer.name: layer for layer in one_way(source).layers}
    in_body = {layer.name for layer in body.layers}
    same_classes = list(note["labels"]) == labels
    loaded = set()
    for layer in model.layers:
        fits = layer.name in known and _shapes(known[layer.name]) == _shapes(layer)
        if layer.name in in_body and layer.weights and not fits:
            raise UserError(
                f"backbone.weights {params.weights} has no layer {layer.name} of this shape: model.* and backbone.* "
                "must make the network that it was trained as"
            )
        if layer.weights and fits and (layer.name in in_body or same_classes):
            layer.set_weights(known[layer.name].get_weights())
            loaded.add(layer.name)
    return loaded


def _set_trainable(body: "keras.Model", params: Backbone) -> None:
    weighted = [layer for layer in body.layers if layer.weights and layer.name != WHITEN]
    there_are = sum(not _is_moving(layer) for layer in weighted)
    count = {"none": 0, "all": there_are}.get(str(params.trainable), params.trainable)
    assert isinstance(count, int)
    if count > there_are:
        raise UserError(f"backbone.trainable is {count}, but {there_are} of the layers can train: give fewer, or all")
    for layer in weighted:
        layer.trainable = False
    last = [position for position, layer in enumerate(weighted) if not _is_moving(layer)][-count:] if count else []
    for layer in weighted[last[0] :] if last else []:
        layer.trainable = params.name == NONE or not _is_moving(layer)


def _is_moving(layer: Any) -> bool:
    return type(layer).__name__ in MOVING


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
