"""Bybit in one environment, as all accounts of a host share it."""

from __future__ import annotations

from obiterm.config.keys import ApiKeys
from obiterm.core.clock import Clock
from obiterm.core.errors import ConfigError
from obiterm.engine.bybit.gateway import BybitGateway
from obiterm.engine.bybit.source import BybitSource
from obiterm.engine.feed import SharedFeed
from obiterm.venues.bybit import BybitUrls, Credentials


class BybitHub:
    """One set of market streams, one clock and one address budget for all accounts."""

    venue = "bybit"

    def __init__(self, urls: BybitUrls, clock: Clock) -> None:
        self.rest_url = urls.rest
        self._urls = urls
        self._clock = clock
        self._source = BybitSource(urls, clock)
        self.feed = SharedFeed(self._source, clock)

    def gateway(self, keys: ApiKeys, *, is_fresh: bool = False) -> BybitGateway:
        """Return the private side of one account.

        Raises ``ConfigError`` for a key of a kind that is not carried, or where the
        environment has no accounts (paper).
        """
        if not self._urls.private:
            raise ConfigError("environment", "paper", "one with accounts: live, testnet or demo")
        credentials = Credentials(keys.api_key, keys.api_secret)
        return BybitGateway(self._source, self.feed, credentials, self._clock, is_fresh=is_fresh)

    def spectate(self) -> SharedFeed:
        """Return market data with sockets of its own, for markets that no account trades.

        Requests count in this hub's budget; what is kept back for cancels stays so (T44). Who
        asked for it closes ``feed.source``.
        """
        source = BybitSource(self._urls, self._clock, self._source.address)
        source.offset_ns = self._source.offset_ns
        return SharedFeed(source, self._clock)

    async def close(self) -> None:
        """Close connections that are kept alive."""
        await self._source.close()
