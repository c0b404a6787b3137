"""What one Backpack account asks the venue for: key, money, positions, orders (§6, §7)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, Refused, RetryLater
from obiterm.core.events import OrderReported, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder, ListedPosition, LiveOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, ClientOrderId, MarketKind, Symbol
from obiterm.engine.backpack.calls import Caller
from obiterm.engine.backpack.source import BackpackSource
from obiterm.engine.feed import SharedFeed
from obiterm.net.conceal import Concealer
from obiterm.net.http import HttpPool
from obiterm.net.http_parser import HttpReply
from obiterm.venues.backpack.client_ids import ClientIds
from obiterm.venues.backpack.errors import LIQUIDATING, hint
from obiterm.venues.backpack.holdings import (
    AccountState,
    Balances,
    account,
    capital,
    collateral,
    spendable,
    with_account,
)
from obiterm.venues.backpack.limits import Budget
from obiterm.venues.backpack.order_requests import OrderRequests
from obiterm.venues.backpack.requests import AccountRequests, HttpRequest, MarketRequests
from obiterm.venues.backpack.rest_codec import (
    RestCodec,
    check,
    listed_orders,
    listed_positions,
    maintenance,
    strategy_symbols,
)
from obiterm.venues.backpack.signing import Credentials

_CLOCK_KEPT_NS = 60 * NS_PER_S
_LIQUIDATION_MS = 10_000
_URGENT_FOR_NS = 10 * NS_PER_S


_Build = Callable[[int], HttpRequest]


class BackpackAccount:
    """Signed requests of one account and what their answers say.

    Attributes:
        ids: our text ids as the venue's numbers, both ways.
        instruments: the account's markets with its own fees.
        codec: reads answers.
        calls: sends within the account's limits.
        requests: builds questions about the account.
        orders: builds order requests.
        lent: what is lent, by asset; idle coins leave the balance where auto-lend is on.
        redeems: whether spot orders ask for lent coins back.
    """

    def __init__(
        self,
        source: BackpackSource,
        feed: SharedFeed,
        credentials: Credentials,
        budget: Budget,
        clock: Clock,
    ) -> None:
        self.ids = ClientIds()
        self.instruments: dict[Symbol, Instrument] = {}
        self.codec = RestCodec({}, self.ids)
        self.conceal = Concealer(credentials.api_key)
        pool = HttpPool(source.urls.rest, conceal=self.conceal)
        self.calls = Caller(pool, budget, clock.wall_ns, source.firewall)
        self.requests = AccountRequests(credentials)
        self.orders = OrderRequests(credentials, self.ids)
        self.lent: dict[str, Decimal] = {}
        self.redeems = False
        self._source = source
        self._feed = feed
        self._clock = clock
        self._public = MarketRequests()
        self._urgent_until_ns = 0

    def venue_ms(self) -> int:
        """Return the venue's time in Unix ms, for a signature."""
        return self._source.venue_ns() // NS_PER_MS

    @property
    def offset_ns(self) -> int:
        """The venue's clock minus ours."""
        return self._source.offset_ns

    def now_ns(self) -> int:
        """Return our Unix time."""
        return self._clock.wall_ns()

    # -- start -------------------------------------------------------------------------------

    async def open(self, symbols: Iterable[Symbol]) -> None:
        """Check venue, clock and key, and read the markets with the account's fees.

        Raises ``AccountStopped`` for a key that cannot trade, ``RetryLater`` while the venue
        or the account cannot, ``UsageError`` for an unknown market.
        """
        if not self._source.urls.can_trade:
            raise AccountStopped(
                "", "Backpack has no test environment", hint="use the simulated exchange"
            )
        self.calls.stopped = None
        await self._check_clock()
        wanted = list(symbols)
        why = maintenance((await self._source.calls.get(self._public.status())).body)
        if why:
            raise RetryLater("MAINTENANCE", f"the venue is not available: {why}")
        listed = await self._source.listing(wanted)
        state = account((await self._signed(self.requests.account)).body)
        if state.liquidating:
            raise RetryLater(LIQUIDATING, hint(LIQUIDATING), retry_after_ms=_LIQUIDATION_MS)
        await self._check_right(wanted)
        self._take_state(state, listed)

    async def _check_clock(self) -> None:
        age_ns = self._clock.monotonic_ns() - self._source.measured_ns
        if not self._source.measured_ns or age_ns > _CLOCK_KEPT_NS or self.calls.clock_suspect:
            await self._source.measure_clock()
            self.calls.clock_suspect = False

    async def _check_right(self, wanted: list[Symbol]) -> None:
        """Find out whether the key may trade: nothing tells it before the first order.

        That there is no such order is the good answer; any refusal but one of key or
        permission says nothing about the key.
        """
        if not wanted:
            return
        reply = await self.calls.ask(self.orders.probe(wanted[0], self.venue_ms()))
        with contextlib.suppress(Refused):
            check(reply.status, reply.headers, reply.body)

    def _take_state(self, state: AccountState, listed: dict[Symbol, Instrument]) -> None:
        self.redeems = state.auto_lend
        self.instruments = {
            symbol: with_account(instrument, state) for symbol, instrument in listed.items()
        }
        self.codec = RestCodec(self.instruments, self.ids)

    # -- reading -----------------------------------------------------------------------------

    @property
    def kinds(self) -> set[MarketKind]:
        """Kinds of the markets that the account trades."""
        return {instrument.kind for instrument in self.instruments.values()}

    async def balances(self) -> Balances:
        """Return ``asset -> (free, locked)``: what orders may use.

        Of an account with perpetuals the free USDC is its buying power, from which the venue
        has taken positions and open orders already (T18). Lent coins count only where orders
        ask for them back.
        """
        if MarketKind.PERP not in self.kinds and not self.redeems:
            return capital((await self._signed(self.requests.balances)).body)
        held, margin_reply = await asyncio.gather(
            self._signed(self.requests.balances), self._signed(self.requests.collateral)
        )
        margin = collateral(margin_reply.body)
        self.lent = margin.lent
        return spendable(capital(held.body), margin, self.kinds, redeem=self.redeems)

    async def positions(self) -> list[PositionReported]:
        """Return open perpetual positions."""
        if MarketKind.PERP not in self.kinds:
            return []
        reply = await self.calls.ask(self.requests.positions(self.venue_ms()), urgent=self.hurries)
        told = self.codec.positions(reply.status, reply.body, self.now_ns())
        return [position for position in told if position.lots]

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Return open orders, foreign ones and those that wait for a trigger too."""
        request = self.orders.open_orders(symbol, self.venue_ms())
        reply = await self.calls.get(request, urgent=self.hurries)
        return [_named(order) for order in self.codec.open_orders(reply.body)]

    async def listed_orders(self) -> list[ListedOrder]:
        """Return the account's open orders and the venue's schedules on every market (§10)."""
        request = self.orders.open_orders(None, self.venue_ms())
        orders = listed_orders((await self.calls.get(request, urgent=self.hurries)).body)
        with contextlib.suppress(Refused):  # an account without schedules
            reply = await self._signed(self.orders.strategies)
            scheduled = sorted(strategy_symbols(reply.body))
            orders += [ListedOrder(symbol, "schedule", "", "") for symbol in scheduled]
        return orders

    async def listed_positions(self) -> list[ListedPosition]:
        """Return the account's open positions on every market."""
        reply = await self.calls.ask(self.requests.positions(self.venue_ms()), urgent=self.hurries)
        return listed_positions(reply.status, reply.body)

    async def _signed(self, build: _Build) -> HttpReply:
        return await self.calls.get(build(self.venue_ms()), urgent=self.hurries)

    # -- a kill is under way -----------------------------------------------------------------

    @property
    def hurries(self) -> bool:
        """Whether questions serve cancels and exits, which no limit of ours holds up (T44)."""
        return self._clock.monotonic_ns() < self._urgent_until_ns

    def hurry(self) -> None:
        """Let the questions of the next seconds use what is kept for cancels and exits."""
        self._urgent_until_ns = self._clock.monotonic_ns() + _URGENT_FOR_NS

    def suspects(self) -> AccountStopped | None:
        """Ask for the clock if it is in doubt; return the refusal that stops the account."""
        if self.calls.clock_suspect:
            self.calls.clock_suspect = False
            self._feed.suspect_clock()
        return self.calls.stopped


def named(report: OrderReported) -> OrderReported:
    """Name an order that somebody placed without a client id by the venue's own id."""
    if report.client_id:
        return report
    return msgspec.structs.replace(report, client_id=_made_id(report.venue_id))


def _named(order: LiveOrder) -> LiveOrder:
    if order.client_id:
        return order
    return msgspec.structs.replace(order, client_id=_made_id(order.venue_id))


def _made_id(venue_id: str) -> ClientOrderId:
    return ClientOrderId(f"#{venue_id}")
