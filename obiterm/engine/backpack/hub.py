"""Backpack in one environment, as all accounts of a host share it."""

from __future__ import annotations

from obiterm.config.keys import ApiKeys
from obiterm.core.clock import Clock
from obiterm.engine.backpack.gateway import BackpackGateway
from obiterm.engine.backpack.source import BackpackSource
from obiterm.engine.feed import SharedFeed
from obiterm.venues.backpack.environments import BackpackUrls
from obiterm.venues.backpack.limits import Budget
from obiterm.venues.backpack.signing import Credentials


class BackpackHub:
    """One market stream and one clock for all accounts; a rate budget for each key."""

    venue = "backpack"

    def __init__(self, urls: BackpackUrls, clock: Clock) -> None:
        self.rest_url = urls.rest
        self._urls = urls
        self._clock = clock
        self._source = BackpackSource(urls, clock)
        self._budgets: dict[str, Budget] = {}
        self.feed = SharedFeed(self._source, clock)

    def gateway(self, keys: ApiKeys, *, is_fresh: bool = False) -> BackpackGateway:
        """Return the private side of one account.

        Raises ``ConfigError`` for a secret that is damaged or belongs to another key. The
        venue counts requests per subaccount: gateways of the same key share one budget.
        """
        credentials = Credentials(keys.api_key, keys.api_secret)
        budget = self._budgets.setdefault(credentials.api_key, Budget())
        return BackpackGateway(
            self._source, self.feed, credentials, budget, self._clock, is_fresh=is_fresh
        )

    def spectate(self) -> SharedFeed:
        """Return market data with sockets of its own, for markets that no account trades.

        Requests count in this hub's budget; what is kept back for cancels stays so (T44). Who
        asked for it closes ``feed.source``.
        """
        source = BackpackSource(
            self._urls, self._clock, self._source.calls.budget, self._source.firewall
        )
        source.offset_ns = self._source.offset_ns
        return SharedFeed(source, self._clock)

    async def close(self) -> None:
        """Close connections that are kept alive."""
        await self._source.close()
