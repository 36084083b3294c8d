"""How the aliases of a registered model move, so that `champion` always names a whole, loadable version.

A version is made by one call and `champion` moves by one call, after the new champion's tag tells which version it
replaces. `previous` and `challenger` only follow; what a killed call left of them, `settle` mends.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import registry
from pipeline.errors import UserError
from pipeline.registry import CHALLENGER, CHAMPION, DECISION_TAG, PREVIOUS, Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

REPLACED_TAG = "reprolens.replaced"  # of a version that serves or served: the number of the one before, or none
SERVED_TAG = "reprolens.served"  # of a version that serves or served: the stamp of the newest decision on it by then
NONE = "none"


@dataclass(frozen=True)
class Succession:
    """Who serves, whom that version replaced, and whom the alias `previous` names."""

    champion: Version | None
    replaced: Version | None
    previous: Version | None

    @property
    def is_settled(self) -> bool:
        """Whether aliases and tags follow the champion: not so where a call was cut off."""
        if self.champion is None:
            return True
        marked = served(self.champion) == _newest_decision(self.champion)
        return marked and self.replaced == self.previous and CHALLENGER not in self.champion.aliases


def served(version: Version) -> str:
    """The stamp of the newest decision on a version when it served last; empty where it never did by a decision."""
    return version.tags.get(SERVED_TAG, "")


def _newest_decision(version: Version) -> str:
    stamps = (tag.removeprefix(DECISION_TAG) for tag in version.tags if tag.startswith(DECISION_TAG))
    return max(stamps, default="")


def succession(client: "MlflowClient", name: str) -> Succession:
    """How it stands with a registered model."""
    known = registry.versions(client, name)
    named = {alias: version for version in known for alias in version.aliases}
    champion = named.get(CHAMPION)
    number = champion.tags.get(REPLACED_TAG, NONE) if champion else NONE
    replaced = next((version for version in known if str(version.number) == number), None)
    return Succession(champion, replaced, named.get(PREVIOUS))


def challenge(client: "MlflowClient", version: Version) -> None:
    """Names the candidate that is judged, or was judged last, `challenger`."""
    client.set_registered_model_alias(version.name, CHALLENGER, str(version.number))


def make_champion(client: "MlflowClient", version: Version) -> None:
    """Puts a version in the champion's place; done again after a kill, it comes to the same end."""
    now = registry.champion(client, version.name)
    if now is None or now.number != version.number:
        replaced = str(now.number) if now else NONE
        client.set_model_version_tag(version.name, str(version.number), REPLACED_TAG, replaced)
        client.set_registered_model_alias(version.name, CHAMPION, str(version.number))
    settle(client, version.name)


def before(client: "MlflowClient", name: str) -> tuple[Version, Version]:
    """The champion, and the version that it replaced.

    Raises:
        UserError: there is no champion, or it is the first, or the one before was deleted.
    """
    found = succession(client, name)
    if found.champion is None:
        raise UserError(f"model {name} has no champion yet, so nothing can be rolled back: run `reprolens promote`")
    if found.replaced is None:
        raise UserError(
            f"version {found.champion.number} of {name} has no version before it to go back to: promote another with "
            "`reprolens promote RUN --force --reason TEXT`"
        )
    return found.champion, found.replaced


def roll_back(client: "MlflowClient", name: str) -> Version:
    """Gives the champion's place back to the version before it, which is returned; raises as `before`."""
    target = before(client, name)[1]
    client.set_registered_model_alias(name, CHAMPION, str(target.number))
    settle(client, name)
    return target


def settle(client: "MlflowClient", name: str) -> None:
    """Makes `previous` and `challenger` follow `champion`, whatever was cut off before."""
    found = succession(client, name)
    if found.champion is None:
        return
    if found.replaced and found.replaced != found.previous:
        client.set_registered_model_alias(name, PREVIOUS, str(found.replaced.number))
    if found.previous and not found.replaced:
        client.delete_registered_model_alias(name, PREVIOUS)
    if CHALLENGER in found.champion.aliases:
        client.delete_registered_model_alias(name, CHALLENGER)
    if served(found.champion) != (stamp := _newest_decision(found.champion)):
        client.set_model_version_tag(name, str(found.champion.number), SERVED_TAG, stamp)
