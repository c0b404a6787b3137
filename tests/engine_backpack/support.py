"""One Backpack account of the engine on a simulated exchange, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from obiterm.config.keys import ApiKeys
from obiterm.core.events import Event, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    OrderKind,
    OrderRole,
    OrderState,
    RunId,
    Side,
    Symbol,
)
from obiterm.engine.backpack.gateway import BackpackGateway
from obiterm.engine.backpack.hub import BackpackHub
from obiterm.engine.gateway import Prepared
from obiterm.engine.venues import open_hub
from obiterm.exchange.backpack.server import BackpackExchange
from obiterm.exchange.serve import ExchangeServer
from obiterm.net.clock import SteadyClock
from obiterm.trading.ids import make_client_id

PERP = Symbol("SOL_USDC_PERP")
SPOT = Symbol("SOL_USDC")
DEADLINE_S = 15.0
FAR = 500
"""Ticks away from the market."""

T = TypeVar("T")


class Exchange:
    """A running exchange and its back door."""

    def __init__(self, server: ExchangeServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.requests: Counter[str] = Counter()
        self._http = http
        exchange = server.exchange
        assert isinstance(exchange, BackpackExchange)
        answer = exchange.rest.handle

        async def counted(request: web.Request) -> web.StreamResponse:
            self.requests[f"{request.method} {request.path}"] += 1
            return await answer(request)

        exchange.rest.handle = counted  # type: ignore[method-assign]

    @property
    def keys(self) -> ApiKeys:
        return ApiKeys(self.server.api_key, self.server.api_secret)

    def hub(self) -> BackpackHub:
        overrides = {"rest": self.server.rest_url, "stream": self.server.stream_url}
        hub = open_hub("backpack", Environment.SIM, overrides, SteadyClock())
        assert isinstance(hub, BackpackHub)
        return hub

    def private_streams(self) -> int:
        return self.server.exchange.private_streams()

    async def fault(self, kind: str, **words: object) -> None:
        url = f"{self.server.rest_url}/_exchange/faults"
        async with self._http.post(url, json={"kind": kind} | words) as reply:
            assert reply.status == 200, await reply.text()

    async def mend(self) -> None:
        async with self._http.delete(f"{self.server.rest_url}/_exchange/faults") as reply:
            assert reply.status == 200

    async def control(self, do: str, **words: object) -> None:
        url = f"{self.server.rest_url}/_exchange/control"
        async with self._http.post(url, json={"do": do} | words) as reply:
            assert reply.status == 200, await reply.text()

    async def ledger(self, account: str = "main") -> dict[str, Any]:
        async with self._http.get(f"{self.server.rest_url}/_exchange/ledger") as reply:
            found: dict[str, Any] = (await reply.json())["accounts"][account]
            return found

    async def open_count(self) -> int:
        return len((await self.ledger())["open_orders"])

    async def position(self, symbol: str = PERP) -> float:
        """Return the signed size that the exchange holds for us."""
        for one in (await self.ledger())["positions"]:
            if one["symbol"] == symbol:
                return float(one["quantity"])
        return 0.0

    def best(self, symbol: Symbol = PERP) -> tuple[int, int]:
        top = self.server.venue.top(symbol)
        return top.bid_ticks, top.ask_ticks


async def until(ask: Callable[[], T | None], limit_s: float = DEADLINE_S) -> T:
    """Wait until ``ask`` answers with something true, and return it."""
    async with asyncio.timeout(limit_s):
        while True:
            answer = ask()
            if answer:
                return answer
            await asyncio.sleep(0.005)


async def until_told(ask: Callable[[], Awaitable[bool]], limit_s: float = DEADLINE_S) -> None:
    """Wait until the exchange answers yes."""
    async with asyncio.timeout(limit_s):
        while not await ask():  # noqa: ASYNC110 - the exchange's word
            await asyncio.sleep(0.01)


class Line:
    """A gateway that runs, and everything that it has told."""

    def __init__(
        self, exchange: Exchange, gateway: BackpackGateway, prepared: Prepared, run: str
    ) -> None:
        self.exchange = exchange
        self.gateway = gateway
        self.prepared = prepared
        self.events: list[Event] = []
        self.run = RunId(run)
        self._number = 0

    def order(
        self,
        kind: OrderKind,
        side: Side,
        *,
        symbol: Symbol = PERP,
        lots: int = 100,
        ticks: int = 0,
        role: OrderRole = OrderRole.ENTRY,
        post_only: bool = False,
        reduce_only: bool = False,
    ) -> ApprovedOrder:
        self._number += 1
        is_stop = kind is OrderKind.STOP_MARKET
        intent = OrderIntent(
            client_id=make_client_id(self.run, self._number, role, "surf", "a"),
            symbol=symbol,
            side=side,
            kind=kind,
            lots=lots,
            role=role,
            owner="surf",
            price_ticks=0 if is_stop else ticks,
            trigger_ticks=ticks if is_stop else 0,
            post_only=post_only,
            reduce_only=reduce_only,
        )
        return ApprovedOrder(intent=intent, approved_ns=1)

    def send(self, order: ApprovedOrder) -> ClientOrderId:
        self.gateway.send(order)
        return order.intent.client_id

    def rest_a_buy(self, symbol: Symbol = PERP) -> ClientOrderId:
        ticks = self.exchange.best(symbol)[0] - FAR
        return self.send(
            self.order(OrderKind.LIMIT, Side.BUY, symbol=symbol, ticks=ticks, post_only=True)
        )

    async def buy(self, symbol: Symbol = PERP, lots: int = 100) -> ClientOrderId:
        client_id = self.send(self.order(OrderKind.MARKET, Side.BUY, symbol=symbol, lots=lots))
        await until(lambda: self.filled_lots(client_id) == lots)
        return client_id

    def told(self, kind: type[T], client_id: ClientOrderId | None = None) -> list[T]:
        return [
            event
            for event in self.events
            if isinstance(event, kind)
            and (client_id is None or getattr(event, "client_id", None) == client_id)
        ]

    def filled_lots(self, client_id: ClientOrderId) -> int:
        fills = {fill.trade_id: fill.lots for fill in self.told(Filled, client_id)}
        return sum(fills.values())

    async def reach(self, client_id: ClientOrderId, *states: OrderState) -> OrderReported:
        """Wait until the venue has told one of ``states``, and return that report."""
        return await until(
            lambda: next(
                (one for one in self.told(OrderReported, client_id) if one.state in states), None
            )
        )

    @property
    def instrument(self) -> Instrument:
        return self.prepared.instruments[PERP]


@contextlib.asynccontextmanager
async def line(
    exchange: Exchange,
    symbols: Iterable[Symbol] = (PERP, SPOT),
    *,
    keys: ApiKeys | None = None,
    run: str = "run1",
    learn: Iterable[ClientOrderId] = (),
) -> AsyncIterator[Line]:
    """Prepare a gateway and keep it running."""
    hub = exchange.hub()
    gateway = hub.gateway(keys or exchange.keys)
    gateway.learn(learn)
    prepared = await gateway.prepare(symbols)
    one = Line(exchange, gateway, prepared, run)
    streams = exchange.private_streams()
    task = asyncio.create_task(gateway.run(one.events.append))
    try:
        await until(lambda: exchange.private_streams() >= streams + 2 or task.done())
        yield one
    finally:
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        await hub.close()
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result
