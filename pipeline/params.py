"""The schema of `params.yaml`: bounds live here, values only in YAML.

One frozen model per section; a parameter keeps one dotted name (`model.dropout`) from YAML over the
schema to MLflow. `params_file` reads the file and turns what is wrong into one line.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.backbone_params import NONE, Backbone
from pipeline.backbones import BACKBONES
from pipeline.blocks import block_sizes, scaled
from pipeline.model_params import Count, Model, Rate
from pipeline.promote_params import Promote
from pipeline.retrain_params import Retrain
from pipeline.section import Section
from pipeline.tune_params import Tune

Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=4096)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Dataset(Section):
    """Where the images come from."""

    name: Literal["digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "flowers", "folder"]
    path: str  # of `folder`: a folder or archive of class folders, here or at an http(s):// or s3:// address
    sha256: str  # of an archive at `path`, checked before anything in it is read; empty: not checked
    mirror: str  # a folder or address that replaces the official host; bytes are verified all the same
    watch: str  # what DVC watches for new data; `reprolens use` sets it

    @field_validator("sha256")
    @classmethod
    def _sha256_is_one(cls, value: str) -> str:
        if value and not re.fullmatch("[0-9a-f]{64}", value):
            raise ValueError(f"dataset.sha256 is {value!r}, but must be 64 small hexadecimal digits, or empty")
        return value

    @model_validator(mode="after")
    def _path_is_given(self) -> Self:
        if self.name != "folder":
            return self
        if not self.path:
            raise ValueError("dataset.path is empty: run `reprolens use folder dataset.path=YOUR_FOLDER`")
        if self.watch != self.path and "://" not in self.path:  # an address is watched only where that is wanted
            raise ValueError(f"dataset.watch is {self.watch!r} but must equal dataset.path for `folder`: {self.path!r}")
        return self


class Image(Section):
    """What every picture becomes: `size` is height and width in pixels."""

    size: tuple[Side, Side]
    channels: Literal[1, 3]

    @field_validator("channels", mode="before")
    @classmethod
    def _channels_is_whole(cls, value: object) -> object:
        if type(value) is not int:  # `true` and 1.0 equal 1
            raise ValueError(f"image.channels is {value!r}, but must be 1 (grey) or 3 (colour)")
        return value


class Split(Section):
    """How images are divided. The three shares hold in expectation and add up to 1."""

    seed: Seed
    train: Share
    val: Share
    test: Share
    max_unreadable: Share  # of all files; more than that stops the stage
    # Pictures whose perceptual hashes differ in at most so many of 64 bits stay on one side; 0: off.
    near_duplicates: Annotated[int, Field(ge=0, le=16)]

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        total = self.train + self.val + self.test
        shares = f"split.train {self.train} + split.val {self.val} + split.test {self.test}"
        if abs(total - 1) > 1e-9:
            raise ValueError(f"{shares} = {total:g}, but must add up to 1")
        for name in ("train", "val", "test"):
            if getattr(self, name) == 0:
                raise ValueError(f"split.{name} is 0, which leaves no {name} data: give it a share, as in 0.15")
        return self


class Augment(Section):
    """Random changes of training images; 0 or false is off. Shifts, zoom and cutout are shares of the side.

    flip_horizontal: at random, or `alternate`: at random in the first epoch, in each later one the other way round.
    """

    flip_horizontal: Literal["alternate"] | bool
    flip_vertical: bool
    rotation: Annotated[float, Field(ge=0, le=180)]  # degrees, either way
    shift_height: Rate
    shift_width: Rate
    whole_shifts: bool  # by whole pixels, which blurs nothing
    zoom: Rate
    contrast: Rate
    brightness: Rate
    cutout: Rate

    @property
    def is_on(self) -> bool:
        """Whether any change is asked for."""
        return any(self.model_dump(exclude={"whole_shifts"}).values())

    @field_validator("flip_horizontal", mode="before")
    @classmethod
    def _flip_is_one(cls, value: object) -> object:
        if not isinstance(value, bool) and value != "alternate":
            raise ValueError(f"augment.flip_horizontal is {value!r}, but must be true, false or alternate")
        return value


class Train(Section):
    """How the network is trained."""

    seed: Seed
    epochs: Count
    batch_size: Count
    optimizer: Literal["sgd", "sgdw", "adam", "adamw"]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    schedule: Literal["constant", "cosine", "one-cycle", "triangular"]
    momentum: Rate  # sgd and sgdw only
    weight_decay: Rate  # sgdw and adamw only, decoupled
    average: Rate  # of the weights over the steps, exponential: what is kept and judged; 0: the weights themselves
    label_smoothing: Rate
    class_weights: Literal["none", "balanced"]
    monitor: Literal["val_loss", "val_accuracy"]  # decides which epoch's weights are kept
    patience: Annotated[int, Field(ge=0, le=100_000)]  # epochs without gain before stopping; 0: never
    small_epochs: Annotated[int, Field(ge=0, le=100_000)]  # the first ones, on images of `small_scale` of the side
    small_scale: Annotated[float, Field(gt=0, lt=1)]
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"]
    threads: Annotated[int, Field(ge=1, le=1024)]


class Evaluate(Section):
    """How the test numbers are made."""

    bootstrap: Annotated[int, Field(ge=100, le=100_000)]  # resamples per interval
    seed: Seed


class Params(Section):
    """All of `params.yaml`."""

    dataset: Dataset
    image: Image
    split: Split
    model: Model
    backbone: Backbone
    augment: Augment
    train: Train
    evaluate: Evaluate
    # Left out of dumps: no part of what a run is.
    tune: Tune = Field(exclude=True)
    promote: Promote = Field(exclude=True)
    retrain: Retrain = Field(exclude=True)

    @model_validator(mode="after")
    def _small_images_fit(self) -> Self:
        given = f"train.small_epochs is {self.train.small_epochs}"
        if not self.train.small_epochs:
            return self
        if self.train.small_epochs >= self.train.epochs:
            raise ValueError(f"{given} of {self.train.epochs} train.epochs: leave some for images of the whole size")
        if self.backbone.is_on:
            raise ValueError(f"{given}, but a training that starts from backbone has one size: say 0")
        if self.model.pooling == "flatten":
            raise ValueError(
                f"{given}, but with model.pooling flatten each size has its own weights: say average or max"
            )
        block_sizes(self.model, scaled(self.image.size, self.train.small_scale))
        return self

    @model_validator(mode="after")
    def _network_fits_image(self) -> Self:
        if self.backbone.views and not self.augment.is_on:
            raise ValueError(f"backbone.views is {self.backbone.views}, but augment changes nothing: say 0")
        if self.backbone.name == NONE:
            block_sizes(self.model, self.image.size)
            return self
        least = BACKBONES[self.backbone.name].least
        if self.image.channels != 3:
            raise ValueError(
                f"image.channels is 1, but {self.backbone.name} takes colour: set it to 3, grey fits in it"
            )
        if min(self.image.size) < least:
            raise ValueError(
                f"image.size is {list(self.image.size)}, but {self.backbone.name} needs {least} pixels a side at least"
            )
        return self
