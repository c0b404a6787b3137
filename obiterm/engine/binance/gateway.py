"""Binance spot for one account: account socket, REST beside it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from obiterm.core.clock import Clock
from obiterm.core.errors import RetryLater
from obiterm.core.events import (
    Event,
    Filled,
    OrderRefused,
    OrderReported,
    PositionReported,
)
from obiterm.core.orders import (
    ApprovedOrder,
    ListedOrder,
    ListedPosition,
    LiveOrder,
    OrderIntent,
    RehearsedOrder,
    require_approved,
)
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    ClientOrderId,
    OrderRole,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.engine.binance.rest import BinanceRest
from obiterm.engine.binance.source import BinanceSource
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Emit, GatewayHealth, Prepared, nowhere
from obiterm.engine.shared.closing import panic_close
from obiterm.engine.shared.rest_orders import RestOrders
from obiterm.engine.shared.tasks import TaskSet
from obiterm.net.conceal import Concealer
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.binance.signing import Credentials
from obiterm.venues.binance.user_session import UserSession

_MAINTAIN_S = 0.25
_TRIPS_KEPT = 256
_EXITS = frozenset({OrderRole.EXIT, OrderRole.STOP, OrderRole.PANIC})
_ACCOUNT_SILENCE_S = 60.0


class BinanceGateway:
    """The sockets and requests of one Binance spot account (binance.md §16)."""

    venue = "binance"

    def __init__(
        self,
        source: BinanceSource,
        feed: SharedFeed,
        credentials: Credentials,
        clock: Clock,
        *,
        is_fresh: bool = False,
    ) -> None:
        self.rest_url = source.urls.rest
        self._source = source
        self.is_fresh = is_fresh
        self._feed = feed
        self._credentials = credentials
        self._clock = clock
        self._rest = BinanceRest(source, feed, credentials, clock)
        self._user: UserSession | None = None
        self._user_socket = Socket(
            source.urls.ws_api,
            clock,
            SocketOptions(silence_s=_ACCOUNT_SILENCE_S, ping_s=10.0),
            conceal=Concealer(credentials.api_key),
        )
        self._emit: Emit = nowhere
        self._asked_ns: dict[int, int] = {}
        self._trips_ms: deque[float] = deque(maxlen=_TRIPS_KEPT)
        self._tasks = TaskSet()
        self._orders = RestOrders(self._rest, clock, self._tasks, self._told)

    # -- life --------------------------------------------------------------------------------

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Check the key, read instruments, fees, balances and last trades."""
        prepared = await self._rest.prepare(symbols)
        self._user = UserSession(
            self._credentials,
            prepared.instruments,
            self_trade=self._rest.self_trade,
            budget=self._rest.budget,
        )
        return prepared

    async def run(self, emit: Emit) -> None:
        """Keep the account socket up and emit events until cancelled."""
        self._emit = emit
        user = self._session()
        user.stopped = None  # a human has mended it since, or it is said again
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    self._user_socket.run(
                        self._on_user, lambda: self._user_up(user), self._user_down
                    )
                )
                group.create_task(self._maintain(user))
        finally:
            await self._tasks.stop()
            await self._rest.close()

    async def _maintain(self, user: UserSession) -> None:
        while True:
            await asyncio.sleep(_MAINTAIN_S)
            now_ns = self._clock.monotonic_ns()
            for event in user.expire(now_ns, self._clock.wall_ns()):
                self._emit(event)
            if user.stopped is not None:
                raise user.stopped
            if user.must_reconnect:
                self._user_socket.reconnect(user.must_reconnect)
                user.must_reconnect = ""
            if user.clock_suspect:
                user.clock_suspect = False
                self._feed.suspect_clock()

    # -- account -------------------------------------------------------------------------------

    def _on_user(self, data: bytes, received_ns: int) -> None:
        user = self._session()
        for event in user.receive(data, received_ns):
            self._told(event)
        for frame in user.to_send():
            self._write(frame)
        for answer in user.take_answers():
            asked_ns = self._asked_ns.pop(answer.request_id, 0)
            if asked_ns:
                self._trips_ms.append((received_ns - asked_ns) / NS_PER_MS)

    def _user_up(self, user: UserSession) -> None:
        self._asked_ns.clear()
        for frame in user.logon_frames(self._rest.venue_ms(), self._clock.monotonic_ns()):
            self._write(frame)

    def _user_down(self, reason: str) -> None:
        for event in self._session().lost(self._clock.wall_ns()):
            self._emit(event)

    def _session(self) -> UserSession:
        if self._user is None:
            raise RuntimeError("prepare comes before run")
        return self._user

    # -- orders --------------------------------------------------------------------------------

    def send(self, order: ApprovedOrder) -> None:
        """Write an order: on the account socket, else by REST."""
        require_approved(order)
        intent = order.intent
        wait_ns = self._rest.budget.may_send(1, True, intent.role in _EXITS, self._rest.venue_ns())
        if wait_ns:
            self._refuse(intent, f"rate limit of the venue: wait {wait_ns / NS_PER_S:.1f} s")
            return
        if not self._user_socket.is_up:
            self._orders.place(order)
            return
        user = self._session()
        frame = user.place(order, self._rest.venue_ms(), self._clock.monotonic_ns())
        self._asked_ns[user.last_id] = self._clock.wall_ns()
        self._write(frame)

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build and sign the frame of an order that never leaves, while the socket is up."""
        self._rest.budget.may_send(1, True, False, self._rest.venue_ns())
        if self._user_socket.is_up:
            frame = self._session().rehearse(order, self._rest.venue_ms())
            self._user_socket.rehearse(frame)

    def drop_unsent(self) -> None:
        """Give up orders that still wait for a connection (T4)."""
        self._orders.drop_unsent()

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel: on the account socket, else by REST."""
        if not self._user_socket.is_up:
            self._orders.cancel(symbol, client_id, venue_id)
            return
        user = self._session()
        frame = user.cancel(
            symbol, client_id, self._rest.venue_ms(), self._clock.monotonic_ns(), venue_id
        )
        self._asked_ns[user.last_id] = self._clock.wall_ns()
        self._write(frame)

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order by REST: the socket may be what is broken."""
        self._orders.query(symbol, client_id)

    def _write(self, frame: bytes) -> None:
        try:
            self._user_socket.send(frame)
        except RetryLater as error:
            # The session keeps the request; it reports it as lost when the socket ends.
            self._user_socket.reconnect(str(error))

    def _refuse(self, intent: OrderIntent, text: str) -> None:
        self._emit(OrderRefused(intent.symbol, intent.client_id, "", text, self._clock.wall_ns()))

    def _told(self, event: Event) -> None:
        """Emit what the venue said of the account, and remember whose its orders are."""
        if isinstance(event, OrderReported):
            self._rest.client_ids.learn(event.venue_id, event.client_id)
        self._emit(event)

    # -- reconciliation ------------------------------------------------------------------------

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders, foreign ones too."""
        return await self._rest.open_orders(symbol)

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``."""
        return await self._rest.balances()

    async def positions(self) -> list[PositionReported]:
        """Return nothing: spot has balances only."""
        return []

    def fill_mark(self, fill: Filled) -> int:
        """Return the trade id: ids of a symbol rise with time."""
        return fill.trade_id

    async def fills_since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Fetch own fills after trade id ``mark``, oldest first."""
        return await self._rest.fills_since(symbol, mark)

    # -- panic ---------------------------------------------------------------------------------

    def cancel_all_now(self, symbol: Symbol) -> None:
        """Write a cancel-all at once; the verified path follows by REST."""
        self._rest.hurry()
        if self._user_socket.is_up:
            frame = self._session().cancel_all(
                symbol, self._rest.venue_ms(), self._clock.monotonic_ns()
            )
            self._user_socket.send(frame)

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol by REST."""
        self._rest.hurry()
        await self._rest.cancel_all(symbol)

    async def close_market(
        self, symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId
    ) -> int:
        """Send a reducing market order by REST; emit its fills and return the lots filled."""
        self._rest.hurry()
        order = panic_close(symbol, side, lots, client_id, self._clock.wall_ns())
        events = await self._rest.place_or_raise(order)
        for event in events:
            self._told(event)
        return sum(event.filled_lots for event in events if isinstance(event, OrderReported))

    async def find_order(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        """Ask about one order and wait; ``None`` when the venue does not have it."""
        return await self._orders.find(symbol, client_id)

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch the account's open orders on every market."""
        self._rest.hurry()
        return await self._rest.listed_orders()

    async def listed_positions(self) -> list[ListedPosition]:
        """Return nothing: spot has balances only."""
        return []

    def sibling(self) -> BinanceGateway:
        """Return another gateway of the account."""
        return BinanceGateway(self._source, self._feed, self._credentials, self._clock)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    def health(self) -> GatewayHealth:
        """Return figures for the screen."""
        user_up = self._user_socket.is_up and self._session().ready
        return GatewayHealth(
            sockets={"account": "up" if user_up else "down"},
            weight_share=self._rest.budget.used_share("REQUEST_WEIGHT", self._clock.wall_ns()),
            round_trips_ms=tuple(self._trips_ms),
        )
