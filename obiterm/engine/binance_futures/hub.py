"""Binance futures in one environment, as all accounts of a host share it."""

from __future__ import annotations

from obiterm.config.keys import ApiKeys
from obiterm.core.clock import Clock
from obiterm.engine.binance.hub import key_kind
from obiterm.engine.binance_futures.gateway import FuturesGateway
from obiterm.engine.binance_futures.source import FuturesSource
from obiterm.engine.feed import SharedFeed
from obiterm.venues.binance.futures.environments import FuturesUrls
from obiterm.venues.binance.signing import Credentials


class FuturesHub:
    """One set of market streams, one clock and one weight budget for all futures accounts."""

    venue = "binance-futures"

    def __init__(self, urls: FuturesUrls, clock: Clock) -> None:
        self.rest_url = urls.rest
        self._urls = urls
        self._clock = clock
        self._source = FuturesSource(urls, clock)
        self.feed = SharedFeed(self._source, clock)

    def gateway(self, keys: ApiKeys, *, is_fresh: bool = False) -> FuturesGateway:
        """Return the private side of one account."""
        credentials = Credentials(keys.api_key, keys.api_secret, key_kind(keys.api_secret))
        return FuturesGateway(self._source, self.feed, credentials, self._clock, is_fresh=is_fresh)

    def spectate(self) -> SharedFeed:
        """Return market data with sockets of its own, for markets that no account trades.

        Requests count in this hub's budget; what is kept back for cancels stays so (T44). Who
        asked for it closes ``feed.source``.
        """
        source = FuturesSource(self._urls, self._clock, self._source.budget)
        source.offset_ns = self._source.offset_ns
        return SharedFeed(source, self._clock)

    async def close(self) -> None:
        """Close connections that are kept alive."""
        await self._source.close()
