"""A futures account's public and private side on real sockets against the simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from obiterm.config.keys import ApiKeys
from obiterm.core.events import Event
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TimeInForce,
)
from obiterm.engine.binance_futures.gateway import FuturesGateway
from obiterm.engine.binance_futures.hub import FuturesHub
from obiterm.engine.gateway import Prepared
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.net.clock import SteadyClock
from obiterm.venues.binance.futures.environments import urls
from tests.clients.futures_support import VENUE, FuturesRest, futures_rest
from tests.clients.support import account_with_both_keys

BTC = Symbol("BTCUSDT-PERP")
ETH = Symbol("ETHUSDT-PERP")
DEADLINE_S = 20.0
"""How long a test waits before it fails."""

E = TypeVar("E")


def options(**more: Any) -> ServeOptions:
    """Two markets; an account with both kinds of keys and one in hedge mode."""
    accounts = [account_with_both_keys(), AccountOptions(name="hedger", hedge_mode=True)]
    return ServeOptions(venue=VENUE, symbol="BTCUSDT,ETHUSDT", accounts=accounts, seed=11, **more)


def hub_of(server: ExchangeServer) -> FuturesHub:
    """Return the hub of an exchange."""
    given = {"rest": server.rest_url, "stream": server.stream_url, "ws_api": server.ws_api_url}
    return FuturesHub(urls(Environment.TESTNET, given), SteadyClock())


class Trader:
    """One account: its gateway, what it emitted, and the exchange's own word."""

    def __init__(
        self, server: ExchangeServer, rest: FuturesRest, hub: FuturesHub, gateway: FuturesGateway
    ) -> None:
        self.server = server
        self.rest = rest
        self.hub = hub
        self.gateway = gateway
        self.events: list[Event] = []
        self.prepared: Prepared | None = None
        self._running: asyncio.Task[None] | None = None
        self._number = 0

    @property
    def btc(self) -> Instrument:
        assert self.prepared is not None
        return self.prepared.instruments[BTC]

    def start(self) -> None:
        self._running = asyncio.create_task(self.gateway.run(self.events.append))

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def ended(self) -> BaseException | None:
        """Wait until the gateway ends by itself and return why."""
        assert self._running is not None
        await asyncio.wait({self._running}, timeout=DEADLINE_S)
        assert self._running.done()
        return self._running.exception()

    async def until(self, condition: Callable[[], object], limit_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():
                if self._running is not None and self._running.done():
                    self._running.result()
                await asyncio.sleep(0.005)

    async def until_up(self) -> None:
        await self.until(lambda: set(self.gateway.health().sockets.values()) == {"up"})

    def of(self, kind: type[E], **fields: object) -> list[E]:
        """Return the events of a kind with these fields, in order."""
        return [
            event
            for event in self.events
            if isinstance(event, kind)
            and all(getattr(event, name) == value for name, value in fields.items())
        ]

    async def event(self, kind: type[E], **fields: object) -> E:
        await self.until(lambda: self.of(kind, **fields))
        return self.of(kind, **fields)[0]

    def order(
        self,
        side: Side = Side.BUY,
        kind: OrderKind = OrderKind.LIMIT,
        *,
        lots: int = 10,
        ticks: int = 0,
        post_only: bool = False,
        reduce_only: bool = False,
        role: OrderRole = OrderRole.ENTRY,
    ) -> ApprovedOrder:
        self._number += 1
        is_limit = kind is OrderKind.LIMIT
        intent = OrderIntent(
            client_id=ClientOrderId(f"ob-t1-{self._number}"),
            symbol=BTC,
            side=side,
            kind=kind,
            lots=lots,
            role=role,
            owner="test",
            price_ticks=ticks if is_limit else 0,
            trigger_ticks=0 if is_limit else ticks,
            post_only=post_only,
            reduce_only=reduce_only,
            time_in_force=TimeInForce.GTC,
        )
        return ApprovedOrder(intent, 1)

    def send(self, order: ApprovedOrder) -> ClientOrderId:
        self.gateway.send(order)
        return order.intent.client_id

    def bid_ticks(self) -> int:
        return self.server.venue.top("BTCUSDT").bid_ticks

    async def ledger(self) -> dict[str, Any]:
        return await self.rest.ledger()

    async def open_at_exchange(self) -> int:
        return len((await self.ledger())["open_orders"])


@asynccontextmanager
async def trader_of(
    server: ExchangeServer,
    keys: ApiKeys | None = None,
    *,
    hub: FuturesHub | None = None,
    run: bool = True,
    symbols: tuple[Symbol, ...] = (BTC,),
) -> AsyncIterator[Trader]:
    """Prepare an account and run its private side."""
    shared = hub or hub_of(server)
    gateway = shared.gateway(keys or ApiKeys(server.api_key, server.api_secret))
    async with futures_rest(server) as rest:
        one = Trader(server, rest, shared, gateway)
        try:
            one.prepared = await gateway.prepare(symbols)
            if run:
                one.start()
                await one.until_up()
            yield one
        finally:
            if one._running is not None:
                await one.stop()
            await gateway.rest.close()
            if hub is None:
                await shared.close()


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(options()) as running:
        yield running


@pytest.fixture
async def trader(server: ExchangeServer) -> AsyncIterator[Trader]:
    async with trader_of(server) as one:
        yield one
