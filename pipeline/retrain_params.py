"""The schema of the section `retrain` of `params.yaml`: what new data has to be like before it is trained on.

No stage reads it, so changing it makes nothing run again.
"""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.section import Section

Action = Literal["ignore", "warn", "stop"]


class Check(Section):
    """One check of the data: what to do where the size of what is found is above a limit."""

    do: Action
    above: Annotated[float, Field(ge=0, le=1)]


class Checks(Section):
    """The checks by name; each has a size from 0 to 1."""

    unreadable: Check  # share of the new files that cannot be read
    duplicates: Check  # share of the new files that are copies of an image
    classes: Check  # share of the classes that came or went
    relabelled: Check  # share of the images known before whose label is another now
    vanished: Check  # share of the champion's images that are gone
    labels: Check  # share of the new labels that are wrong, as the champion sees it
    balance: Check  # total variation distance between the class shares of new and known images
    statistics: Check  # largest Kolmogorov-Smirnov distance of brightness, contrast, colour, sharpness
    features: Check  # a classifier that tells new images from known ones: how far it is above chance (0 to 1)


class Retrain(Section):
    """What `reprolens retrain` asks of new data; statistical checks must be significant, too."""

    level: Annotated[float, Field(gt=0, lt=0.5)]  # chance that any of them gives a false alarm (Holm's correction)
    checks: Checks
