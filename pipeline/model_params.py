"""The schema of the section `model` of `params.yaml`: the layers of a network."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.blocks import PadMode, Place
from pipeline.section import Section

Rate = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Pool = Annotated[int, Field(ge=1)]


class Model(Section):
    """A convolutional network. A single value holds for every block, a list gives one per block.

    A block is its convolutions (one filter count, or a list for several), pooling, dropout.

    whiten: side of the patches of a first layer that does not train; its weights make patches of the training images
        uncorrelated. 0: none.
    test_time_flip: the saved model answers with the mean over a picture and its mirror image; training does not.
    """

    filters: tuple[Count | tuple[Count, ...], ...]
    kernel: Count | tuple[Count, ...]
    padding: PadMode | tuple[PadMode | tuple[PadMode, ...], ...]
    pool: Pool | tuple[Pool, ...]  # 1: no pooling
    pool_after: Place
    dropout: Rate | tuple[Rate, ...]
    batch_norm: bool
    activation: Literal["relu", "gelu", "silu"]
    whiten: Annotated[int, Field(ge=0, le=5)]
    pooling: Literal["flatten", "average", "max"]  # of what the last block leaves
    dense: tuple[Count, ...]
    dense_dropout: Rate | tuple[Rate, ...]
    rescale: bool
    test_time_flip: bool

    @model_validator(mode="after")
    def _lists_fit(self) -> Self:
        for key, values, count, what in (
            ("kernel", self.kernel, len(self.filters), "model.filters"),
            ("padding", self.padding, len(self.filters), "model.filters"),
            ("pool", self.pool, len(self.filters), "model.filters"),
            ("dropout", self.dropout, len(self.filters), "model.filters"),
            ("dense_dropout", self.dense_dropout, len(self.dense), "model.dense"),
        ):
            if isinstance(values, tuple) and len(values) != count:
                raise ValueError(
                    f"model.{key} has {len(values)} values for {count} in {what}: give one value, or {count}"
                )
        return self
