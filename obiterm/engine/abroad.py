"""Markets of an account that the profile does not name, for a kill or an exit (R102).

Their orders are listed, cancelled and verified like any others. Their positions are closed
by a gateway of their own, which knows that market alone: nothing of it reaches the books.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import NamedTuple

from obiterm.core.clock import Clock
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, Symbol
from obiterm.engine.gateway import Gateway

_PREPARE_LIMIT_S = 10.0
_FIRST_PAUSE_NS = 300 * NS_PER_MS
_LONGEST_PAUSE_NS = 10 * NS_PER_S
"""A list of all markets is dear: 80 of weight at Binance, which even a kill must not overdraw."""


class Market(NamedTuple):
    """A market with the gateway that can close its position."""

    gateway: Gateway
    instrument: Instrument


class MarketsAbroad:
    """Gateways of markets that the account does not trade here; each is prepared once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._markets: dict[Symbol, Market] = {}

    async def market(self, symbol: Symbol) -> Market:
        """Return a market ready for a close. Raises what ``Gateway.prepare`` raises."""
        known = self._markets.get(symbol)
        if known is not None:
            return known
        gateway = self._gateway.sibling()
        try:
            async with asyncio.timeout(_PREPARE_LIMIT_S):
                prepared = await gateway.prepare([symbol])
        except BaseException:
            await gateway.close()
            raise
        made = self._markets[symbol] = Market(gateway, prepared.instruments[symbol])
        return made

    async def close(self) -> None:
        """Close their connections."""
        markets, self._markets = self._markets, {}
        for market in markets.values():
            await market.gateway.close()


class OrdersAbroad:
    """Open orders on markets that the account does not trade here, as last listed.

    Attributes:
        orders: what was open at the last look.
        is_clear: whether a look has found none.
    """

    def __init__(self, gateway: Gateway, traded: Container[Symbol], clock: Clock) -> None:
        self.orders: list[ListedOrder] = []
        self.is_clear = False
        self._gateway = gateway
        self._traded = traded
        self._clock = clock
        self._pause_ns = _FIRST_PAUSE_NS
        self._next_ns = 0

    @property
    def is_due(self) -> bool:
        """Return whether to look now: until one look found none, at growing pauses."""
        return not self.is_clear and self._clock.monotonic_ns() >= self._next_ns

    async def look(self) -> set[Symbol]:
        """List the account's orders; return the markets on which they must be cancelled."""
        self._next_ns = self._clock.monotonic_ns() + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, _LONGEST_PAUSE_NS)
        listed = await self._gateway.listed_orders()
        self.orders = [order for order in listed if order.symbol not in self._traded]
        self.is_clear = not self.orders
        return {order.symbol for order in self.orders}
