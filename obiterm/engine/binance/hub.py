"""Binance spot in one environment, as all accounts of a host share it."""

from __future__ import annotations

from obiterm.config.keys import ApiKeys
from obiterm.core.clock import Clock
from obiterm.engine.binance.gateway import BinanceGateway
from obiterm.engine.binance.source import BinanceSource
from obiterm.engine.feed import SharedFeed
from obiterm.venues.binance.environments import BinanceUrls
from obiterm.venues.binance.signing import Credentials

_QUIET_MARKET_S = 60.0
"""What nobody trades here may be a market in which little happens."""


class BinanceHub:
    """One market stream, one clock and one weight budget for all spot accounts."""

    venue = "binance"

    def __init__(self, urls: BinanceUrls, clock: Clock) -> None:
        self.rest_url = urls.rest
        self._urls = urls
        self._clock = clock
        self._source = BinanceSource(urls, clock)
        self.feed = SharedFeed(self._source, clock)

    def gateway(self, keys: ApiKeys, *, is_fresh: bool = False) -> BinanceGateway:
        """Return the private side of one account."""
        credentials = Credentials(keys.api_key, keys.api_secret, key_kind(keys.api_secret))
        return BinanceGateway(self._source, self.feed, credentials, self._clock, is_fresh=is_fresh)

    def spectate(self) -> SharedFeed:
        """Return market data with sockets of its own, for markets that no account trades.

        Requests count in this hub's budget; what is kept back for cancels stays so (T44). Who
        asked for it closes ``feed.source``.
        """
        source = BinanceSource(
            self._urls, self._clock, self._source.budget, data_silence_s=_QUIET_MARKET_S
        )
        source.offset_ns = self._source.offset_ns
        return SharedFeed(source, self._clock)

    async def close(self) -> None:
        """Close connections that are kept alive."""
        await self._source.close()


def key_kind(secret: str) -> str:
    """Tell an Ed25519 private key (PEM) from an HMAC secret (binance.md §4)."""
    return "ed25519" if "PRIVATE KEY" in secret else "hmac"
