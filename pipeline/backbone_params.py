"""The schema of the section `backbone` of `params.yaml`: which trained network a training starts from."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.backbones import BACKBONES
from pipeline.section import Section

NONE, IMAGENET = "none", "imagenet"


class Backbone(Section):
    """A trained network in front of the dense layers, in place of `model.filters`; or weights for those to begin with.

    weights: `imagenet`, a file, a `models:/` address, or `none`: from scratch.
    trainable: of the layers that came with weights; a number is that of the last ones, `all` or `none`. Batch
        normalisation is not counted: it trains with the layer before it in networks of ours, never in backbones.
    views: of each training image that `augment` changes; what the frozen layers make of them is kept.
    """

    name: str
    weights: str
    sha256: str  # of the file or model; `reprolens use` fills it in
    mirror: str  # a folder or address that replaces the official host of `imagenet`
    width: Annotated[float, Field(gt=0)]
    until: tuple[str, ...]  # layers whose outputs are used; none: the last
    pooling: Literal["average", "max", "flatten"]
    normalize: bool  # features to mean 0, variance 1, as they were in the training images
    trainable: Literal["none", "all"] | Annotated[int, Field(ge=1)]
    views: Annotated[int, Field(ge=0, le=1000)]
    head_epochs: Annotated[int, Field(ge=0, le=100_000)]
    head_learning_rate: Annotated[float, Field(gt=0, le=10)]

    @property
    def is_on(self) -> bool:
        """Whether a training differs from one without this section."""
        return self.name != NONE or self.weights != NONE

    @property
    def is_pinned(self) -> bool:
        """Whether the weights are a file or model, whose bytes `sha256` holds."""
        return self.weights not in (NONE, IMAGENET)

    @field_validator("name")
    @classmethod
    def _name_is_known(cls, value: str) -> str:
        if value != NONE and value not in BACKBONES:
            raise ValueError(f"backbone.name is {value!r}: there are {', '.join(BACKBONES)}, and none")
        return value

    @field_validator("sha256")
    @classmethod
    def _sha256_is_one(cls, value: str) -> str:
        if value and not re.fullmatch("[0-9a-f]{64}", value):
            raise ValueError(f"backbone.sha256 is {value!r}, but must be 64 small hexadecimal digits, or empty")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if not self.weights:
            raise ValueError("backbone.weights is empty: give imagenet, a file, models:/NAME@ALIAS, or none")
        if self.is_pinned and not self.sha256:
            raise ValueError(
                f"backbone.sha256 is empty, so {self.weights} could be other weights tomorrow: set both by "
                f"`reprolens use PRESET backbone.weights={self.weights}`"
            )
        if self.name == NONE and (self.weights == IMAGENET or self.until):
            raise ValueError("backbone.name is none: name a network for weights or layers of it, as in vgg16")
        if self.weights == NONE and self.trainable != "all":
            raise ValueError(
                f"backbone.trainable is {self.trainable}, but without backbone.weights nothing is trained yet: say all"
            )
        if self.weights == NONE and self.normalize:
            raise ValueError(
                "backbone.normalize is true, but without backbone.weights features have no scale: say false"
            )
        if self.trainable == "all" and self.views:
            raise ValueError(
                f"backbone.views is {self.views}, but backbone.trainable is all, which keeps nothing: say 0"
            )
        if self.trainable == "none" and self.head_epochs:
            raise ValueError("backbone.head_epochs comes before the rest trains, but backbone.trainable is none: say 0")
        return self._width_is_one()

    def _width_is_one(self) -> Self:
        widths = BACKBONES[self.name].widths if self.name != NONE else (1.0,)
        if self.width not in widths:
            there_are = ", ".join(str(width) for width in widths)
            raise ValueError(f"backbone.width is {self.width:g}, but {self.name} comes in {there_are}")
        return self
