"""Backpack for one account, spot and perpetuals: account socket, orders and questions by REST."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError
from obiterm.core.events import BalanceChanged, Event, Filled, OrderReported, PositionReported
from obiterm.core.orders import (
    ApprovedOrder,
    ListedOrder,
    ListedPosition,
    LiveOrder,
    RehearsedOrder,
)
from obiterm.core.values import (
    NS_PER_S,
    ClientOrderId,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.engine.backpack.account import BackpackAccount, named
from obiterm.engine.backpack.fills import FillReader
from obiterm.engine.backpack.funding import FundingWatch
from obiterm.engine.backpack.orders import OrderEntry
from obiterm.engine.backpack.source import BackpackSource
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Emit, GatewayHealth, Prepared, nowhere
from obiterm.engine.shared.closing import panic_close
from obiterm.engine.shared.tasks import TaskSet
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.backpack.holdings import Balances
from obiterm.venues.backpack.limits import Budget
from obiterm.venues.backpack.signing import Credentials
from obiterm.venues.backpack.user_session import UserSession

_MAINTAIN_S = 0.25
_ACCOUNT_SILENCE_S = 60.0
_BALANCES_EVERY_NS = 1 * NS_PER_S
"""Shortest time between two readings of the balances: two requests each."""
_TOLD_WITHIN_NS = 5 * NS_PER_S
"""An order that an answer shows must be told of by the stream too; else the stream is deaf."""
_TOLD_KEPT = 512


class BackpackGateway:
    """The socket and requests of one Backpack account (backpack.md)."""

    venue = "backpack"

    def __init__(
        self,
        source: BackpackSource,
        feed: SharedFeed,
        credentials: Credentials,
        budget: Budget,
        clock: Clock,
        *,
        is_fresh: bool = False,
    ) -> None:
        self.rest_url = source.urls.rest
        self.is_fresh = is_fresh
        self.account = BackpackAccount(source, feed, credentials, budget, clock)
        self._source = source
        self._feed = feed
        self._budget = budget
        self._credentials = credentials
        self._clock = clock
        self._fills = FillReader(self.account)
        self._funding = FundingWatch(self._fills, source.venue_ns)
        self._orders = OrderEntry(self.account, source.urls.rest)
        self._orders.answered = self._expect_to_hear
        self._user: UserSession | None = None
        self._socket = Socket(
            source.urls.stream,
            clock,
            SocketOptions(silence_s=_ACCOUNT_SILENCE_S, ping_s=10.0),
            conceal=self.account.conceal,
        )
        self._emit: Emit = nowhere
        self._told: dict[VenueOrderId, None] = {}
        self._awaited: dict[VenueOrderId, int] = {}
        self._balances: Balances = {}
        self._balances_due = False
        self._balances_ns = 0
        self._reading: asyncio.Task[None] | None = None
        self._tasks = TaskSet()

    # -- life --------------------------------------------------------------------------------

    def learn(self, client_ids: Iterable[ClientOrderId]) -> None:
        """Remember ids that earlier runs sent: the venue keeps 32 bits of them (§1.9).

        Call it before ``run``, so that orders found at the venue read back whole. Without it
        they are still known as ours, with their role, but not whose they were.
        """
        for client_id in client_ids:
            self.account.ids.learn(client_id)

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Check venue, clock and key; read markets, fees, money, positions and last trades."""
        account = self.account
        await account.open(symbols)
        balances = self._balances = await account.balances()
        positions = await account.positions()
        self._fills.begin()
        marks = await self._fills.newest()
        self._user = UserSession(self._credentials, account.instruments, account.ids)
        self._funding.begin(account.instruments.values())
        await self._orders.warm()
        return Prepared(
            instruments=dict(account.instruments),
            balances=balances,
            clock_offset_ns=account.offset_ns,
            fill_marks=marks,
            positions=positions,
        )

    async def run(self, emit: Emit) -> None:
        """Keep the account socket up and emit events until cancelled."""
        self._emit = self._orders.emit = emit
        user = self._session()
        user.stopped = self.account.calls.stopped = None  # mended since, or it is said again
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    self._socket.run(self._on_user, lambda: self._up(user), lambda _: self._down())
                )
                group.create_task(self._maintain(user))
                group.create_task(self._orders.keep_warm())
                group.create_task(self._funding.run(emit))
        finally:
            await self._tasks.stop()
            await self._orders.close()
            self.account.calls.close()

    async def _maintain(self, user: UserSession) -> None:
        while True:
            await asyncio.sleep(_MAINTAIN_S)
            now_ns = self._clock.monotonic_ns()
            for event in user.expire(now_ns, self._clock.wall_ns()):
                self._emit(event)
            stopped = user.stopped or self.account.suspects()
            if stopped is not None:
                raise stopped
            if user.clock_suspect:
                user.clock_suspect = False
                self.account.calls.clock_suspect = True
            if user.must_reconnect:
                self._socket.reconnect(user.must_reconnect)
                user.must_reconnect = ""
            self._check_hearing(now_ns)
            self._balances_due |= user.balances_due
            user.balances_due = False
            if self._balances_due and now_ns - self._balances_ns >= _BALANCES_EVERY_NS:
                self._read_balances(now_ns)

    # -- account stream ------------------------------------------------------------------------

    def _on_user(self, data: bytes, received_ns: int) -> None:
        for event in self._session().receive(data, received_ns):
            if isinstance(event, OrderReported):
                self._heard(event)
                self._emit(named(event))
            else:
                self._emit(event)

    def _up(self, user: UserSession) -> None:
        self._awaited.clear()
        frames = user.logon_frames(self.account.venue_ms(), self._clock.monotonic_ns())
        for frame in frames:
            self._socket.send(frame)

    def _down(self) -> None:
        self._awaited.clear()
        for event in self._session().lost(self._clock.wall_ns()):
            self._emit(event)

    def _heard(self, report: OrderReported) -> None:
        """Note an order that the stream told of; what it binds of the balances has changed."""
        self._balances_due = True
        self._orders.learn(report)
        self._awaited.pop(report.venue_id, None)
        self._told[report.venue_id] = None
        if len(self._told) > _TOLD_KEPT:
            del self._told[next(iter(self._told))]

    def _expect_to_hear(self, report: Event) -> None:
        """Expect the stream to tell of an order that an answer showed (T41)."""
        if isinstance(report, OrderReported) and report.venue_id not in self._told:
            deadline_ns = self._clock.monotonic_ns() + _TOLD_WITHIN_NS
            self._awaited.setdefault(report.venue_id, deadline_ns)

    def _check_hearing(self, now_ns: int) -> None:
        late = [one for one, due_ns in self._awaited.items() if now_ns >= due_ns]
        if late:
            self._awaited.clear()
            self._socket.reconnect(f"the stream did not tell of order {late[0]}")

    def _session(self) -> UserSession:
        if self._user is None:
            raise RuntimeError("prepare comes before run")
        return self._user

    # -- balances: the venue has no stream of them (§1.15) ---------------------------------------

    def _read_balances(self, now_ns: int) -> None:
        if self._reading is not None and not self._reading.done():
            return
        self._balances_due = False
        self._balances_ns = now_ns
        self._reading = self._tasks.spawn(self._tell_balances())

    async def _tell_balances(self) -> None:
        try:
            balances = await self.account.balances()
        except ObitermError:
            self._balances_due = True
            return
        gone = dict.fromkeys(self._balances.keys() - balances.keys(), (Decimal(0), Decimal(0)))
        now_ns = self._clock.wall_ns()
        for asset, (free, locked) in {**balances, **gone}.items():
            if self._balances.get(asset) != (free, locked):
                self._emit(BalanceChanged(asset, free, locked, now_ns, now_ns))
        self._balances = balances

    # -- orders --------------------------------------------------------------------------------

    def send(self, order: ApprovedOrder) -> None:
        """Write an order now; its outcome comes as an event."""
        self._orders.send(order)

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build and sign the request of an order that never leaves."""
        self._orders.rehearse(order)

    def drop_unsent(self) -> None:
        """Give up orders that still wait for a connection (T4); their outcome is unknown."""
        self._orders.drop_unsent()

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel now; its outcome comes as an event."""
        self._orders.cancel(symbol, client_id, venue_id)

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order, also where it ended; the answer comes as an event."""
        self._orders.query(symbol, client_id)

    # -- reconciliation ------------------------------------------------------------------------

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders, foreign ones and those that wait for a trigger too."""
        self._fills.begin_round()
        return await self.account.open_orders(symbol)

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``; free USDC is the buying power of perpetuals."""
        self._balances = await self.account.balances()
        return self._balances

    async def positions(self) -> list[PositionReported]:
        """Fetch the open perpetual positions."""
        return await self.account.positions()

    def fill_mark(self, fill: Filled) -> int:
        """Return the fill's trade id: the venue numbers the trades of a market in order."""
        return fill.trade_id

    async def fills_since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Fetch own fills after ``mark``, oldest first."""
        return await self._fills.since(symbol, mark)

    # -- panic ---------------------------------------------------------------------------------

    def cancel_all_now(self, symbol: Symbol) -> None:
        """Write a cancel-all now; the verified path follows."""
        self._orders.cancel_all_now(symbol)

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol, conditional orders too."""
        await self._orders.cancel_all(symbol)

    async def close_market(
        self, symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId
    ) -> int:
        """Send a reducing market order and return the lots filled.

        On spot, which has no reduce-only, ``lots`` is what the caller found to be held.
        """
        order = panic_close(symbol, side, lots, client_id, self._clock.wall_ns())
        return await self._orders.place_or_raise(order)

    async def find_order(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        """Ask about one order and wait; ``None`` when the venue does not have it."""
        found = await self._orders.look_up(symbol, client_id)
        if found is not None:
            self._emit(found)
        return found

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch the account's open orders on every market."""
        self.account.hurry()
        return await self.account.listed_orders()

    async def listed_positions(self) -> list[ListedPosition]:
        """Fetch the account's open positions on every market."""
        self.account.hurry()
        return await self.account.listed_positions()

    def sibling(self) -> BackpackGateway:
        """Return another gateway of the account; its questions are those of an exit."""
        other = BackpackGateway(
            self._source, self._feed, self._credentials, self._budget, self._clock
        )
        other.account.hurry()
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._orders.close()
        self.account.calls.close()

    def health(self) -> GatewayHealth:
        """Return figures for the screen."""
        is_up = self._socket.is_up and self._session().ready
        return GatewayHealth(
            sockets={"account": "up" if is_up else "down"},
            weight_share=self.account.calls.used_share(),
            round_trips_ms=tuple(self._orders.trips_ms),
        )
