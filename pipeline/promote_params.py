"""The schema of the section `promote` of `params.yaml`: the rule of the gate that a candidate has to pass.

No stage reads it, so changing it makes nothing run again.
"""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.section import Section

Share = Annotated[float, Field(ge=0, le=1)]


class Promote(Section):
    """When a candidate takes the champion's place. Shares are of 1; a budget of 0 is none."""

    metric: Literal["accuracy", "balanced_accuracy"]
    least_gain: Annotated[float, Field(ge=0, lt=1)]
    level: Annotated[float, Field(gt=0, lt=0.5)]  # chance that a candidate that gains no more is promoted all the same
    least_images: Annotated[int, Field(ge=1)]  # test images that neither model was trained or validated on
    class_floor: Share  # the recall that a class may lose; 1: off
    calibration: Share  # what the expected calibration error may grow by; 1: off
    max_megabytes: Annotated[float, Field(ge=0)]  # of the model file
    max_milliseconds: Annotated[float, Field(ge=0)]  # to answer one image: the median
    bootstrap: Annotated[int, Field(ge=1000, le=1_000_000)]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
