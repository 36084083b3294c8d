"""When the gate decides nothing: too little to go by, or a rule that no candidate can meet; each says what to do."""

import math
from collections.abc import Mapping

import numpy as np

from pipeline.errors import UserError
from pipeline.metrics import Floats
from pipeline.paired_bootstrap import ROUNDING
from pipeline.promote_params import Promote

BEYOND = 10  # resamples that have to lie outside the interval, so that its end is no accident of the draws
MOST = 1_000_000  # resamples, the bound of `promote.bootstrap`


def require_possible(rule: Promote) -> None:
    """Refuses a level that so few resamples cannot show; what is wrong with the rule whoever the candidate is."""
    needed = math.ceil(BEYOND / rule.level - ROUNDING)
    if rule.bootstrap >= needed:
        return
    remedy = (
        f"promote.bootstrap to at least {needed}" if needed <= MOST else f"promote.level to {BEYOND / MOST:g} or more"
    )
    raise UserError(
        f"promote.level is {rule.level:g}, which the {rule.bootstrap} resamples of promote.bootstrap cannot show, so "
        f"no candidate can meet the rule: set {remedy}"
    )


def require_enough(rule: Promote, num_images: int, copies: int, left_out: Mapping[str, int]) -> None:
    """Refuses to decide on fewer images than the rule asks for."""
    if num_images >= rule.least_images:
        return
    total = num_images + copies + sum(left_out.values())
    if rule.least_images > total:
        raise UserError(
            f"promote.least_images is {rule.least_images:,}, but the test split has {total:,} images, so no candidate "
            f"can meet the rule: set it to {total} or less, or add images"
        )
    reasons = [f"{count:,} of {_whose(name)}" for name, count in left_out.items() if count]
    reasons += [f"{copies:,} copies"] if copies else []
    raise UserError(
        f"nothing was decided: {num_images:,} of {total:,} test images can be used, but promote.least_images is "
        f"{rule.least_images:,}; left out are {', '.join(reasons)}. Add new images, or lower promote.least_images"
    )


def _whose(name: str) -> str:
    return "the training or validation data of " + ("both models" if name == "both" else f"the {name} alone")


def require_numbers(called: str, probabilities: Floats) -> None:
    """Refuses a model that answers with NaN or infinity."""
    broken = int(np.count_nonzero(~np.isfinite(probabilities).all(axis=1)))
    if broken:
        raise UserError(
            f"{called} answers {broken:,} of {len(probabilities):,} test images with what is no number, so it cannot "
            "be judged: train it again, as with a lower train.learning_rate"
        )


def require_timed(rule: Promote, called: str, milliseconds: float | None) -> None:
    """Refuses a budget of time for a model whose time is not known."""
    if rule.max_milliseconds and milliseconds is None:
        raise UserError(
            f"promote.max_milliseconds is {rule.max_milliseconds:g}, but nobody measured how long {called} takes: "
            "set it to 0 for no budget"
        )


def require_room(rule: Promote, called: str, value: float) -> None:
    """Refuses a least gain that leads above 1."""
    room = 1 - value
    if rule.least_gain > room + ROUNDING:
        remedy = f"set it below {room:.4g}" if room > ROUNDING else "add test images"
        raise UserError(
            f"promote.least_gain is {rule.least_gain:g}, but the champion, {called}, already has {rule.metric} "
            f"{value:.4f}, so no candidate can meet the rule: {remedy}"
        )
