"""The blocks of a convolutional network, from its params alone: what is in each, and the size it leaves."""

from typing import Any, Literal, Protocol

PadMode = Literal["same", "valid"]
Place = Literal["last", "first"]
"""The convolution of a block that pooling comes after."""


class Blocks(Protocol):
    """What `params.Model` says of the blocks: a single value holds for all, a tuple has one per block."""

    @property
    def filters(self) -> tuple[int | tuple[int, ...], ...]: ...
    @property
    def kernel(self) -> int | tuple[int, ...]: ...
    @property
    def padding(self) -> PadMode | tuple[PadMode | tuple[PadMode, ...], ...]: ...
    @property
    def pool(self) -> int | tuple[int, ...]: ...
    @property
    def pool_after(self) -> Place: ...
    @property
    def whiten(self) -> int: ...


def per_block(value: Any, count: int) -> tuple[Any, ...]:
    """One value per block: a single value is repeated `count` times."""
    return value if isinstance(value, tuple) else (value,) * count


def convolutions(model: Blocks) -> list[list[tuple[int, PadMode]]]:
    """(filters, padding) of every convolution, block by block."""
    blocks: list[list[tuple[int, PadMode]]] = []
    for filters, padding in zip(model.filters, per_block(model.padding, len(model.filters)), strict=True):
        counts = filters if isinstance(filters, tuple) else (filters,)
        paddings = per_block(padding, len(counts))
        if len(paddings) != len(counts):
            raise ValueError(f"model.padding {list(paddings)} does not fit the block's filters {list(counts)}")
        blocks.append(list(zip(counts, paddings, strict=True)))
    return blocks


def scaled(size: tuple[int, int], share: float) -> tuple[int, int]:
    """Height and width of smaller images."""
    height, width = (max(1, round(share * side)) for side in size)
    return height, width


def block_sizes(model: Blocks, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width after each block; raises where a block would leave nothing."""
    count, sizes, side = len(model.filters), [], min(size)
    height, width = (length - max(model.whiten - 1, 0) for length in size)
    kernels, pools = per_block(model.kernel, count), per_block(model.pool, count)
    for block, (layers, kernel, pool) in enumerate(zip(convolutions(model), kernels, pools, strict=True), start=1):
        shrinks = [kernel - 1 if padding == "valid" else 0 for _, padding in layers]
        before = 1 if model.pool_after == "first" else len(shrinks)
        first, rest = sum(shrinks[:before]), sum(shrinks[before:])
        height, width = (height - first) // pool - rest, (width - first) // pool - rest
        if min(height, width) < 1:
            raise ValueError(
                f"image.size {list(size)} is smaller than the network needs: nothing is left of {side} pixels after "
                f"block {block} of model.filters. Use larger images, fewer blocks, or a smaller model.pool"
            )
        sizes.append((height, width))
    return sizes
