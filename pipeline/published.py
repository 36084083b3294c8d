"""What the course notebooks printed for the networks that the presets of the same names make again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """The accuracy a notebook printed, the images it was of, its training time, and what is wrong with it."""

    accuracy: float
    images: str  # "test", "validation" (which was the test set, too) or "training"
    seconds: int
    parameters: int
    caveat: str = ""


FIRST_NETWORK = "printed for a network that was not the one compiled, but the first, trained on"

PUBLISHED: dict[str, Published] = {
    "cifar100-cnn": Published(0.3736, "validation", 486, 831_354, "the test set stopped the training"),
    "cifar10-ann": Published(0.4965, "training", 352, 12_230_010),
    "cifar10-cnn": Published(0.6971, "test", 244, 167_562),
    "cifar10-deep": Published(0.8950, "training", 1260, 1_250_858),
    "mnist-cnn": Published(0.9886, "test", 761, 4_738_826),
    "flowers-baseline": Published(0.4758, "validation", 523, 6_649_925),
    "flowers-dropout": Published(0.2583, "validation", 425, 6_649_925),
    "flowers-padding": Published(0.4850, "validation", 387, 9_533_509, FIRST_NETWORK),
    "flowers-filters": Published(0.4983, "validation", 362, 13_481_093, FIRST_NETWORK),
    "flowers-augment": Published(0.6458, "validation", 583, 6_649_925, FIRST_NETWORK),
}
