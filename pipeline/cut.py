"""Where a network is cut in two: a part that does not train, whose outputs can be kept, and the rest."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.body import FEATURES, PIXELS

if TYPE_CHECKING:
    import keras


def frozen_until(model: "keras.Model") -> str | None:
    """The last layer of the body through which everything passes and up to which nothing trains.

    Returns:
        Its name; None if nothing with weights lies before it, so that keeping its outputs would spare nothing.
    """
    import networkx

    parents = {layer["name"]: set(_named(layer["inbound_nodes"])) for layer in model.get_config()["layers"]}
    graph = networkx.DiGraph((parent, name) for name in parents for parent in parents[name])
    before = networkx.immediate_dominators(graph, PIXELS)
    layers = {layer.name: layer for layer in model.layers}
    name: str | None = FEATURES
    while name is not None:
        weighted = [layers[part] for part in {name, *networkx.ancestors(graph, name)} if _has_weights(layers.get(part))]
        if name in layers and not any(layer.trainable for layer in weighted):
            return name if weighted else None
        name = before[name] if before[name] != name else None
    return None


def _has_weights(layer: Any) -> bool:
    return layer is not None and bool(layer.weights)


def _named(nodes: Any) -> Iterator[str]:
    """The names of the layers whose outputs a layer takes, wherever they stand in its config."""
    if isinstance(nodes, dict):
        if "keras_history" in nodes:
            yield nodes["keras_history"][0]
        nodes = list(nodes.values())
    if isinstance(nodes, list | tuple):
        for node in nodes:
            yield from _named(node)
