"""The product's own sessions and shells joined to one small client, for tests over sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

import msgspec

from obiterm.core.events import DepthSnapshotted, Event, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
)
from obiterm.net import HttpPool, HttpReply, Socket, SocketOptions, SystemClock
from obiterm.venues.binance import (
    Answer,
    Budget,
    Credentials,
    HttpRequest,
    MarketSession,
    RestCodec,
    RestRequests,
    SelfTradePolicy,
    UserSession,
    check,
    exchange_info,
)

BTC = Symbol("BTCUSDT")
DEADLINE_S = 10.0
T = TypeVar("T")
QUICK = SocketOptions(first_backoff_s=0.02, backoff_ceiling_s=0.1)


class LiveClient:
    """One account on a running exchange: what the engine does, without the engine."""

    def __init__(self, rest_url: str, stream_url: str, ws_api_url: str, key: Credentials) -> None:
        self.clock = SystemClock()
        self.budget = Budget()
        self.pool = HttpPool(rest_url)
        self.requests = RestRequests(key)
        self.events: list[Event] = []
        self.answers: list[Answer] = []
        self.instruments: dict[Symbol, Instrument] = {}
        self.codec = RestCodec({})
        self.user: UserSession
        self.market: MarketSession
        self.user_socket = Socket(ws_api_url, self.clock, QUICK)
        self.market_socket = Socket(
            lambda: stream_url + self.market.connect_path(), self.clock, QUICK
        )
        self._key = key
        self._orders = 0
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Learn the market, then keep both sockets up; starts when the key is let in or refused."""
        listing = exchange_info((await self.rest(self.requests.exchange_info([BTC]))).body)
        self.instruments = listing.instruments
        self.codec = RestCodec(self.instruments)
        policy = SelfTradePolicy(allowed=listing.self_trade_modes)
        self.requests = RestRequests(self._key, self_trade=policy)
        self.user = UserSession(
            self._key, self.instruments, self_trade=policy, budget=self.budget, deadline_ms=1000
        )
        self.market = MarketSession(self.instruments)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.user_socket.run(self._on_user, self._join, self._lost))
            group.create_task(self.market_socket.run(self._on_market))
            try:
                await self.until(lambda: self.user.ready or self.user.stopped)
                yield
            finally:
                await self.user_socket.close()
                await self.market_socket.close()
                self.pool.close()

    def now_ms(self) -> int:
        return self.clock.wall_ns() // NS_PER_MS

    async def rest(self, request: HttpRequest) -> HttpReply:
        """Send one REST request; raises the venue's refusal."""
        reply = await self.pool.request(
            request.method, request.target, request.headers, request.body
        )
        self.budget.take_headers(reply.headers, self.clock.wall_ns())
        check(reply.status, reply.headers, reply.body)
        return reply

    async def book(self) -> DepthSnapshotted:
        reply = await self.rest(self.requests.depth(BTC, 100))
        return self.codec.depth(BTC, reply.body, self.clock.wall_ns())

    def order(
        self,
        kind: OrderKind,
        side: Side,
        *,
        lots: int = 1000,
        ticks: int = 0,
        post_only: bool = False,
        role: OrderRole = OrderRole.ENTRY,
    ) -> ApprovedOrder:
        self._orders += 1
        is_stop = kind is OrderKind.STOP_MARKET
        intent = OrderIntent(
            client_id=ClientOrderId(f"t-{self._orders:06}"),
            symbol=BTC,
            side=side,
            kind=kind,
            lots=lots,
            role=role,
            owner="test",
            price_ticks=0 if is_stop else ticks,
            trigger_ticks=ticks if is_stop else 0,
            post_only=post_only,
        )
        return ApprovedOrder(intent, 1)

    def send(self, frame: bytes) -> int:
        """Send a frame of the user session; return its request id."""
        request_id = self.user.last_id
        self.user_socket.send(frame)
        return request_id

    def place(self, order: ApprovedOrder) -> ClientOrderId:
        self.send(self.user.place(order, self.now_ms(), self.clock.monotonic_ns()))
        return order.intent.client_id

    def cancel(self, client_id: ClientOrderId) -> None:
        self.send(self.user.cancel(BTC, client_id, self.now_ms(), self.clock.monotonic_ns()))

    def query(self, client_id: ClientOrderId) -> None:
        self.send(self.user.query(BTC, client_id, self.now_ms(), self.clock.monotonic_ns()))

    def of(self, kind: type[T], client_id: ClientOrderId | None = None) -> list[T]:
        """Return the events of a kind, of one order if asked."""
        return [
            event
            for event in self.events
            if isinstance(event, kind)
            and (client_id is None or getattr(event, "client_id", None) == client_id)
        ]

    def states(self, client_id: ClientOrderId) -> set[OrderState]:
        return {event.state for event in self.of(OrderReported, client_id)}

    async def reach(self, client_id: ClientOrderId, state: OrderState) -> None:
        await self.until(lambda: state in self.states(client_id))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def answer(self, frame: bytes) -> Answer:
        """Send a frame and wait for its own answer."""
        request_id = self.send(frame)
        await self.until(lambda: any(each.request_id == request_id for each in self.answers))
        return next(each for each in self.answers if each.request_id == request_id)

    def expire(self) -> None:
        """Report what has no answer yet as if the deadline had passed."""
        later_ns = self.clock.monotonic_ns() + 1000 * NS_PER_MS
        self._take(self.user.expire(later_ns, self.clock.wall_ns()))

    def _on_user(self, data: bytes, received_ns: int) -> None:
        self._take(self.user.receive(data, received_ns))
        for frame in self.user.to_send():
            self.user_socket.send(frame)
        self.answers += self.user.take_answers()

    def _on_market(self, data: bytes, received_ns: int) -> None:
        self._take(self.market.receive(data, received_ns))

    def _join(self) -> None:
        for frame in self.user.logon_frames(self.now_ms(), self.clock.monotonic_ns()):
            self.user_socket.send(frame)

    def _lost(self, reason: str) -> None:
        self._take(self.user.lost(self.clock.wall_ns()))

    def _take(self, events: Iterable[Event]) -> None:
        self.events += events
        self._changed.set()


async def fault(client: LiveClient, **asked: object) -> None:
    """Ask the exchange to misbehave."""
    body = msgspec.json.encode(asked)
    reply = await client.pool.request("POST", b"/_exchange/faults", body=body)
    assert reply.status == 200, reply.body
