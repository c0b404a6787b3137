"""What the dialect needs of a core beside ``VenueCore``."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from obiterm.exchange.api import VenueCore


class GatedCore(VenueCore, Protocol):
    """A core that may wait for its audience, so that a capture is seen from its first line."""

    def start(self) -> None:
        """Let the market begin: the first book stream has a listener. Harmless twice."""
        ...

    def peek(
        self, symbol: str, limit: int
    ) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the same as ``depth`` without counting as a client's snapshot."""
        ...

    def pin_mark(self, symbol: str, price: Decimal | None) -> None:
        """Hold the mark of a perpetual at ``price`` from the next step on, or let it go."""
        ...
