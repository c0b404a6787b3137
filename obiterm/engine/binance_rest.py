"""Binance spot by REST for one account: what is not on the hot path, and the panic path."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, Refused, UsageError
from obiterm.core.events import DepthSnapshotted, Event, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, LiveOrder
from obiterm.core.values import NS_PER_MS, ClientOrderId, Symbol, VenueOrderId
from obiterm.engine.gateway import Prepared
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
_UNKNOWN_ORDERS_ASKED = 50


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

    def venue_ms(self) -> int:
        """Return the venue's time in Unix ms."""
        return (self._clock.wall_ns() + self.offset_ns) // NS_PER_MS

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
        )

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

    async def fills_since(self, symbol: Symbol, trade_id: int | None) -> list[Filled]:
        """Fetch own fills after ``trade_id``; their orders are asked for where unknown."""
        if trade_id is None:
            return []
        request = self.requests.my_trades(symbol, self.venue_ms(), from_id=trade_id + 1)
        reply = await self._get(request)
        asked = Asked(Ask.TRADES, symbol, client_ids=self.client_ids)
        now_ns = self._clock.wall_ns()
        fills = self._fills(self.codec.outcome(asked, reply.status, reply.body, now_ns).events)
        unknown = {fill.venue_id for fill in fills if not fill.client_id}
        for venue_id in sorted(unknown)[:_UNKNOWN_ORDERS_ASKED]:
            await self._learn_client_id(symbol, venue_id)
        return [
            msgspec.structs.replace(
                fill, client_id=self.client_ids.get(fill.venue_id, fill.client_id)
            )
            for fill in fills
        ]

    async def _learn_client_id(self, symbol: Symbol, venue_id: VenueOrderId) -> None:
        request = self.requests.query_order(
            symbol, ClientOrderId(""), self.venue_ms(), venue_id=venue_id
        )
        reply = await self._get(request)
        asked = Asked(Ask.QUERY, symbol)
        outcome = self.codec.outcome(asked, reply.status, reply.body, self._clock.wall_ns())
        for event in outcome.events:
            if isinstance(event, OrderReported):
                self.client_ids[venue_id] = event.client_id

    @staticmethod
    def _fills(events: Iterable[Event]) -> list[Filled]:
        return [event for event in events if isinstance(event, Filled)]

    # -- orders, where the socket is down, and for the panic path -------------------------------

    async def place(self, order: ApprovedOrder) -> list[Event]:
        """Place an order; a refusal is an event. Raises ``OutcomeUnknown`` or ``RetryLater``."""
        intent = order.intent
        request = self.requests.new_order(order, self.instruments[intent.symbol], self.venue_ms())
        asked = Asked(Ask.PLACE, intent.symbol, intent.client_id)
        return await self._outcome(asked, request)

    async def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> list[Event]:
        """Cancel an order."""
        request = self.requests.cancel_order(symbol, client_id, self.venue_ms(), venue_id=venue_id)
        return await self._outcome(Asked(Ask.CANCEL, symbol, client_id), request)

    async def query(self, symbol: Symbol, client_id: ClientOrderId) -> list[Event]:
        """Ask about an order."""
        request = self.requests.query_order(symbol, client_id, self.venue_ms())
        return await self._outcome(Asked(Ask.QUERY, symbol, client_id), request)

    async def cancel_all(self, symbol: Symbol) -> int:
        """Cancel everything on a symbol; return how many were open."""
        open_now = len(await self.open_orders(symbol))
        request = self.requests.cancel_open_orders(symbol, self.venue_ms())
        reply = await self._send(request)
        try:
            check(reply.status, reply.headers, reply.body)
        except Refused as refusal:
            if refusal.code != _NOTHING_OPEN:
                raise
        return open_now

    async def place_or_raise(self, order: ApprovedOrder) -> None:
        """Place an order; raise the venue's refusal."""
        intent = order.intent
        request = self.requests.new_order(order, self.instruments[intent.symbol], self.venue_ms())
        reply = await self._send(request)
        check(reply.status, reply.headers, reply.body)

    async def _outcome(self, asked: Asked, request: HttpRequest) -> list[Event]:
        reply = await self._send(request)
        outcome = self.codec.outcome(asked, reply.status, reply.body, self._clock.wall_ns())
        return list(outcome.events)

    # -- the wire ------------------------------------------------------------------------------

    async def _get(self, request: HttpRequest) -> HttpReply:
        reply = await self._send(request)
        check(reply.status, reply.headers, reply.body)
        return reply

    async def _send(self, request: HttpRequest) -> HttpReply:
        self.budget.sent(request.weight, request.is_order, self._clock.wall_ns())
        reply = await self._pool.request(
            request.method, request.target, request.headers, request.body
        )
        self.budget.take_headers(reply.headers, self._clock.wall_ns())
        return reply

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()
