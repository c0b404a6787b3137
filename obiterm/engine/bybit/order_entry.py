"""Order entry of one Bybit account: the trade socket, REST where there is none (bybit.md §10).

Demo has no trade socket (R91); elsewhere REST stands in while the socket is down. A request is
sent once: what was not written for certain goes the other way, anything else is asked about.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, ObitermError, RetryLater
from obiterm.core.events import Event, OrderOutcomeLost, OrderRefused, OrderReported
from obiterm.core.orders import ApprovedOrder, OrderIntent, RehearsedOrder, require_approved
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    ClientOrderId,
    RefusalKind,
    Symbol,
    VenueOrderId,
)
from obiterm.engine.bybit.awaited import Awaited
from obiterm.engine.bybit.rest import MUST_PASS, BybitRest
from obiterm.engine.bybit.source import BybitSource
from obiterm.engine.gateway import Emit
from obiterm.engine.shared.rest_orders import RestOrders
from obiterm.engine.shared.tasks import TaskSet
from obiterm.net.conceal import Concealer
from obiterm.net.http import Written
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.bybit import Credentials, HttpRequest, TradeSession, category_of

PRIVATE_SOCKET = SocketOptions(silence_s=12.0, ping_s=4.0, backoff_ceiling_s=8.0)
"""A venue that was away is found again within 10 s of its return."""
PING_EVERY_NS = 4 * NS_PER_S
"""The venue asks for a ping every 20 s; these are more, since a quiet stream that is half open
is found by its missing answers alone (T16)."""
_LATER_NS = 3 * NS_PER_S // 2
"""An exit waits this long for its limit; an entry is not kept, its price would be old."""
_DRAIN_NS = NS_PER_S
"""How long answers are waited for on a socket that the venue wants replaced (``10019``)."""
_QUESTIONS_AT_ONCE = 2
"""Questions about one order under way: a host that hangs must not be flooded."""
_TRIPS_KEPT = 256


class _Noted:
    """The account's order requests by REST, with a note of what each leaves owed."""

    def __init__(self, rest: BybitRest, awaited: Awaited, clock: Clock) -> None:
        self.under_way: Counter[ClientOrderId] = Counter()
        """Questions that have no answer yet."""
        self._rest = rest
        self._awaited = awaited
        self._clock = clock

    async def place(self, order: ApprovedOrder) -> list[Event]:
        """Place an order; an acceptance is no event."""
        return self.note(order.intent.client_id, await self._rest.place(order))

    async def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> list[Event]:
        """Cancel an order."""
        return self.note(client_id, await self._rest.cancel(symbol, client_id, venue_id))

    async def query(self, symbol: Symbol, client_id: ClientOrderId) -> list[Event]:
        """Ask about an order."""
        self.under_way[client_id] += 1
        try:
            return [*await self._rest.query(symbol, client_id)]
        finally:
            self.under_way[client_id] -= 1
            if not self.under_way[client_id]:
                del self.under_way[client_id]

    def note(self, client_id: ClientOrderId, refusals: Iterable[Event]) -> list[Event]:
        """Note an answer: what was accepted owes a result, what was refused has told it."""
        told = list(refusals)
        if told:
            self._awaited.failed(client_id)
        else:
            self._awaited.accepted(client_id, self._clock.monotonic_ns())
        return told


class OrderEntry:
    """Sends orders and cancels; the outcome of each is delivered as an event.

    Attributes:
        trips_ms: newest round trips of the trade socket.
        orders: orders by REST.
        tasks: work that ends with the account.
    """

    def __init__(
        self,
        source: BybitSource,
        rest: BybitRest,
        credentials: Credentials,
        clock: Clock,
        deliver: Emit,
    ) -> None:
        self.trips_ms: deque[float] = deque(maxlen=_TRIPS_KEPT)
        self.tasks = TaskSet()
        self._rest = rest
        self._credentials = credentials
        self._clock = clock
        self._deliver = deliver
        url = source.urls.trade
        self._has_socket = bool(url)
        self._socket = Socket(
            lambda: source.reachable(url),
            clock,
            PRIVATE_SOCKET,
            conceal=Concealer(credentials.api_key),
        )
        self._trade = self._new_session()
        self._awaited = Awaited()
        self._noted = _Noted(rest, self._awaited, clock)
        self.orders = RestOrders(self._noted, clock, self.tasks, deliver)
        self._asked_ns: dict[str, int] = {}
        self._drain_ns = 0
        self._late: dict[ClientOrderId, tuple[ApprovedOrder, asyncio.TimerHandle]] = {}

    # -- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the trade socket up until cancelled, where the venue has one."""
        self._trade = self._new_session()
        if self._has_socket:
            await self._socket.run(self._receive, self._connected, self._lost)

    def beat(self) -> None:
        """Do what time asks for; call it a few times a second."""
        now_ns = self._clock.monotonic_ns()
        for symbol, client_id in self._awaited.take_late(now_ns):
            self.query(symbol, client_id)
        unanswered = self._trade.expire(now_ns, self._clock.wall_ns())
        if unanswered:
            self._socket.reconnect("no answer to an order")  # the next must not go there too (T41)
        self._take(unanswered)
        if self._socket.is_up:
            self._keep_socket(now_ns)

    def _keep_socket(self, now_ns: int) -> None:
        trade = self._trade
        try:
            for frame in trade.to_send(now_ns):
                self._socket.send(frame)
        except RetryLater as error:
            self._socket.reconnect(str(error))
        if not trade.must_reconnect:
            self._drain_ns = 0
            return
        self._drain_ns = self._drain_ns or now_ns + _DRAIN_NS
        if not trade.waiting or now_ns >= self._drain_ns:
            self._socket.reconnect(trade.must_reconnect)

    async def stop(self) -> None:
        """End every task; what waits for its turn is given up."""
        self.drop_unsent()
        await self.tasks.stop()

    @property
    def stopped(self) -> AccountStopped | None:
        """Why the account must stop; None while it need not."""
        return self._trade.stopped

    @property
    def clock_suspect(self) -> bool:
        """True when the venue refused our time."""
        return self._trade.clock_suspect

    @clock_suspect.setter
    def clock_suspect(self, suspect: bool) -> None:
        self._trade.clock_suspect = suspect

    def sockets(self) -> dict[str, str]:
        """Return the state of the trade socket; nothing where orders go by REST."""
        if not self._has_socket:
            return {}
        if self._is_ready:
            return {"orders": "up"}
        return {"orders": "stale" if self._socket.is_up else "down"}

    # -- asking ------------------------------------------------------------------------------

    def send(self, order: ApprovedOrder) -> None:
        """Write an order: on the trade socket, else by REST. The outcome comes as an event."""
        require_approved(order)
        intent = order.intent
        urgent = intent.role in MUST_PASS
        wait_ns = self._rest.wire.wait_ns(
            "create", category_of(intent.symbol), urgent=urgent, by_socket=self._is_ready
        )
        if not wait_ns:
            self._leave(order)
        elif urgent and wait_ns <= _LATER_NS:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(wait_ns / NS_PER_S, self._leave_now, order)
            self._late[intent.client_id] = (order, timer)
        else:
            self._refuse(intent, f"rate limit of the venue: wait {wait_ns / NS_PER_S:.1f} s")

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build the bytes of an order that never leaves, for the way that is open now."""
        wire, is_ready = self._rest.wire, self._is_ready
        wire.wait_ns("create", category_of(order.intent.symbol), urgent=False, by_socket=is_ready)
        if is_ready:
            self._socket.rehearse(self._trade.rehearse(order, wire.venue_ms()))
        elif not self._has_socket:
            wire.rehearse(self._rest.place_request(order))

    def drop_unsent(self) -> None:
        """Give up orders that wait for a limit or a connection (T4).

        Of one that was just written by REST the connection is cut: the venue may have got it,
        so it is asked about like any other.
        """
        late, self._late = self._late, {}
        for order, timer in late.values():
            timer.cancel()
            self._refuse(order.intent, "given up before it was sent")
        self.orders.drop_unsent()

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel: on the trade socket, else by REST, where it waits for its limit."""
        self._awaited.sent(symbol, client_id, is_cancel=True)
        endpoint, category = "cancel", category_of(symbol)
        if self._is_ready and not self._rest.wire.wait_ns(
            endpoint, category, urgent=True, by_socket=True
        ):
            now_ms, now_ns = self._rest.wire.venue_ms(), self._clock.monotonic_ns()
            if self._write(self._trade.cancel(symbol, client_id, now_ms, now_ns, venue_id)):
                return
        self.orders.cancel(symbol, client_id, venue_id)

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order by REST: the socket has no questions."""
        if self._noted.under_way[client_id] < _QUESTIONS_AT_ONCE:
            self.orders.query(symbol, client_id)

    def told(self, report: OrderReported) -> None:
        """Take note of news of an order, wherever it came from."""
        self._awaited.told(report)

    # -- the trade socket --------------------------------------------------------------------

    @property
    def _is_ready(self) -> bool:
        return self._socket.is_up and self._trade.ready

    def _new_session(self) -> TradeSession:
        rest = self._rest
        return TradeSession(
            self._credentials,
            rest.instruments,
            policy=rest.orders.policy,
            known=rest.known,
            budget=rest.wire.budget,
            ping_every_ns=PING_EVERY_NS,
        )

    def _connected(self) -> None:
        self._asked_ns.clear()
        now_ms, now_ns = self._rest.wire.venue_ms(), self._clock.monotonic_ns()
        for frame in self._trade.logon_frames(now_ms, now_ns):
            self._socket.send(frame)

    def _lost(self, reason: str) -> None:
        self._take(self._trade.lost(self._clock.wall_ns()))

    def _receive(self, data: bytes, received_ns: int) -> None:
        trade = self._trade
        self._take(trade.receive(data, received_ns))
        for answer in trade.take_answers():
            asked_ns = self._asked_ns.pop(answer.request_id, 0)
            if asked_ns:
                self.trips_ms.append((received_ns - asked_ns) / NS_PER_MS)
            client_id = answer.asked.client_id
            if answer.failure is None:
                self._awaited.accepted(client_id, self._clock.monotonic_ns())
            else:
                self._awaited.failed(client_id)

    def _write(self, frame: bytes) -> bool:
        """Write a request on the trade socket; return False when nothing was written."""
        try:
            self._socket.send(frame)
        except RetryLater as error:
            self._trade.forget(self._trade.last_id)
            self._socket.reconnect(str(error))
            return False
        self._asked_ns[self._trade.last_id] = self._clock.wall_ns()
        return True

    # -- orders ------------------------------------------------------------------------------

    def _leave(self, order: ApprovedOrder) -> None:
        """Write an order on the first way that is open."""
        intent = order.intent
        self._awaited.sent(intent.symbol, intent.client_id)
        if self._is_ready:
            now_ms, now_ns = self._rest.wire.venue_ms(), self._clock.monotonic_ns()
            if self._write(self._trade.place(order, now_ms, now_ns)):
                return
        written = self._rest.write_place(order)
        if written is not None:
            self.tasks.spawn(self._rest_written(order, *written))
        else:
            self.orders.place(order)

    def _leave_now(self, order: ApprovedOrder) -> None:
        """Send an exit whose limit has room again; it waits once more if another took it."""
        del self._late[order.intent.client_id]
        self.send(order)

    async def _rest_written(
        self, order: ApprovedOrder, request: HttpRequest, written: Written
    ) -> None:
        """Take the answer to an order that is on the wire."""
        try:
            events = await self._rest.placed(order, request, written)
        except (ObitermError, asyncio.CancelledError) as error:
            intent, now_ns = order.intent, self._clock.wall_ns()
            text = str(error) or "given up while it was sent"
            self._awaited.failed(intent.client_id)
            self._deliver(OrderOutcomeLost(intent.symbol, intent.client_id, text, now_ns))
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        self._take(self._noted.note(order.intent.client_id, events))

    def _refuse(self, intent: OrderIntent, text: str) -> None:
        """Tell that an order was kept back by us: nothing is wrong with it."""
        now_ns = self._clock.wall_ns()
        self._awaited.failed(intent.client_id)
        self._deliver(
            OrderRefused(intent.symbol, intent.client_id, "", text, now_ns, RefusalKind.LATER)
        )

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            self._deliver(event)
