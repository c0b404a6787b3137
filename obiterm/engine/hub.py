"""One venue in one environment, as all accounts of a host share it."""

from __future__ import annotations

from typing import Protocol

from obiterm.config.keys import ApiKeys
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Gateway


class Hub(Protocol):
    """What accounts of one venue share: feed, listing, clock, the address's rate budget.

    Attributes:
        venue: the venue's name in profiles.
        rest_url: base address of REST.
        feed: market data.
    """

    venue: str
    rest_url: str
    feed: SharedFeed

    def gateway(self, keys: ApiKeys, *, is_fresh: bool = False) -> Gateway:
        """Return the private side of one account.

        Args:
            keys: its API key.
            is_fresh: the exchange was started for this run; nothing of earlier runs is there.
        """
        ...

    def spectate(self) -> SharedFeed:
        """Return market data with sockets of its own, for markets that no account trades.

        Requests count in this hub's budget; what is kept back for cancels stays so (T44). Who
        asked for it closes ``feed.source``.
        """
        ...

    async def close(self) -> None:
        """Close connections that are kept alive."""
        ...
