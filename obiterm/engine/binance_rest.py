"""Binance spot by REST for one account: what is not on the hot path, and the panic path."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, Refused, RetryLater, UsageError
from obiterm.core.events import DepthSnapshotted, Event, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, LiveOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, ClientOrderId, Symbol, VenueOrderId
from obiterm.engine.gateway import NO_TRADE, Prepared
from obiterm.net.http import HttpPool
from obiterm.net.http_parser import HttpReply
from obiterm.venues.binance.limits import Budget
from obiterm.venues.binance.listing import exchange_info
from obiterm.venues.binance.order_fields import SelfTradePolicy
from obiterm.venues.binance.replies import Ask, Asked
from obiterm.venues.binance.requests import HttpRequest, RestRequests
from obiterm.venues.binance.rest_codec import RestCodec, account, check, commission, server_time
from obiterm.venues.binance.signing import Credentials

_CLOCK_SAMPLES = 3
_NOTHING_OPEN = "-2011"
_TRADES_A_PAGE = 1000


class BinanceRest:
    """REST of one account.

    Attributes:
        offset_ns: the venue's clock minus ours; applied to every signature (R14).
        client_ids: our id of every order that the venue has told us of.
    """

    def __init__(self, base_url: str, credentials: Credentials, clock: Clock) -> None:
        self.offset_ns = 0
        self.client_ids: dict[VenueOrderId, ClientOrderId] = {}
        self.budget = Budget()
        self.requests = RestRequests(credentials)
        self.codec = RestCodec({})
        self.instruments: dict[Symbol, Instrument] = {}
        self.self_trade = SelfTradePolicy()
        self._credentials = credentials
        self._pool = HttpPool(base_url)
        self._clock = clock

    def venue_ns(self) -> int:
        """Return the venue's time in Unix ns."""
        return self._clock.wall_ns() + self.offset_ns

    def venue_ms(self) -> int:
        """Return the venue's time in Unix ms."""
        return self.venue_ns() // NS_PER_MS

    # -- start -------------------------------------------------------------------------------

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Read clock, instruments, fees, rights and balances."""
        await self.measure_clock()
        wanted = list(symbols)
        listing = exchange_info((await self._get(self.requests.exchange_info(wanted))).body)
        missing = [symbol for symbol in wanted if symbol not in listing.markets]
        if missing:
            raise UsageError(f"the venue has no market {', '.join(missing)}")
        state = account((await self._get(self.requests.account(self.venue_ms()))).body)
        if not state.can_trade:
            raise AccountStopped("canTrade", "the venue does not let this key trade")
        for symbol in wanted:
            reply = await self._get(self.requests.commission(symbol, self.venue_ms()))
            fees = commission(reply.body)
            self.instruments[symbol] = msgspec.structs.replace(
                listing.instruments[symbol], maker_fee=fees.maker, taker_fee=fees.taker
            )
        self.self_trade = SelfTradePolicy(allowed=listing.self_trade_modes)
        self.requests = RestRequests(self._credentials, self_trade=self.self_trade)
        self.codec = RestCodec(self.instruments)
        return Prepared(
            instruments=dict(self.instruments),
            balances={asset: (free, locked) for asset, free, locked in state.balances},
            clock_offset_ns=self.offset_ns,
            last_trade_ids={symbol: await self._last_trade_id(symbol) for symbol in wanted},
        )

    async def _last_trade_id(self, symbol: Symbol) -> int:
        reply = await self._get(self.requests.my_trades(symbol, self.venue_ms(), limit=1))
        fills = self._read_fills(symbol, reply)
        return fills[-1].trade_id if fills else NO_TRADE

    async def measure_clock(self) -> tuple[int, int]:
        """Measure the venue's clock; return ``(offset, round trip)`` of the quickest sample, ns."""
        best = (0, 2**62)
        for _ in range(_CLOCK_SAMPLES):
            before = self._clock.wall_ns()
            reply = await self._get(self.requests.server_time())
            after = self._clock.wall_ns()
            offset = server_time(reply.body) * NS_PER_MS - (before + after) // 2
            if after - before < best[1]:
                best = (offset, after - before)
        self.offset_ns = best[0]
        return best

    # -- reading -----------------------------------------------------------------------------

    async def snapshot(self, symbol: Symbol) -> DepthSnapshotted:
        """Fetch a book of 1,000 levels a side (binance.md §8.1)."""
        reply = await self._get(self.requests.depth(symbol, 1000))
        return self.codec.depth(symbol, reply.body, self._clock.wall_ns())

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders, foreign ones too."""
        reply = await self._get(self.requests.open_orders(symbol, self.venue_ms()))
        orders = self.codec.open_orders(reply.body)
        self.client_ids.update({order.venue_id: order.client_id for order in orders})
        return orders

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``."""
        state = account((await self._get(self.requests.account(self.venue_ms()))).body)
        return {asset: (free, locked) for asset, free, locked in state.balances}

    async def fills_since(self, symbol: Symbol, trade_id: int) -> list[Filled]:
        """Fetch own fills after ``trade_id``, page by page; unknown orders are asked for."""
        fills: list[Filled] = []
        while True:
            request = self.requests.my_trades(
                symbol, self.venue_ms(), from_id=trade_id + 1, limit=_TRADES_A_PAGE
            )
            page = self._read_fills(symbol, await self._get(request))
            fills += page
            if len(page) < _TRADES_A_PAGE:
                break
            trade_id = page[-1].trade_id
        for venue_id in sorted({fill.venue_id for fill in fills} - self.client_ids.keys()):
            await self._learn_client_id(symbol, venue_id)
        return [
            msgspec.structs.replace(fill, client_id=self.client_ids[fill.venue_id])
            for fill in fills
        ]

    async def _learn_client_id(self, symbol: Symbol, venue_id: VenueOrderId) -> None:
        """Ask whose order a trade belongs to. Raises when the venue does not say."""
        request = self.requests.query_order(
            symbol, ClientOrderId(""), self.venue_ms(), venue_id=venue_id
        )
        reply = await self._get(request)
        asked = Asked(Ask.QUERY, symbol)
        outcome = self.codec.outcome(asked, reply.status, reply.body, self._clock.wall_ns())
        for event in outcome.events:
            if isinstance(event, OrderReported):
                self.client_ids[venue_id] = event.client_id

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
        """Place an order and return its fills and state; raise the venue's refusal."""
        intent = order.intent
        request = self.requests.new_order(order, self.instruments[intent.symbol], self.venue_ms())
        reply = await self._send(request, urgent=True)
        check(reply.status, reply.headers, reply.body)
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
        """Send a request within the venue's limits; cancels and exits are never kept back (T44).

        Raises ``RetryLater`` instead of sending when the limits do not allow it.
        """
        now_ns = self.venue_ns()
        wait_ns = self.budget.may_send(request.weight, request.is_order, urgent, now_ns)
        if wait_ns and not urgent:
            raise RetryLater(
                "limit",
                f"the venue's limits allow no more for {wait_ns / NS_PER_S:.1f} s",
                retry_after_ms=wait_ns // NS_PER_MS,
            )
        self.budget.sent(request.weight, request.is_order, now_ns)
        reply = await self._pool.request(
            request.method, request.target, request.headers, request.body
        )
        self.budget.take_headers(reply.headers, self.venue_ns(), reply.status)
        return reply

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()
