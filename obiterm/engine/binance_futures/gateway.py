"""Binance futures for one account: private stream, order connection, REST beside them (§16)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import ConfigError, ObitermError, Refused
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
    OrderKind,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from obiterm.engine.binance_futures.order_line import OrderLine
from obiterm.engine.binance_futures.preparing import Terms, prepare
from obiterm.engine.binance_futures.rest import FuturesRest
from obiterm.engine.binance_futures.source import FuturesSource
from obiterm.engine.binance_futures.user_stream import UserStream
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Emit, GatewayHealth, Prepared, nowhere
from obiterm.engine.shared.closing import panic_close
from obiterm.engine.shared.tasks import TaskSet
from obiterm.net.http import Written
from obiterm.trading.risk import approve_panic_close
from obiterm.venues.binance.futures.errors import OUTSIDE_OF_BAND, REDUCE_ONLY_REFUSED
from obiterm.venues.binance.limits import ORDERS, WEIGHT
from obiterm.venues.binance.signing import Credentials

_TICK_S = 0.1
_WARM_EVERY_S = 4.0
_WARM = 2
"""Connections that are ready for the two halves of a cancel-all."""
_FILL_READS = 3
_FILL_WAIT_S = 0.1
_ZERO = Decimal(0)


class _Private:
    """What exists once the account is prepared."""

    def __init__(self, user: UserStream, line: OrderLine, terms: Terms) -> None:
        self.user = user
        self.line = line
        self.terms = terms


class FuturesGateway:
    """The sockets and requests of one Binance futures account.

    Attributes:
        rest: requests by REST and their builders, the venue's dead-man timer among them.
    """

    venue = "binance-futures"

    def __init__(
        self,
        source: FuturesSource,
        feed: SharedFeed,
        credentials: Credentials,
        clock: Clock,
        *,
        is_fresh: bool = False,
    ) -> None:
        self.rest_url = source.urls.rest
        self.is_fresh = is_fresh
        self.rest = FuturesRest(source, feed, credentials, clock)
        self._source = source
        self._feed = feed
        self._credentials = credentials
        self._clock = clock
        self._tasks = TaskSet()
        self._private: _Private | None = None
        self._emit: Emit = nowhere

    # -- life --------------------------------------------------------------------------------

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Check the key, read instruments, fees, balances, positions and last trades."""
        if not self._source.urls.private:
            raise ConfigError("environment", "paper", "demo, testnet or live: paper has no account")
        prepared, terms = await prepare(self.rest, self._source, self._feed, symbols)
        urls, reachable = self._source.urls, self._source.reachable
        user = UserStream(
            self.rest,
            lambda path: reachable(urls.private + path),
            self._clock,
            self._tasks,
            self._told,
        )
        line = OrderLine(
            self.rest,
            self._credentials,
            lambda: reachable(urls.ws_api),
            self._clock,
            self._tasks,
            self._told,
        )
        self._private = _Private(user, line, terms)
        return prepared

    async def run(self, emit: Emit) -> None:
        """Keep the private sockets up and emit events until cancelled."""
        self._emit = emit
        private = self._ready()
        self.rest.stopped = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(private.user.run(str(private.terms)))
                group.create_task(private.line.run())
                group.create_task(self._maintain(private))
                group.create_task(self._keep_warm())
        finally:
            await self._tasks.stop()
            await private.user.end()
            await self.rest.close()

    async def _maintain(self, private: _Private) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            if self.rest.stopped is not None:
                raise self.rest.stopped
            private.user.tick()
            if private.line.tick():
                self._feed.suspect_clock()

    async def _keep_warm(self) -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError):  # the next request tells what is wrong
                await self.rest.keep_warm(_WARM)
            await asyncio.sleep(_WARM_EVERY_S)

    def _ready(self) -> _Private:
        if self._private is None:
            raise RuntimeError("prepare comes before run")
        return self._private

    def _told(self, event: Event) -> None:
        """Emit what the venue said of the account, and remember whose its orders are."""
        if isinstance(event, OrderReported):
            self.rest.known.learn(event.venue_id, event.client_id)
        self._emit(event)

    # -- orders --------------------------------------------------------------------------------

    def send(self, order: ApprovedOrder) -> None:
        """Write an order: on the order connection, else by REST."""
        self._ready().line.send(order)

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build and sign the frame of an order that never leaves, while its connection is up."""
        self._ready().line.rehearse(order)

    def drop_unsent(self) -> None:
        """Give up orders that still wait for a connection (T4)."""
        self._ready().line.by_rest.drop_unsent()

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel: on the order connection, else by REST."""
        self._ready().line.cancel(symbol, client_id, venue_id)

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order by REST, which alone can ask for a stop that waits."""
        self._ready().line.by_rest.query(symbol, client_id)

    # -- reconciliation ------------------------------------------------------------------------

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders of both books, foreign ones too."""
        return await self.rest.open_orders(symbol)

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``; free is the venue's available balance."""
        return await self.rest.balances()

    async def positions(self) -> list[PositionReported]:
        """Fetch the open positions."""
        return await self.rest.positions()

    def fill_mark(self, fill: Filled) -> int:
        """Return the trade id: ids of a market rise with time, and ``fromId`` asks by them."""
        return fill.trade_id

    async def fills_since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Fetch own fills after trade id ``mark``, oldest first."""
        fills = await self.rest.fills_since(symbol, mark)
        if self._private is not None:
            self._private.user.compare(fills)
        return fills

    # -- panic ---------------------------------------------------------------------------------

    def cancel_all_now(self, symbol: Symbol) -> None:
        """Write a cancel-all to both books at once; the verified path follows."""
        self.rest.hurry()
        for written in self.rest.write_cancel_all(symbol):
            self._tasks.spawn(_forget(written))

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol in both books."""
        self.rest.hurry()
        await self.rest.cancel_all(symbol)

    async def close_market(
        self, symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId
    ) -> int:
        """Send a reduce-only market order; emit its fills and return the lots filled.

        A refusal because there is nothing to reduce is none when the venue shows no position:
        that is told as an event (T11).
        """
        self.rest.hurry()
        order = panic_close(symbol, side, lots, client_id, self._clock.wall_ns())
        try:
            report = await self._close(order)
        except Refused as refusal:
            if refusal.code != str(REDUCE_ONLY_REFUSED) or await self._tell_flat(symbol):
                raise
            return 0
        self.rest.known.learn(report.venue_id, report.client_id)
        for fill in await self._fills_of(report):
            self._told(fill)
        self._told(report)
        return report.filled_lots

    async def _close(self, order: ApprovedOrder) -> OrderReported:
        """Place a close; one that a thin book refuses goes to the price band (§10.2)."""
        try:
            return await self.rest.place_or_raise(order)
        except Refused as refusal:
            if refusal.code != str(OUTSIDE_OF_BAND):
                raise
        intent = order.intent
        lowest, highest = await self._source.price_band(intent.symbol)
        at_band = msgspec.structs.replace(
            intent,
            kind=OrderKind.LIMIT,
            price_ticks=lowest if intent.side is Side.SELL else highest,
            time_in_force=TimeInForce.IOC,
        )
        return await self.rest.place_or_raise(approve_panic_close(at_band, self._clock.wall_ns()))

    async def _tell_flat(self, symbol: Symbol) -> bool:
        """Return whether there is a position; tell that there is none."""
        if any(position.symbol == symbol for position in await self.rest.positions()):
            return True
        now_ns = self._clock.wall_ns()
        self._emit(PositionReported(symbol, 0, _ZERO, _ZERO, _ZERO, _ZERO, now_ns, now_ns))
        return False

    async def _fills_of(self, report: OrderReported) -> list[Filled]:
        """Read the fills of an order. The list may lag behind the order; the stream tells too."""
        fills: list[Filled] = []
        for _ in range(_FILL_READS if report.filled_lots else 0):
            with contextlib.suppress(ObitermError):
                fills = await self.rest.fills_of(report.symbol, report.venue_id)
            if sum(fill.lots for fill in fills) >= report.filled_lots:
                break
            await asyncio.sleep(_FILL_WAIT_S)
        return fills

    async def find_order(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        """Ask about one order and wait; ``None`` when the venue does not have it."""
        return await self._ready().line.by_rest.find(symbol, client_id)

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch the account's open orders of both books on every market."""
        self.rest.hurry()
        return await self.rest.listed_orders()

    async def listed_positions(self) -> list[ListedPosition]:
        """Fetch the account's open positions on every market."""
        self.rest.hurry()
        return await self.rest.listed_positions()

    def sibling(self) -> FuturesGateway:
        """Return another gateway of the account; its questions are those of an exit."""
        other = FuturesGateway(self._source, self._feed, self._credentials, self._clock)
        other.rest.hurry()
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self.rest.close()

    def health(self) -> GatewayHealth:
        """Return figures for the screen."""
        private, now_ns = self._ready(), self.rest.venue_ns()
        budget = self.rest.budget
        return GatewayHealth(
            sockets={
                "account": "up" if private.user.is_ready else "down",
                "orders": "up" if private.line.is_ready else "down",
            },
            weight_share=max(budget.used_share(WEIGHT, now_ns), budget.used_share(ORDERS, now_ns)),
            round_trips_ms=tuple(private.line.trips_ms),
        )


async def _forget(written: Written) -> None:
    """Wait for an answer that nobody needs: what it did is verified by the panic path."""
    with contextlib.suppress(ObitermError):
        await written.reply()
