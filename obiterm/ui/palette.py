"""The command palette: the registry's entries that make sense now."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from textual.command import DiscoveryHit, Hit, Hits, Provider

from obiterm.ui.actions import ACTIONS, Action


class Offering(Protocol):
    """What the palette asks of the app."""

    def can_perform(self, name: str) -> bool:
        """True when an action is possible now."""
        ...

    def perform(self, name: str) -> None:
        """Do it."""
        ...


class ActionCommands(Provider):
    """Offers ``area: Verb object`` entries with the sentence of the registry as help."""

    @property
    def _offering(self) -> Offering:
        return self.app  # type: ignore[return-value]

    def _offered(self) -> list[Action]:
        """Panic entries come last: Enter on a palette just opened must not kill."""
        offered = [
            action
            for action in ACTIONS
            if action.palette and self._offering.can_perform(action.name)
        ]
        return sorted(offered, key=lambda action: action.panic)

    async def discover(self) -> Hits:
        """Offer everything, in the order of the registry."""
        for action in self._offered():
            yield DiscoveryHit(
                action.palette,
                partial(self._offering.perform, action.name),
                help=action.description,
            )

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for action in self._offered():
            score = matcher.match(action.palette)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(action.palette),
                    partial(self._offering.perform, action.name),
                    help=action.description,
                )
