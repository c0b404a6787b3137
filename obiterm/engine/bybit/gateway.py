"""Bybit for one account: account stream, orders, reconciliation, panic path (docs/venues-bybit.md).

The account stream has no snapshot and repeats nothing: each time it comes up the kernel asks
for the venue's whole word, which is read by REST here (trap 14).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError, RetryLater
from obiterm.core.events import Event, Filled, OrderReported, PositionReported
from obiterm.core.orders import (
    ApprovedOrder,
    ListedOrder,
    ListedPosition,
    LiveOrder,
    RehearsedOrder,
)
from obiterm.core.values import (
    ClientOrderId,
    MarketKind,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.engine.bybit.admission import Admission
from obiterm.engine.bybit.order_entry import PING_EVERY_NS, PRIVATE_SOCKET, OrderEntry
from obiterm.engine.bybit.reading import Balances
from obiterm.engine.bybit.rest import BybitRest
from obiterm.engine.bybit.source import BybitSource
from obiterm.engine.bybit.wire import RestWire
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Emit, GatewayHealth, Prepared, nowhere
from obiterm.engine.shared.closing import panic_close
from obiterm.net.conceal import Concealer
from obiterm.net.ws import Socket
from obiterm.venues.bybit import Budget, Credentials, UserSession

_BEAT_S = 0.25
_WARM_EVERY_BEATS = 8
_WARM = 2
"""Connections that are kept ready, for orders by REST and for the first cancels of a kill."""


class BybitGateway:
    """The private side of one unified account: spot and perpetuals together.

    Attributes:
        warnings: what the user should know of key and account since ``prepare``: a key that
            works from any address, an account without funds.
    """

    venue = "bybit"

    def __init__(
        self,
        source: BybitSource,
        feed: SharedFeed,
        credentials: Credentials,
        clock: Clock,
        *,
        is_fresh: bool = False,
    ) -> None:
        urls = source.urls
        self.rest_url = urls.rest
        self.is_fresh = is_fresh
        self.warnings: list[str] = []
        self._source = source
        self._feed = feed
        self._credentials = credentials
        self._clock = clock
        conceal = Concealer(credentials.api_key)
        self._wire = RestWire(
            urls.rest,
            clock,
            lambda: source.offset_ns,
            Budget(address=source.address),
            feed.suspect_clock,
            conceal,
        )
        self._rest = BybitRest(self._wire, credentials, clock)
        self._entry = OrderEntry(source, self._rest, credentials, clock, self._deliver)
        self._user = UserSession(credentials, {}, known=self._rest.known)
        self._user_socket = Socket(
            lambda: source.reachable(urls.private), clock, PRIVATE_SOCKET, conceal=conceal
        )
        self._emit: Emit = nowhere

    # -- life --------------------------------------------------------------------------------

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Check key and account, read instruments, fees, balances, positions and last fills."""
        admission = Admission(self._rest, self._source, self._feed)
        prepared = await admission.prepare(symbols)
        self.warnings = admission.warnings
        return prepared

    async def run(self, emit: Emit) -> None:
        """Keep the private sockets up and emit events until cancelled."""
        self._emit = emit
        self._wire.stopped = None
        self._user = UserSession(
            self._credentials,
            self._rest.instruments,
            known=self._rest.known,
            ping_every_ns=PING_EVERY_NS,
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    self._user_socket.run(self._on_user, self._user_up, self._user_down)
                )
                group.create_task(self._entry.run())
                group.create_task(self._maintain())
        finally:
            await self._entry.stop()
            self._wire.close()

    async def _maintain(self) -> None:
        beats = 0
        while True:
            if beats % _WARM_EVERY_BEATS == 0:
                self._entry.tasks.spawn(self._keep_warm())
            beats += 1
            await asyncio.sleep(_BEAT_S)
            self._entry.beat()
            self._keep_user_socket()
            self._check()
            if self._user.doubt or self._rest.codec.doubt:
                self._user.doubt = self._rest.codec.doubt = ""
                self._entry.tasks.spawn(self._read_positions())

    def _check(self) -> None:
        """Raise why the account cannot go on; ask for the clock when the venue doubts it."""
        for stopped in (self._wire.stopped, self._user.stopped, self._entry.stopped):
            if stopped is not None:
                raise stopped
        if self._user.clock_suspect or self._entry.clock_suspect:
            self._user.clock_suspect = self._entry.clock_suspect = False
            self._feed.suspect_clock()

    async def _keep_warm(self) -> None:
        with contextlib.suppress(OSError):  # the venue is away: a request will tell
            await self._wire.keep_warm(_WARM)

    # -- account stream ------------------------------------------------------------------------

    def _on_user(self, data: bytes, received_ns: int) -> None:
        for event in self._user.receive(data, received_ns):
            self._deliver(event)
        if not self._user.ready:
            for frame in self._user.to_send(self._clock.monotonic_ns()):
                self._user_socket.send(frame)

    def _user_up(self) -> None:
        now_ms, now_ns = self._wire.venue_ms(), self._clock.monotonic_ns()
        for frame in self._user.logon_frames(now_ms, now_ns):
            self._user_socket.send(frame)

    def _user_down(self, reason: str) -> None:
        for event in self._user.lost(self._clock.wall_ns(), reason):
            self._deliver(event)

    def _keep_user_socket(self) -> None:
        if not self._user_socket.is_up:
            return
        user = self._user
        try:
            for frame in user.to_send(self._clock.monotonic_ns()):
                self._user_socket.send(frame)
        except RetryLater as error:
            self._user_socket.reconnect(str(error))
        if user.must_reconnect:
            self._user_socket.reconnect(user.must_reconnect)

    def _deliver(self, event: Event) -> None:
        """Emit an event; every event of the account passes here, a payment only once."""
        if isinstance(event, OrderReported):
            self._entry.told(event)
        if self._rest.is_new(event):
            self._emit(event)

    # -- orders --------------------------------------------------------------------------------

    def send(self, order: ApprovedOrder) -> None:
        """Write an order: on the trade socket, else by REST."""
        self._entry.send(order)

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build the bytes of an order that never leaves."""
        self._entry.rehearse(order)

    def drop_unsent(self) -> None:
        """Give up orders that wait for a limit or a connection (T4)."""
        self._entry.drop_unsent()

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel: on the trade socket, else by REST."""
        self._entry.cancel(symbol, client_id, venue_id)

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order by REST."""
        self._entry.query(symbol, client_id)

    # -- reconciliation ------------------------------------------------------------------------

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders, conditional ones and foreign ones too."""
        return await self._rest.open_orders(symbol)

    async def balances(self) -> Balances:
        """Fetch ``asset -> (free, locked)``."""
        return await self._rest.balances()

    async def positions(self) -> list[PositionReported]:
        """Fetch the open perpetual positions."""
        return await self._rest.positions()

    def fill_mark(self, fill: Filled) -> int:
        """Return the venue's time of a fill: ids do not rise with time here."""
        return fill.event_ns

    async def fills_since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Fetch own fills after the venue's time ``mark`` and shortly before, oldest first.

        Funding payments of that time are emitted (T35).
        """
        fills, payments = await self._rest.fills_since(symbol, mark)
        for payment in payments:
            self._emit(payment)
        return fills

    async def _read_positions(self) -> None:
        """Tell every perpetual's position, flat ones too, after news that were no fill."""
        with contextlib.suppress(ObitermError):  # the regular reconciliation reads them as well
            for symbol, instrument in self._rest.instruments.items():
                if instrument.kind is MarketKind.PERP:
                    told, _ = await self._rest.position(symbol)
                    for position in told:
                        self._deliver(position)

    # -- panic ---------------------------------------------------------------------------------

    def cancel_all_now(self, symbol: Symbol) -> None:
        """Write a cancel-all at once by REST, the only way; the verified path follows."""
        self._wire.hurry()
        for work in self._rest.cancel_all_now(symbol):
            self._entry.tasks.spawn(work)

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol, conditional orders too."""
        self._wire.hurry()
        await self._rest.cancel_all(symbol)

    async def close_market(
        self, symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId
    ) -> int:
        """Send a reducing market order by REST; emit its fills and return the lots filled.

        0 when there is nothing left to close on that side.
        """
        self._wire.hurry()
        order = panic_close(symbol, side, lots, client_id, self._clock.wall_ns())
        events = await self._rest.close(order)
        for event in events:
            self._deliver(event)
        return sum(event.filled_lots for event in events if isinstance(event, OrderReported))

    async def find_order(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        """Ask about one order and wait; ``None`` when the venue does not have it."""
        return await self._entry.orders.find(symbol, client_id)

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch the account's open orders on every spot market and perpetual."""
        self._wire.hurry()
        return await self._rest.listed_orders()

    async def listed_positions(self) -> list[ListedPosition]:
        """Fetch the account's open positions on every perpetual."""
        self._wire.hurry()
        return await self._rest.listed_positions()

    def sibling(self) -> BybitGateway:
        """Return another gateway of the account; its questions are those of an exit."""
        other = BybitGateway(self._source, self._feed, self._credentials, self._clock)
        other._wire.hurry()
        return other

    async def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def health(self) -> GatewayHealth:
        """Return figures for the screen."""
        account = "down"
        if self._user_socket.is_up:
            account = "up" if self._user.ready else "stale"
        return GatewayHealth(
            sockets={"account": account, **self._entry.sockets()},
            weight_share=self._wire.budget.used_share(self._wire.venue_ns()),
            round_trips_ms=tuple(self._entry.trips_ms),
        )
