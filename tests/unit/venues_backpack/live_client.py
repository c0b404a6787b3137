"""The product's own Backpack sessions and shells joined to one small client over sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from obiterm.core.events import DepthSnapshotted, Event, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.net import HttpPool, HttpReply, Socket, SocketOptions, SystemClock
from obiterm.venues.backpack import (
    AccountRequests,
    Ask,
    Asked,
    ClientIds,
    Credentials,
    HttpRequest,
    MarketRequests,
    MarketSession,
    OrderRequests,
    Outcome,
    RestCodec,
    UserSession,
    check,
    markets,
)
from tests.unit.venues_backpack.payloads import SOL_PERP, approved

DEADLINE_S = 10.0
T = TypeVar("T")
QUICK = SocketOptions(first_backoff_s=0.02, backoff_ceiling_s=0.1)


class LiveClient:
    """One account on a running exchange: what the engine does, without the engine."""

    def __init__(self, rest_url: str, stream_url: str, key: Credentials) -> None:
        self.clock = SystemClock()
        self.pool = HttpPool(rest_url)
        self.ids = ClientIds()
        self.public = MarketRequests()
        self.account = AccountRequests(key)
        self.requests = OrderRequests(key, self.ids)
        self.events: list[Event] = []
        self.instruments: dict[Symbol, Instrument] = {}
        self.codec = RestCodec({}, self.ids)
        self.user: UserSession
        self.market: MarketSession
        self.user_socket = Socket(stream_url, self.clock, QUICK)
        self.market_socket = Socket(stream_url, self.clock, QUICK)
        self._key = key
        self._orders = 0
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Learn the markets, then keep both sockets up."""
        self.instruments = markets((await self.rest(self.public.markets())).body).instruments
        self.codec = RestCodec(self.instruments, self.ids)
        self.user = UserSession(self._key, self.instruments, self.ids, settle_ms=50)
        self.market = MarketSession(self.instruments)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.user_socket.run(self._on_user, self._join, self._lost))
            group.create_task(self.market_socket.run(self._on_market, self._listen))
            try:
                await self.until(lambda: self.user.ready or self.user.stopped)
                yield
            finally:
                await self.user_socket.close()
                await self.market_socket.close()
                self.pool.close()

    def now_ms(self) -> int:
        return self.clock.wall_ns() // NS_PER_MS

    async def ask(self, request: HttpRequest) -> HttpReply:
        """Send one REST request, whatever its answer."""
        return await self.pool.request(
            request.method, request.target, request.headers, request.body
        )

    async def rest(self, request: HttpRequest) -> HttpReply:
        """Send one REST request; raises the venue's refusal."""
        reply = await self.ask(request)
        check(reply.status, reply.headers, reply.body)
        return reply

    async def outcome(self, asked: Asked, request: HttpRequest) -> Outcome:
        """Send one order request and take what its answer tells."""
        reply = await self.ask(request)
        now_ns = self.clock.wall_ns()
        outcome = self.codec.outcome(asked, reply.status, reply.body, now_ns)
        self._take([*outcome.events])
        return outcome

    async def book(self, symbol: Symbol = SOL_PERP) -> DepthSnapshotted:
        reply = await self.rest(self.public.depth(symbol))
        return self.codec.depth(symbol, reply.body, self.clock.wall_ns())

    def order(
        self,
        kind: OrderKind,
        side: Side,
        *,
        symbol: Symbol = SOL_PERP,
        lots: int = 100,
        ticks: int = 0,
        post_only: bool = False,
        reduce_only: bool = False,
        role: OrderRole = OrderRole.ENTRY,
    ) -> ApprovedOrder:
        self._orders += 1
        is_stop = kind is OrderKind.STOP_MARKET
        return approved(
            client_id=f"ob-test-{self._orders}{'s' if is_stop else 'e'}-surf-a",
            symbol=symbol,
            side=side,
            kind=kind,
            lots=lots,
            role=role,
            price_ticks=0 if is_stop else ticks,
            trigger_ticks=ticks if is_stop else 0,
            post_only=post_only,
            reduce_only=reduce_only,
        )

    async def place(self, order: ApprovedOrder) -> Outcome:
        intent = order.intent
        request = self.requests.place(order, self.instruments[intent.symbol], self.now_ms())
        return await self.outcome(Asked(Ask.PLACE, intent.symbol, intent.client_id), request)

    async def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None = None
    ) -> Outcome:
        request = self.requests.cancel(symbol, client_id, self.now_ms(), venue_id)
        return await self.outcome(Asked(Ask.CANCEL, symbol, client_id), request)

    async def query(self, symbol: Symbol, client_id: ClientOrderId) -> Outcome:
        """Ask for an order where it rests, then where it ended."""
        request = self.requests.query(symbol, client_id, self.now_ms())
        outcome = await self.outcome(Asked(Ask.QUERY, symbol, client_id), request)
        if not outcome.ended:
            return outcome
        history = self.account.order_history(symbol, self.now_ms())
        return await self.outcome(Asked(Ask.HISTORY, symbol, client_id), history)

    def states(self, client_id: ClientOrderId) -> list[OrderState]:
        """Return what the venue has told of one order."""
        return [
            event.state
            for event in self.events
            if isinstance(event, OrderReported) and event.client_id == client_id
        ]

    async def event(self, kind: type[T], fits: Callable[[T], bool] = lambda _: True) -> T:
        """Wait for an event."""

        def find() -> T | None:
            found = (event for event in self.events if isinstance(event, kind) and fits(event))
            return next(found, None)

        return await self.until(find)

    async def until(self, ask: Callable[[], T | None]) -> T:
        """Wait until ``ask`` answers with something true."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                answer = ask()
                if answer:
                    return answer
                self._take(self.user.expire(self.clock.monotonic_ns(), self.clock.wall_ns()))
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.05)

    def _take(self, events: list[Event]) -> None:
        self.events += events
        self._changed.set()

    def _on_user(self, data: bytes, received_ns: int) -> None:
        self._take(self.user.receive(data, received_ns))

    def _on_market(self, data: bytes, received_ns: int) -> None:
        self._take([*self.market.receive(data, received_ns)])

    def _join(self) -> None:
        for frame in self.user.logon_frames(self.now_ms(), self.clock.monotonic_ns()):
            self.user_socket.send(frame)

    def _listen(self) -> None:
        for frame in self.market.opening_frames():
            self.market_socket.send(frame)

    def _lost(self, _: str) -> None:
        self._take(self.user.lost(self.clock.wall_ns()))
