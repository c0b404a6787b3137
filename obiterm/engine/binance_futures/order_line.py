"""Orders of one futures account: over the WebSocket API, else by REST (binance.md §11.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError, RetryLater
from obiterm.core.events import Event, OrderRefused
from obiterm.core.orders import ApprovedOrder, RehearsedOrder, require_approved
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    ClientOrderId,
    OrderRole,
    RefusalKind,
    Symbol,
    VenueOrderId,
)
from obiterm.engine.binance_futures.rest import FuturesRest
from obiterm.engine.binance_futures.streams import LONGEST_WAIT_S
from obiterm.engine.gateway import Emit
from obiterm.engine.shared.rest_orders import RestOrders
from obiterm.engine.shared.tasks import TaskSet
from obiterm.net.conceal import Concealer
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.binance.futures.trade_session import TradeSession
from obiterm.venues.binance.signing import Credentials

_TRIPS_KEPT = 256
_EXITS = frozenset({OrderRole.EXIT, OrderRole.STOP, OrderRole.PANIC})
PRIVATE_SOCKET = SocketOptions(silence_s=60.0, ping_s=10.0, backoff_ceiling_s=LONGEST_WAIT_S)
"""Private connections are silent while nothing happens."""


class OrderLine:
    """Sends orders, cancels and questions; ``tick`` is called a few times a second.

    Attributes:
        by_rest: requests by REST, for what the socket cannot do or while it is down.
        trips_ms: times from an order or cancel to its answer, newest last.
    """

    def __init__(
        self,
        rest: FuturesRest,
        credentials: Credentials,
        address: Callable[[], str],
        clock: Clock,
        tasks: TaskSet,
        emit: Emit,
    ) -> None:
        self.by_rest = RestOrders(rest, clock, tasks, emit)
        self.trips_ms: deque[float] = deque(maxlen=_TRIPS_KEPT)
        self._rest = rest
        self._clock = clock
        self._tasks = tasks
        self._emit = emit
        self._session = TradeSession(
            credentials,
            rest.instruments,
            rest.conditionals,
            policy=rest.policy,
            budget=rest.budget,
        )
        self._socket = Socket(
            address, clock, PRIVATE_SOCKET, conceal=Concealer(credentials.api_key)
        )
        self._asked_ns: dict[int, int] = {}

    @property
    def is_ready(self) -> bool:
        """True while orders go by the socket."""
        return self._socket.is_up and self._session.ready

    async def run(self) -> None:
        """Keep the order connection up until cancelled."""
        self._session.stopped = None
        await self._socket.run(self._receive, self._up, self._down)

    def tick(self) -> bool:
        """Do what is due and return whether our time is in doubt.

        Raises ``AccountStopped`` when the venue refused key or permission.
        """
        session = self._session
        for event in session.expire(self._clock.monotonic_ns(), self._clock.wall_ns()):
            self._emit(event)
        if session.stopped is not None:
            raise session.stopped
        if session.must_reconnect:
            self._socket.reconnect(session.must_reconnect)
            session.must_reconnect = ""
        is_suspect, session.clock_suspect = session.clock_suspect, False
        return is_suspect

    # -- asking --------------------------------------------------------------------------------

    def send(self, order: ApprovedOrder) -> None:
        """Write an order, unless the venue's limits forbid it."""
        require_approved(order)
        intent = order.intent
        wait_ns = self._rest.budget.may_send(0, True, intent.role in _EXITS, self._rest.venue_ns())
        if wait_ns:
            text = f"rate limit of the venue: wait {wait_ns / NS_PER_S:.1f} s"
            now_ns = self._clock.wall_ns()
            kind = RefusalKind.LATER
            self._emit(OrderRefused(intent.symbol, intent.client_id, "", text, now_ns, kind))
        elif not self.is_ready:
            self.by_rest.place(order)
        else:
            now_ns = self._clock.monotonic_ns()
            self._write(self._session.place(order, self._rest.venue_ms(), now_ns))

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build and sign the frame of an order that never leaves, while the socket is up."""
        rest = self._rest
        rest.budget.may_send(0, True, False, rest.venue_ns())
        if self.is_ready:
            self._socket.rehearse(self._session.rehearse(order, rest.venue_ms()))

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel to the book that the order lives in."""
        if not self.is_ready:
            self.by_rest.cancel(symbol, client_id, venue_id)
            return
        now_ns = self._clock.monotonic_ns()
        venue_ms = self._rest.venue_ms()
        self._write(self._session.cancel(symbol, client_id, venue_ms, now_ns, venue_id))

    def _write(self, frame: bytes) -> None:
        self._asked_ns[self._session.last_id] = self._clock.wall_ns()
        try:
            self._socket.send(frame)
        except RetryLater as error:
            # The session keeps the request; it reports it as lost when the socket ends.
            self._socket.reconnect(str(error))

    # -- hearing -------------------------------------------------------------------------------

    def _receive(self, data: bytes, received_ns: int) -> None:
        for event in self._session.receive(data, received_ns):
            self._emit(event)
        for answer in self._session.take_answers():
            asked_ns = self._asked_ns.pop(answer.request_id, 0)
            if asked_ns:
                self.trips_ms.append((received_ns - asked_ns) / NS_PER_MS)
            if answer.next_order:
                self._tasks.spawn(self._follow(answer.asked.symbol, answer.next_order))

    async def _follow(self, symbol: Symbol, venue_id: VenueOrderId) -> None:
        """Ask how the order stands that a stop has become at once."""
        events: list[Event] = []
        try:
            events = await self._rest.query_normal(symbol, venue_id)
        except ObitermError:
            return  # the stream tells it too, and the next reconciliation
        for event in events:
            self._emit(event)

    def _up(self) -> None:
        self._asked_ns.clear()
        now_ns = self._clock.monotonic_ns()
        for frame in self._session.logon_frames(self._rest.venue_ms(), now_ns):
            self._socket.send(frame)

    def _down(self, reason: str) -> None:
        for event in self._session.lost(self._clock.wall_ns()):
            self._emit(event)
