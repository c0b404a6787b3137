"""What Bybit says about one account by REST: orders, executions, positions, wallet (§5, §6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import TypeVar

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, Refused
from obiterm.core.events import (
    AccountEvent,
    Event,
    Filled,
    FundingPaid,
    PositionReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder, ListedPosition, LiveOrder
from obiterm.core.values import NS_PER_MS, ClientOrderId, MarketKind, Symbol
from obiterm.engine.bybit.wire import RestWire
from obiterm.engine.gateway import NO_TRADE
from obiterm.net.http_parser import HttpReply
from obiterm.venues.bybit import (
    AccountRequests,
    Ask,
    Asked,
    Category,
    Credentials,
    HttpRequest,
    KnownOrders,
    OrderPolicy,
    OrderRequests,
    Outcome,
    RestCodec,
    Signer,
    category_of,
)
from obiterm.venues.bybit.known_orders import SeenIds
from obiterm.venues.bybit.rest_codec import listed_orders, listed_positions

_OVERLAP_MS = 30_000
"""Executions this long before the mark are read again: a list may lag behind the stream."""
_WEEK_MS = 7 * 86_400_000
"""Longest window of one question for executions (§6.1)."""
_KEPT_MS = 104 * _WEEK_MS
"""The venue keeps about two years."""
SEARCHED_MS = 13 * _WEEK_MS
"""How far back the newest own fill is looked for at the start: a question for each week."""

_SETTLES = ("USDT", "USDC")
"""Coins that linear perpetuals settle in (§5.6)."""

T = TypeVar("T", ListedOrder, ListedPosition)

Balances = dict[str, tuple[Decimal, Decimal]]


class AccountReader:
    """Signed questions about one account.

    Attributes:
        wire: the way out, with budget and clock.
        known: what is known of orders, shared with the sockets.
        account: builds requests about the account.
        orders: builds requests about orders.
        instruments: what the account trades, with its fees.
        codec: reads replies.
    """

    def __init__(self, wire: RestWire, credentials: Credentials, clock: Clock) -> None:
        self.wire = wire
        self.known = KnownOrders()
        signer = Signer(credentials)
        self.account = AccountRequests(signer)
        self.orders = OrderRequests(signer, OrderPolicy(), self.known)
        self.instruments: dict[Symbol, Instrument] = {}
        self.codec = RestCodec({}, self.known)
        self._clock = clock
        self._began_ms = 0
        self._payments = SeenIds()

    def start(self, instruments: dict[Symbol, Instrument]) -> None:
        """Take what the account trades."""
        self.instruments = instruments
        self.codec = RestCodec(instruments, self.known)
        self._began_ms = self._began_ms or self.wire.venue_ms()

    @property
    def categories(self) -> list[Category]:
        """Kinds of markets that the account trades."""
        traded = {category_of(symbol) for symbol in self.instruments}
        return [category for category in Category if category in traded]

    @property
    def settles(self) -> list[str]:
        """Coins that its perpetuals settle in."""
        return sorted({i.settle for i in self.instruments.values() if i.kind is MarketKind.PERP})

    def is_new(self, event: Event) -> bool:
        """Return whether an event is to be told: a payment comes by stream and by list."""
        if not isinstance(event, FundingPaid):
            return True
        if event.payment_id in self._payments:
            return False
        self._payments.add(event.payment_id)
        return True

    # -- reading -----------------------------------------------------------------------------

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders of all kinds on our markets, foreign ones too."""
        if symbol is not None:
            return await self._open_orders(category_of(symbol), symbol, "")
        orders: list[LiveOrder] = []
        for category in self.categories:
            for settle in self.settles if category is Category.LINEAR else [""]:
                orders += await self._open_orders(category, None, settle)
        return orders

    async def _open_orders(
        self, category: Category, symbol: Symbol | None, settle: str
    ) -> list[LiveOrder]:
        asked = Asked(Ask.OPEN_ORDERS, symbol or Symbol(""), category=category)

        def build(now_ms: int, cursor: str) -> HttpRequest:
            return self.orders.open_orders(category, now_ms, symbol, settle=settle, cursor=cursor)

        pages = await self._pages(asked, build)
        # An order that moves while the pages are read may stand on two of them.
        found = {order.venue_id: order for page in pages for order in page.open_orders}
        return list(found.values())

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch the account's open orders on every spot market and linear perpetual."""

        async def of_kind(category: Category, settle: str) -> list[ListedOrder]:
            found: list[ListedOrder] = []
            cursor = ""
            while True:
                build = partial(self.orders.open_orders, category, settle=settle, cursor=cursor)
                reply = await self.wire.ask(build)
                page, following = listed_orders(category, reply.status, reply.body)
                found += page
                if following in ("", cursor):
                    return found
                cursor = following

        orders = await self._as_allowed(Category.SPOT, of_kind(Category.SPOT, ""))
        for settle in _SETTLES:
            orders += await self._as_allowed(Category.LINEAR, of_kind(Category.LINEAR, settle))
        return orders

    async def listed_positions(self) -> list[ListedPosition]:
        """Fetch the account's open positions on every linear perpetual."""

        async def of_coin(settle: str) -> list[ListedPosition]:
            found: list[ListedPosition] = []
            cursor = ""
            while True:
                build = partial(self.account.positions, settle=settle, cursor=cursor)
                reply = await self.wire.ask(build)
                page, following = listed_positions(reply.status, reply.body)
                found += page
                if following in ("", cursor):
                    return found
                cursor = following

        positions: list[ListedPosition] = []
        for settle in _SETTLES:
            positions += await self._as_allowed(Category.LINEAR, of_coin(settle))
        return positions

    async def _as_allowed(self, category: Category, asking: Awaitable[list[T]]) -> list[T]:
        """Return a list; an empty one where the key has no right to a kind that we do not trade.

        Such a refusal says nothing against the kinds that it was made for: it stops nothing.
        """
        stopped = self.wire.stopped
        try:
            return await asking
        except (AccountStopped, Refused):
            if category in self.categories:
                raise
            self.wire.stopped = stopped
            return []

    async def balances(self) -> Balances:
        """Fetch ``asset -> (free, locked)``; an account without funds has none."""
        reply = await self.wire.ask(self.account.wallet)
        wallet = self.codec.wallet(reply.status, reply.body, self._clock.wall_ns())
        return {coin.asset: (coin.free, coin.locked) for coin in wallet.balances}

    async def positions(self) -> list[PositionReported]:
        """Fetch the open positions of our perpetuals."""
        found: list[PositionReported] = []
        for settle in self.settles:
            cursor = ""
            while True:
                build = partial(self.account.positions, settle=settle, cursor=cursor)
                reply = await self.wire.ask(build)
                page = self.codec.positions(reply.status, reply.body, self._clock.wall_ns())
                found += page.positions
                if page.cursor in ("", cursor):
                    break
                cursor = page.cursor
        return [position for position in found if position.lots]

    async def position(self, symbol: Symbol) -> tuple[list[PositionReported], bool]:
        """Fetch one symbol's position, flat or not, and whether it is in hedge mode (T31)."""
        reply = await self.wire.ask(lambda ms: self.account.positions(ms, symbol))
        page = self.codec.positions(reply.status, reply.body, self._clock.wall_ns())
        return page.positions, symbol in page.hedged

    async def fills_since(self, symbol: Symbol, mark: int) -> tuple[list[Filled], list[Event]]:
        """Fetch fills after ``mark`` (venue ns) and shortly before it, oldest first.

        Funding payments stand in the same list; they are returned apart (T35), those after
        the mark that were not told before.
        """
        now_ms = self.wire.venue_ms()
        mark_ms = self._began_ms if mark == NO_TRADE else mark // NS_PER_MS
        start_ms = max(mark_ms - _OVERLAP_MS, now_ms - _KEPT_MS)
        events: list[AccountEvent] = []
        while start_ms < now_ms:
            events += await self._executions(symbol, start_ms, start_ms + _WEEK_MS)
            start_ms += _WEEK_MS
        fills = [event for event in events if isinstance(event, Filled)]
        fills.sort(key=lambda fill: fill.event_ns)
        payments: list[Event] = [
            event
            for event in events
            if isinstance(event, FundingPaid)
            and event.event_ns // NS_PER_MS >= mark_ms
            and self.is_new(event)
        ]
        return fills, payments

    async def last_fill_ns(self, symbol: Symbol) -> int:
        """Return the venue's time of the newest own fill, ``NO_TRADE`` without one.

        A market that was not traded for a week is searched week by week, for ``SEARCHED_MS``.
        """
        end_ms = self.wire.venue_ms()
        oldest_ms = end_ms - SEARCHED_MS
        while end_ms > oldest_ms:
            start_ms = end_ms - _WEEK_MS
            async for page in self._execution_pages(symbol, start_ms, end_ms):
                fills = [event.event_ns for event in page.events if isinstance(event, Filled)]
                if fills:  # the newest come first
                    return max(fills)
            end_ms = start_ms
        return NO_TRADE

    async def fills_of(self, symbol: Symbol, client_id: ClientOrderId) -> list[Filled]:
        """Fetch the fills of one order."""
        category = category_of(symbol)
        asked = Asked(Ask.EXECUTIONS, symbol, category=category)

        def build(now_ms: int, cursor: str) -> HttpRequest:
            return self.account.executions(
                category, now_ms, symbol=symbol, client_id=client_id, cursor=cursor
            )

        pages = await self._pages(asked, build)
        fills = [e for page in pages for e in page.events if isinstance(e, Filled)]
        return sorted(fills, key=lambda fill: fill.event_ns)

    async def _executions(self, symbol: Symbol, start_ms: int, end_ms: int) -> list[AccountEvent]:
        pages = self._execution_pages(symbol, start_ms, end_ms)
        return [event async for page in pages for event in page.events]

    def _execution_pages(
        self, symbol: Symbol, start_ms: int, end_ms: int
    ) -> AsyncIterator[Outcome]:
        """Read executions of at most a week, funding among them, newest first."""
        category = category_of(symbol)
        asked = Asked(Ask.EXECUTIONS, symbol, category=category)

        def build(now_ms: int, cursor: str) -> HttpRequest:
            return self.account.executions(
                category, now_ms, symbol=symbol, start_ms=start_ms, end_ms=end_ms, cursor=cursor
            )

        return self._each_page(asked, build)

    async def _pages(self, asked: Asked, build: Callable[..., HttpRequest]) -> list[Outcome]:
        return [page async for page in self._each_page(asked, build)]

    async def _each_page(
        self, asked: Asked, build: Callable[..., HttpRequest]
    ) -> AsyncIterator[Outcome]:
        """Read a list page by page; a cursor that does not move is the end (§3)."""
        cursor = ""
        while True:
            reply = await self.wire.ask(partial(build, cursor=cursor))
            page = self._read(asked, reply)
            yield page
            if page.cursor in ("", cursor):
                return
            cursor = page.cursor

    def _read(self, asked: Asked, reply: HttpReply) -> Outcome:
        return self.codec.outcome(asked, reply.status, reply.body, self._clock.wall_ns())
