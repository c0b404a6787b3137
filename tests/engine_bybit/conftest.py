"""A Bybit account's public and private side on real sockets against the simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from obiterm.config.keys import ApiKeys
from obiterm.core.events import Event, OrderReported
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
)
from obiterm.engine.bybit.gateway import BybitGateway
from obiterm.engine.bybit.hub import BybitHub
from obiterm.engine.gateway import Prepared
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.net.clock import SteadyClock
from obiterm.venues.bybit import urls

PERP = Symbol("BTCUSDT")
SPOT = Symbol("BTCUSDT.SPOT")
AT_EXCHANGE = {PERP: "BTCUSDT.P", SPOT: "BTCUSDT"}
"""The exchange core's own names of the two markets."""
LOTS = {PERP: 10, SPOT: 1000}
DEADLINE_S = 20.0
"""How long a test waits before it fails."""

E = TypeVar("E")


class CountedExchange(ExchangeServer):
    """The simulated exchange, with a list of what was asked of it."""

    def __init__(self, options: ServeOptions) -> None:
        super().__init__(options)
        self.asked: list[tuple[str, str, bytes]] = []
        """Method, path with query, body; sockets count as ``GET`` of their path."""
        serve = self.exchange.dispatch

        async def dispatch(request: web.Request) -> web.StreamResponse:
            body = await request.read() if request.method == "POST" else b""
            self.asked.append((request.method, request.path_qs, body))
            return await serve(request)

        self.exchange.dispatch = dispatch  # type: ignore[method-assign]  # counts and passes on

    def count(self, part: str) -> int:
        """Return how many requests had ``part`` in their path."""
        return sum(part in path for _, path, _ in self.asked)


def hub_of(server: ExchangeServer, *, has_trade: bool = True) -> BybitHub:
    """Return a hub of the exchange; without ``trade`` orders go by REST, as in demo (R91)."""
    given = {
        "rest": server.rest_url,
        "public": server.stream_url,
        "private": server.addresses.private_stream or "",
    }
    if has_trade:
        given["trade"] = server.ws_api_url
    return BybitHub(urls(Environment.SIM, given), SteadyClock())


def keys_of(server: ExchangeServer, account: int = 0) -> ApiKeys:
    """Return the keys of an account."""
    keys = server.accounts[account]
    return ApiKeys(keys.api_key, keys.api_secret)


class BackDoor:
    """What a test does to the exchange behind everybody's back."""

    def __init__(self, server: ExchangeServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session

    async def ledger(self, account: str = "main") -> dict[str, Any]:
        async with self._session.get(f"{self.server.rest_url}/_exchange/ledger") as reply:
            body = await reply.json()
        found: dict[str, Any] = body["accounts"][account]
        return found

    async def fault(self, kind: str, **words: object) -> None:
        url = f"{self.server.rest_url}/_exchange/faults"
        async with self._session.post(url, json={"kind": kind, **words}) as reply:
            assert reply.status == 200, await reply.text()

    async def mend(self) -> None:
        async with self._session.delete(f"{self.server.rest_url}/_exchange/faults") as reply:
            assert reply.status == 200

    async def house(self, **words: object) -> None:
        """Let the house trade or act."""
        url = f"{self.server.rest_url}/_exchange/control"
        async with self._session.post(url, json=words) as reply:
            assert reply.status == 200, await reply.text()

    async def push(self, side: Side, until: Callable[[], object], symbol: Symbol = PERP) -> None:
        """Let the house trade in one direction until something has happened."""
        async with asyncio.timeout(DEADLINE_S):
            while not until():
                await self.house(
                    do="market_order", symbol=AT_EXCHANGE[symbol], side=side.value, qty="3"
                )
                await asyncio.sleep(0.01)

    def bid(self, symbol: Symbol = PERP) -> int:
        return self.server.venue.top(AT_EXCHANGE[symbol]).bid_ticks

    def ask(self, symbol: Symbol = PERP) -> int:
        return self.server.venue.top(AT_EXCHANGE[symbol]).ask_ticks


class Trader:
    """One account: its gateway, what it emitted, and the exchange's own word."""

    def __init__(self, back: BackDoor, hub: BybitHub, gateway: BybitGateway) -> None:
        self.back = back
        self.hub = hub
        self.gateway = gateway
        self.events: list[Event] = []
        self.prepared: Prepared | None = None
        self._running: asyncio.Task[None] | None = None
        self._number = 0

    # -- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        with self.hub.feed.joined(self.gateway._rest.instruments, self.events.append):
            await self.gateway.run(self.events.append)

    async def start(self) -> None:
        self._running = asyncio.create_task(self.run())
        await self.until(self.is_up)

    def is_up(self) -> bool:
        return set(self.gateway.health().sockets.values()) == {"up"}

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    async def ended(self) -> BaseException:
        """Wait until the gateway ends by itself and return why."""
        assert self._running is not None
        await asyncio.wait({self._running}, timeout=DEADLINE_S)
        error = self._running.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert error is not None
        return error

    async def until(self, condition: Callable[[], object], limit_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():
                if self._running is not None and self._running.done():
                    self._running.result()
                await asyncio.sleep(0.005)

    # -- events ------------------------------------------------------------------------------

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

    async def reach(self, client_id: ClientOrderId, state: OrderState) -> OrderReported:
        return await self.event(OrderReported, client_id=client_id, state=state)

    # -- orders ------------------------------------------------------------------------------

    def order(
        self,
        side: Side = Side.BUY,
        kind: OrderKind = OrderKind.LIMIT,
        *,
        symbol: Symbol = PERP,
        lots: int = 0,
        ticks: int = 0,
        post_only: bool = False,
        reduce_only: bool = False,
        role: OrderRole = OrderRole.ENTRY,
    ) -> ApprovedOrder:
        self._number += 1
        is_limit = kind is OrderKind.LIMIT
        intent = OrderIntent(
            client_id=ClientOrderId(f"ob-t{id(self) % 10_000}-{self._number}e-test-x"),
            symbol=symbol,
            side=side,
            kind=kind,
            lots=lots or LOTS[symbol],
            role=role,
            owner="test",
            price_ticks=ticks if is_limit else 0,
            trigger_ticks=0 if is_limit else ticks,
            post_only=post_only,
            reduce_only=reduce_only,
        )
        return ApprovedOrder(intent, 1)

    def send(self, order: ApprovedOrder) -> ClientOrderId:
        self.gateway.send(order)
        return order.intent.client_id

    def away(self, symbol: Symbol = PERP, below: int = 10_000) -> ApprovedOrder:
        """Return a buy that rests far below the market."""
        ticks = self.back.bid(symbol) - below
        return self.order(symbol=symbol, ticks=ticks, post_only=True)

    def stop_order(
        self, symbol: Symbol = PERP, below: int = 20_000, side: Side = Side.SELL
    ) -> ApprovedOrder:
        """Return a stop that protects a position; ``below`` is how far from the market."""
        return self.order(
            side,
            OrderKind.STOP_MARKET,
            symbol=symbol,
            lots=LOTS[symbol] // 2,
            ticks=self.back.bid(symbol) - below * side.opposite.sign,
            reduce_only=symbol == PERP,
            role=OrderRole.STOP,
        )

    async def rest_away(self, symbol: Symbol = PERP) -> OrderReported:
        return await self.reach(self.send(self.away(symbol)), OrderState.OPEN)

    async def trade(
        self, side: Side = Side.BUY, symbol: Symbol = PERP, lots: int = 0
    ) -> ClientOrderId:
        """Trade at market and wait for the end of the order."""
        order = self.order(side, OrderKind.MARKET, symbol=symbol, lots=lots)
        client_id = self.send(order)
        await self.reach(client_id, OrderState.FILLED)
        return client_id


@asynccontextmanager
async def trader_of(
    server: ExchangeServer,
    *,
    account: int = 0,
    hub: BybitHub | None = None,
    has_trade: bool = True,
    run: bool = True,
    symbols: Iterable[Symbol] = (PERP, SPOT),
) -> AsyncIterator[Trader]:
    """Prepare an account and run both of its sides."""
    shared = hub or hub_of(server, has_trade=has_trade)
    async with aiohttp.ClientSession() as session:
        gateway = shared.gateway(keys_of(server, account))
        one = Trader(BackDoor(server, session), shared, gateway)
        try:
            one.prepared = await gateway.prepare(symbols)
            if run:
                await one.start()
            yield one
        finally:
            await one.stop()
            if hub is None:
                await shared.close()


@pytest.fixture
async def server() -> AsyncIterator[CountedExchange]:
    """An exchange with an account that trades and one in hedge mode."""
    accounts = [AccountOptions(), AccountOptions(name="hedger", hedge_mode=True)]
    async with CountedExchange(ServeOptions(venue="bybit", accounts=accounts, seed=11)) as running:
        yield running


@pytest.fixture
async def trader(server: CountedExchange) -> AsyncIterator[Trader]:
    """An account that sends orders over the trade socket."""
    async with trader_of(server) as one:
        yield one


@pytest.fixture(params=["socket", "rest"])
async def either(server: CountedExchange, request: pytest.FixtureRequest) -> AsyncIterator[Trader]:
    """An account over the trade socket, and one by REST as in demo (R91)."""
    async with trader_of(server, has_trade=request.param == "socket") as one:
        yield one
