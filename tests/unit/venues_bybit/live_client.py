"""The product's own Bybit sessions and shells joined to one small client, for tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

import msgspec

from obiterm.core.events import DepthChanged, DepthSnapshotted, Event, OrderReported
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
from obiterm.exchange.serve import ExchangeServer
from obiterm.market.book import Applied, Book, SequenceRule
from obiterm.net import HttpPool, HttpReply, Socket, SocketOptions, SystemClock
from obiterm.venues.bybit import (
    AccountRequests,
    Ask,
    Asked,
    Budget,
    Category,
    Credentials,
    HttpRequest,
    KnownOrders,
    MarketRequests,
    MarketSession,
    OrderRequests,
    Outcome,
    RestCodec,
    Signer,
    TradeSession,
    UserSession,
    check,
    instruments_info,
)

PERP = Symbol("BTCUSDT")
SPOT = Symbol("BTCUSDT.SPOT")
DEADLINE_S = 10.0
BEAT_S = 0.05
T = TypeVar("T")
QUICK = SocketOptions(first_backoff_s=0.02, backoff_ceiling_s=0.1)


class LiveClient:
    """One account on a running exchange: what the engine does, without the engine."""

    def __init__(self, server: ExchangeServer, *, by_socket: bool, account: int = 0) -> None:
        keys = server.accounts[account]
        self.key = Credentials(keys.api_key, keys.api_secret)
        self.by_socket = by_socket
        self.clock = SystemClock()
        self.budget = Budget()
        self.known = KnownOrders()
        self.pool = HttpPool(server.rest_url)
        self.signer = Signer(self.key)
        self.public = MarketRequests()
        self.account = AccountRequests(self.signer)
        self.orders = OrderRequests(self.signer, known=self.known)
        self.events: list[Event] = []
        self.instruments: dict[Symbol, Instrument] = {}
        self.codec = RestCodec({})
        self.books = {symbol: Book(SequenceRule.BYBIT) for symbol in (PERP, SPOT)}
        self.user: UserSession
        self.trade: TradeSession
        self.markets: dict[Category, MarketSession] = {}
        self.user_socket = Socket(server.addresses.private_stream or "", self.clock, QUICK)
        self.trade_socket = Socket(server.ws_api_url, self.clock, QUICK)
        self.market_sockets = {
            category: Socket(f"{server.stream_url}/{category.value}", self.clock, QUICK)
            for category in Category
        }
        self._orders = 0
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Learn the markets, then keep all sockets up; starts when the key is let in or refused."""
        for category in Category:
            reply = await self.rest(self.public.instruments(category))
            listing = instruments_info(category, reply.status, reply.body)
            wanted = {s: i for s, i in listing.instruments.items() if s in self.books}
            self.instruments |= wanted
            self.markets[category] = MarketSession(category, wanted)
        self.codec = RestCodec(self.instruments, self.known)
        self.user = UserSession(self.key, self.instruments, known=self.known)
        self.trade = TradeSession(
            self.key, self.instruments, known=self.known, budget=self.budget, deadline_ms=1000
        )
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(self._beat())
            group.create_task(self.user_socket.run(self._on_user, self._join, self._lost))
            group.create_task(self.trade_socket.run(self._on_trade, self._logon, self._cut))
            for category, socket in self.market_sockets.items():
                group.create_task(self._follow(category, socket))
            try:
                await self.until(lambda: self.user.stopped or self.is_up)
                yield
            finally:
                beat.cancel()
                await self.user_socket.close()
                await self.trade_socket.close()
                for socket in self.market_sockets.values():
                    await socket.close()
                self.pool.close()

    @property
    def is_up(self) -> bool:
        ready = all(session.ready for session in self.markets.values())
        synced = all(book.synced for book in self.books.values())
        return self.user.ready and self.trade.ready and ready and synced

    def now_ms(self) -> int:
        return self.clock.wall_ns() // NS_PER_MS

    # -- requests ----------------------------------------------------------------------------

    async def ask(self, request: HttpRequest) -> HttpReply:
        """Send one REST request; a refusal is an answer."""
        reply = await self.pool.request(
            request.method, request.target, request.headers, request.body
        )
        now_ns = self.clock.wall_ns()
        self.budget.take_headers(request.endpoint, request.category, reply.headers, now_ns)
        return reply

    async def rest(self, request: HttpRequest) -> HttpReply:
        """Send one REST request; raises the venue's refusal."""
        reply = await self.ask(request)
        check(reply.status, reply.headers, reply.body)
        return reply

    async def outcome(self, asked: Asked, request: HttpRequest) -> Outcome:
        """Ask about orders by REST; events count like those of the streams."""
        reply = await self.ask(request)
        told = self.codec.outcome(asked, reply.status, reply.body, self.clock.wall_ns())
        self._take(told.events)
        return told

    def order(
        self,
        kind: OrderKind,
        side: Side,
        *,
        symbol: Symbol = PERP,
        lots: int = 10,
        ticks: int = 0,
        post_only: bool = False,
        reduce_only: bool = False,
        role: OrderRole = OrderRole.ENTRY,
    ) -> ApprovedOrder:
        self._orders += 1
        is_stop = kind is OrderKind.STOP_MARKET
        intent = OrderIntent(
            client_id=ClientOrderId(f"ob-t-{self._orders}e-test-{role.value}"),
            symbol=symbol,
            side=side,
            kind=kind,
            lots=lots,
            role=role,
            owner="test",
            price_ticks=0 if is_stop else ticks,
            trigger_ticks=ticks if is_stop else 0,
            post_only=post_only,
            reduce_only=reduce_only,
        )
        return ApprovedOrder(intent, 1)

    async def place(self, order: ApprovedOrder) -> ClientOrderId:
        """Place an order by the socket, or by REST as in demo."""
        intent = order.intent
        if self.by_socket:
            frame = self.trade.place(order, self.now_ms(), self.clock.monotonic_ns())
            self.trade_socket.send(frame)
            return intent.client_id
        instrument = self.instruments[intent.symbol]
        request = self.orders.place(order, instrument, self.now_ms())
        await self.outcome(Asked(Ask.PLACE, intent.symbol, intent.client_id), request)
        return intent.client_id

    async def cancel(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        if self.by_socket:
            now_ns = self.clock.monotonic_ns()
            frame = self.trade.cancel(symbol, client_id, self.now_ms(), now_ns)
            self.trade_socket.send(frame)
            return
        request = self.orders.cancel(symbol, client_id, self.now_ms())
        await self.outcome(Asked(Ask.CANCEL, symbol, client_id), request)

    # -- waiting -----------------------------------------------------------------------------

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

    # -- sockets -----------------------------------------------------------------------------

    async def _follow(self, category: Category, socket: Socket) -> None:
        session = self.markets[category]

        def joined() -> None:
            for frame in session.connect_frames(self.clock.monotonic_ns()):
                socket.send(frame)

        def heard(data: bytes, received_ns: int) -> None:
            for event in session.receive(data, received_ns):
                if isinstance(event, DepthSnapshotted | DepthChanged):
                    self._depth(event, session, socket)
                self.events.append(event)
            self._changed.set()

        await socket.run(heard, joined)

    def _depth(
        self, event: DepthSnapshotted | DepthChanged, session: MarketSession, socket: Socket
    ) -> None:
        book = self.books[event.symbol]
        if isinstance(event, DepthSnapshotted):
            outcome = book.snapshot(event)
        else:
            outcome = book.change(event)
        if outcome in (Applied.GAP, Applied.BUFFERED):
            for frame in session.resubscribe(event.symbol, self.clock.monotonic_ns()):
                socket.send(frame)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            now_ns = self.clock.monotonic_ns()
            for category, session in self.markets.items():
                self._send(self.market_sockets[category], session.to_send(now_ns))
            self._send(self.user_socket, self.user.to_send(now_ns))
            self._send(self.trade_socket, self.trade.to_send(now_ns))
            self._take(self.trade.expire(now_ns, self.clock.wall_ns()))
            if self.user.must_reconnect:
                self.user_socket.reconnect(self.user.must_reconnect)
            if self.trade.must_reconnect:
                self.trade_socket.reconnect(self.trade.must_reconnect)

    @staticmethod
    def _send(socket: Socket, frames: list[bytes]) -> None:
        for frame in frames:
            if socket.is_up:
                socket.send(frame)

    def _on_user(self, data: bytes, received_ns: int) -> None:
        self._take(self.user.receive(data, received_ns))
        if not self.user.ready:
            self._send(self.user_socket, self.user.to_send(self.clock.monotonic_ns()))

    def _on_trade(self, data: bytes, received_ns: int) -> None:
        self._take(self.trade.receive(data, received_ns))

    def _join(self) -> None:
        for frame in self.user.logon_frames(self.now_ms(), self.clock.monotonic_ns()):
            self.user_socket.send(frame)

    def _logon(self) -> None:
        for frame in self.trade.logon_frames(self.now_ms(), self.clock.monotonic_ns()):
            self.trade_socket.send(frame)

    def _lost(self, reason: str) -> None:
        self._take(self.user.lost(self.clock.wall_ns()))

    def _cut(self, reason: str) -> None:
        self._take(self.trade.lost(self.clock.wall_ns()))

    def _take(self, events: Iterable[Event]) -> None:
        self.events += events
        self._changed.set()


async def fault(client: LiveClient, **asked: object) -> None:
    """Ask the exchange to misbehave."""
    body = msgspec.json.encode(asked)
    reply = await client.pool.request("POST", b"/_exchange/faults", body=body)
    assert reply.status == 200, reply.body
