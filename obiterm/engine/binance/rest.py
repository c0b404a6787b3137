"""Binance spot by REST for one account: what is not on the hot path, and the panic path."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, Refused, RetryLater
from obiterm.core.events import Event, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, ListedOrder, LiveOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, ClientOrderId, Symbol, VenueOrderId
from obiterm.engine.binance.source import BinanceSource
from obiterm.engine.binance.wire import send_within
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import NO_TRADE, Prepared
from obiterm.engine.shared.closing import after_acceptance
from obiterm.engine.shared.known_ids import KnownIds
from obiterm.net.conceal import Concealer
from obiterm.net.http import HttpPool
from obiterm.net.http_parser import HttpReply
from obiterm.venues.binance.limits import Budget
from obiterm.venues.binance.order_fields import SelfTradePolicy
from obiterm.venues.binance.replies import Ask, Asked
from obiterm.venues.binance.requests import HttpRequest, RestRequests
from obiterm.venues.binance.rest_codec import (
    RestCodec,
    account,
    check,
    commission,
    listed_orders,
)
from obiterm.venues.binance.signing import Credentials

_NOTHING_OPEN = "-2011"
_TRADES_A_PAGE = 1000
_HURRY_NS = 30 * NS_PER_S


class BinanceRest:
    """REST of one account; clock, listing and the address's weight are the venue's.

    Attributes:
        client_ids: our id of every order that the venue has told us of.
    """

    def __init__(
        self, source: BinanceSource, feed: SharedFeed, credentials: Credentials, clock: Clock
    ) -> None:
        self.client_ids = KnownIds()
        self.budget = Budget(shared=source.budget.shared, ban=source.budget.ban)
        self.requests = RestRequests(credentials)
        self.codec = RestCodec({})
        self.instruments: dict[Symbol, Instrument] = {}
        self.self_trade = SelfTradePolicy()
        self._source = source
        self._feed = feed
        self._credentials = credentials
        self._pool = HttpPool(source.urls.rest, conceal=Concealer(credentials.api_key))
        self._clock = clock
        self._hurries_until_ns = 0

    def venue_ns(self) -> int:
        """Return the venue's time in Unix ns."""
        return self._clock.wall_ns() + self._source.offset_ns

    def venue_ms(self) -> int:
        """Return the venue's time in Unix ms."""
        return self.venue_ns() // NS_PER_MS

    # -- start -------------------------------------------------------------------------------

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Read instruments, fees, rights and balances."""
        wanted = list(symbols)
        listed = await self._feed.listing(wanted)
        self.budget.take_limits_of(self._source.budget)
        state = account((await self._get(self.requests.account(self.venue_ms()))).body)
        if not state.can_trade:
            raise AccountStopped(
                "canTrade",
                "the venue does not let this key trade",
                hint="give the key the right to trade on the spot market, or make a new one",
            )
        for symbol in wanted:
            reply = await self._get(self.requests.commission(symbol, self.venue_ms()))
            fees = commission(reply.body)
            self.instruments[symbol] = msgspec.structs.replace(
                listed[symbol], maker_fee=fees.maker, taker_fee=fees.taker
            )
        self.self_trade = SelfTradePolicy(allowed=self._source.self_trade_modes)
        self.requests = RestRequests(self._credentials, self_trade=self.self_trade)
        self.codec = RestCodec(self.instruments)
        return Prepared(
            instruments=dict(self.instruments),
            balances={asset: (free, locked) for asset, free, locked in state.balances},
            clock_offset_ns=self._source.offset_ns,
            fill_marks={symbol: await self._last_trade_id(symbol) for symbol in wanted},
        )

    async def _last_trade_id(self, symbol: Symbol) -> int:
        reply = await self._get(self.requests.my_trades(symbol, self.venue_ms(), limit=1))
        fills = self._read_fills(symbol, reply)
        return fills[-1].trade_id if fills else NO_TRADE

    # -- reading -----------------------------------------------------------------------------

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders, foreign ones too."""
        reply = await self._get(self.requests.open_orders(symbol, self.venue_ms()))
        orders = self.codec.open_orders(reply.body)
        for order in orders:
            self.client_ids.learn(order.venue_id, order.client_id)
        return orders

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch the account's open orders on every market."""
        reply = await self._get(self.requests.open_orders(None, self.venue_ms()))
        return listed_orders(reply.body)

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``."""
        state = account((await self._get(self.requests.account(self.venue_ms()))).body)
        return {asset: (free, locked) for asset, free, locked in state.balances}

    async def fills_since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Fetch own fills after trade id ``mark``, page by page; unknown orders are asked for."""
        fills: list[Filled] = []
        trade_id = mark
        while True:
            request = self.requests.my_trades(
                symbol, self.venue_ms(), from_id=trade_id + 1, limit=_TRADES_A_PAGE
            )
            page = self._read_fills(symbol, await self._get(request))
            fills += page
            if len(page) < _TRADES_A_PAGE:
                break
            trade_id = page[-1].trade_id
        owners = {
            venue_id: await self._owner(symbol, venue_id)
            for venue_id in sorted({fill.venue_id for fill in fills})
        }
        return [msgspec.structs.replace(fill, client_id=owners[fill.venue_id]) for fill in fills]

    async def _owner(self, symbol: Symbol, venue_id: VenueOrderId) -> ClientOrderId:
        """Return whose order a trade belongs to. Raises when the venue does not say."""
        known = self.client_ids.get(venue_id)
        if known is not None:
            return known
        request = self.requests.query_order(
            symbol, ClientOrderId(""), self.venue_ms(), venue_id=venue_id
        )
        reply = await self._get(request)
        asked = Asked(Ask.QUERY, symbol)
        outcome = self.codec.outcome(asked, reply.status, reply.body, self._clock.wall_ns())
        for event in outcome.events:
            if isinstance(event, OrderReported):
                self.client_ids.learn(venue_id, event.client_id)
                return event.client_id
        raise RetryLater("order", f"the venue does not show order {venue_id}, of which fills are")

    def _read_fills(self, symbol: Symbol, reply: HttpReply) -> list[Filled]:
        asked = Asked(Ask.TRADES, symbol, client_ids=self.client_ids)
        now_ns = self._clock.wall_ns()
        events = self.codec.outcome(asked, reply.status, reply.body, now_ns).events
        return [event for event in events if isinstance(event, Filled)]

    # -- orders, where the socket is down, and for the panic path -------------------------------

    async def place(self, order: ApprovedOrder) -> list[Event]:
        """Place an order; a refusal is an event. Raises ``OutcomeUnknown`` or ``RetryLater``."""
        intent = order.intent
        request = self.requests.new_order(order, self.instruments[intent.symbol], self.venue_ms())
        asked = Asked(Ask.PLACE, intent.symbol, intent.client_id)
        reply = await self._send(request, urgent=True)  # the budget was asked before
        return self._read(asked, reply)

    async def place_or_raise(self, order: ApprovedOrder) -> list[Event]:
        """Place an order and return its fills and state; raise the venue's refusal.

        An order that was taken and whose answer cannot be read is ``OutcomeUnknown``.
        """
        intent = order.intent
        request = self.requests.new_order(order, self.instruments[intent.symbol], self.venue_ms())
        reply = await self._send(request, urgent=True)
        check(reply.status, reply.headers, reply.body)
        with after_acceptance(intent.client_id):
            return self._read(Asked(Ask.PLACE, intent.symbol, intent.client_id), reply)

    async def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> list[Event]:
        """Cancel an order."""
        request = self.requests.cancel_order(symbol, client_id, self.venue_ms(), venue_id=venue_id)
        reply = await self._send(request, urgent=True)
        return self._read(Asked(Ask.CANCEL, symbol, client_id), reply)

    async def query(self, symbol: Symbol, client_id: ClientOrderId) -> list[Event]:
        """Ask about an order; that there is none is an event too."""
        reply = await self._send(self.requests.query_order(symbol, client_id, self.venue_ms()))
        return self._read(Asked(Ask.QUERY, symbol, client_id), reply)

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol."""
        request = self.requests.cancel_open_orders(symbol, self.venue_ms())
        reply = await self._send(request, urgent=True)
        try:
            check(reply.status, reply.headers, reply.body)
        except Refused as refusal:
            if refusal.code != _NOTHING_OPEN:
                raise

    def _read(self, asked: Asked, reply: HttpReply) -> list[Event]:
        outcome = self.codec.outcome(asked, reply.status, reply.body, self._clock.wall_ns())
        return list(outcome.events)

    # -- the wire ------------------------------------------------------------------------------

    async def _get(self, request: HttpRequest) -> HttpReply:
        reply = await self._send(request)
        check(reply.status, reply.headers, reply.body)
        return reply

    async def _send(self, request: HttpRequest, *, urgent: bool = False) -> HttpReply:
        now_ns = self.venue_ns()
        hurries = now_ns < self._hurries_until_ns and request.method == "GET"
        passes = urgent or (hurries and now_ns >= self.budget.blocked_until_ns)
        return await send_within(self._pool, self.budget, request, self.venue_ns, urgent=passes)

    def hurry(self) -> None:
        """Let questions use the reserve for a while: a kill or an exit asks them (T44)."""
        self._hurries_until_ns = self.venue_ns() + _HURRY_NS

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()
