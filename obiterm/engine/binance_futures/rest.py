"""Binance futures by REST for one account: what is not on the hot path, and the panic path."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, ObitermError, OutcomeUnknown, RetryLater
from obiterm.core.events import (
    BalanceChanged,
    Event,
    Filled,
    FundingPaid,
    OrderNotFound,
    OrderReported,
    PositionReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, ListedOrder, ListedPosition, LiveOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, ClientOrderId, Symbol, VenueOrderId
from obiterm.engine.binance.wire import send_within
from obiterm.engine.binance_futures.source import FuturesSource
from obiterm.engine.feed import SharedFeed
from obiterm.engine.shared.closing import after_acceptance
from obiterm.engine.shared.known_ids import KnownIds
from obiterm.net.conceal import Concealer
from obiterm.net.http import HttpPool, Written
from obiterm.net.http_parser import HttpReply
from obiterm.venues.binance.futures.account_events import FUNDING_FEE, Wallet
from obiterm.venues.binance.futures.account_requests import AccountRequests
from obiterm.venues.binance.futures.conditional import ConditionalOrders
from obiterm.venues.binance.futures.errors import (
    CLOCK_CODES,
    HINTS,
    Failure,
    check,
    read_error,
)
from obiterm.venues.binance.futures.http_request import FuturesRequest, Signer
from obiterm.venues.binance.futures.limits import FuturesBudget
from obiterm.venues.binance.futures.order_fields import OrderPolicy
from obiterm.venues.binance.futures.order_requests import AskedRequest, OrderRequests
from obiterm.venues.binance.futures.replies import Asked, Outcome
from obiterm.venues.binance.futures.rest_codec import RestCodec, listed_orders, listed_positions
from obiterm.venues.binance.signing import Credentials
from obiterm.venues.common.refusals import Verdict

_HTTP_OK = 200
_TRADES_A_PAGE = 1000
_PAST_STOPS = 1000
_DAY_MS = 86_400_000
_SPAN_MS = 7 * _DAY_MS
KEPT_MS = 89 * _DAY_MS
"""Trades of three months are kept and listed a week at a time (binance.md §9.1)."""
_HURRY_NS = 30 * NS_PER_S
_FORGOTTEN_NS = 24 * 3600 * NS_PER_S
"""An order of a trade younger than this is there, though a read may lag: 90 days are kept."""


class FuturesRest:
    """REST of one account; clock, listing and the address's weight are the venue's.

    Attributes:
        account: builder of requests about the account itself.
        orders: builder of requests about orders, the dead-man timer among them.
        conditionals: what is known of stops; shared with the sessions of the account.
        wallet: what is bound of each asset; shared with the user session.
        known: our id of every order that the venue has told us of.
        instruments: what the account trades, with its own fees and leverage.
        stopped: the refusal that stops the account, once the venue spoke one.
    """

    def __init__(
        self, source: FuturesSource, feed: SharedFeed, credentials: Credentials, clock: Clock
    ) -> None:
        signer = Signer(credentials)
        self.conditionals = ConditionalOrders()
        self.wallet = Wallet()
        self.policy = OrderPolicy()
        self.budget = FuturesBudget(shared=source.budget.shared, ban=source.budget.ban)
        self.account = AccountRequests(signer)
        self.orders = OrderRequests(signer, self.conditionals, self.policy)
        self.known = KnownIds()
        self.instruments: dict[Symbol, Instrument] = {}
        self.stopped: AccountStopped | None = None
        self._codec = RestCodec({}, self.conditionals, self.wallet)
        self._source = source
        self._feed = feed
        self._pool = HttpPool(source.urls.rest, conceal=Concealer(credentials.api_key))
        self._clock = clock
        self._hurries_until_ns = 0

    def venue_ns(self) -> int:
        """Return the venue's time in Unix ns."""
        return self._source.venue_ns()

    def venue_ms(self) -> int:
        """Return the venue's time in Unix ms."""
        return self.venue_ns() // NS_PER_MS

    def trade(self, instruments: dict[Symbol, Instrument]) -> None:
        """Take what the account trades, before anything of it is read."""
        self.instruments = instruments
        self._codec = RestCodec(instruments, self.conditionals, self.wallet)

    # -- the account -----------------------------------------------------------------------------

    async def balance_changes(self) -> list[BalanceChanged]:
        """Fetch wallets and what is free of them; the wallet is in step then."""
        body = await self.read(self.account.balance(self.venue_ms()))
        return self._codec.balances(body, self._clock.wall_ns())

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``."""
        return {told.asset: (told.free, told.locked) for told in await self.balance_changes()}

    async def positions(self) -> list[PositionReported]:
        """Fetch the open positions on the markets that the account trades."""
        body = await self.read(self.account.positions(self.venue_ms()))
        told = self._codec.positions(body, self._clock.wall_ns())
        return [position for position in told if position.lots]

    async def funding_since(self, start_ms: int) -> list[FundingPaid]:
        """Fetch the funding payments from ``start_ms`` on (venue time)."""
        request = self.account.income(self.venue_ms(), income_type=FUNDING_FEE, start_ms=start_ms)
        return self._codec.income(await self.read(request), self._clock.wall_ns())

    # -- orders ----------------------------------------------------------------------------------

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders of both books, foreign ones too.

        Market by market, which costs 2 of weight each instead of 80 for all. The conditional
        book is read first: a stop that fires in between shows in the other.
        """
        orders: list[LiveOrder] = []
        for each in self.instruments if symbol is None else [symbol]:
            normal, algos = self.orders.open_orders(each, self.venue_ms())
            waiting = await self.read(algos)
            resting = await self.read(normal)
            orders += self._codec.open_orders(resting, waiting, self._clock.wall_ns())
        for order in orders:
            self.known.learn(order.venue_id, order.client_id)
        return orders

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch the open orders of both books on every market (weight 80)."""
        normal, algos = self.orders.open_orders(None, self.venue_ms())
        waiting = await self.read(algos)
        return listed_orders(await self.read(normal), waiting)

    async def listed_positions(self) -> list[ListedPosition]:
        """Fetch the open positions on every market."""
        return listed_positions(await self.read(self.account.positions(self.venue_ms())))

    async def learn_stops(self, symbol: Symbol) -> None:
        """Read past conditional orders, so that what they became is known as ours."""
        request = self.orders.past_algos(symbol, self.venue_ms(), limit=_PAST_STOPS)
        self._codec.learn_algos(await self.read(request), self._clock.wall_ns())

    async def last_trade_id(self, symbol: Symbol) -> int | None:
        """Return the id of the newest own trade that the venue keeps; ``None`` without any.

        A market that was not traded for a week is searched week by week.
        """
        end_ms = self.venue_ms()
        oldest_ms = end_ms - KEPT_MS
        while end_ms > oldest_ms:
            start_ms = max(oldest_ms, end_ms - _SPAN_MS)
            request = self.orders.my_trades(symbol, self.venue_ms(), span_ms=(start_ms, end_ms))
            fills = self._fills(await self.read(request))
            if len(fills) == _TRADES_A_PAGE:  # there may be more of this week
                fills += await self._pages(symbol, fills[-1].trade_id)
            if fills:
                return fills[-1].trade_id
            end_ms = start_ms
        return None

    async def fills_since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Fetch own fills after trade id ``mark``, page by page; unknown orders are asked for."""
        return await self._with_owners(symbol, await self._pages(symbol, mark))

    async def _pages(self, symbol: Symbol, trade_id: int) -> list[Filled]:
        fills: list[Filled] = []
        while True:
            request = self.orders.my_trades(
                symbol, self.venue_ms(), from_id=trade_id + 1, limit=_TRADES_A_PAGE
            )
            page = self._fills(await self.read(request))
            fills += page
            if len(page) < _TRADES_A_PAGE:
                return fills
            trade_id = page[-1].trade_id

    async def fills_of(self, symbol: Symbol, venue_id: VenueOrderId) -> list[Filled]:
        """Fetch the fills of one order of ours."""
        request = self.orders.my_trades(symbol, self.venue_ms(), venue_id=venue_id)
        return self._fills(await self.read(request))

    def _fills(self, body: bytes) -> list[Filled]:
        return self._codec.trades(body, self.known, self._clock.wall_ns())

    async def _with_owners(self, symbol: Symbol, fills: list[Filled]) -> list[Filled]:
        """Find out whose the fills of unknown orders are. Raises when the venue does not say."""
        if self._strange(fills):
            await self.learn_stops(symbol)
        for venue_id, event_ns in self._strange(fills).items():
            await self._learn_owner(symbol, venue_id, event_ns)
        return [msgspec.structs.replace(fill, client_id=self._owner(fill)) for fill in fills]

    def _strange(self, fills: list[Filled]) -> dict[VenueOrderId, int]:
        """Return unknown orders with the time of their last fill."""
        return {
            fill.venue_id: fill.event_ns
            for fill in fills
            if fill.venue_id not in self.known and self.conditionals.of_order(fill.venue_id) is None
        }

    def _owner(self, fill: Filled) -> ClientOrderId:
        stop = self.conditionals.of_order(fill.venue_id)
        return stop.client_id if stop is not None else self.known[fill.venue_id]

    async def _learn_owner(self, symbol: Symbol, venue_id: VenueOrderId, event_ns: int) -> None:
        outcome = await self._ask(self.orders.find_normal(symbol, venue_id, self.venue_ms()))
        for event in outcome.events:
            if isinstance(event, OrderReported):
                self.known.learn(venue_id, event.client_id)
            elif isinstance(event, OrderNotFound) and self.venue_ns() - event_ns > _FORGOTTEN_NS:
                self.known.learn(venue_id, ClientOrderId(""))
        if venue_id not in self.known and self.conditionals.of_order(venue_id) is None:
            raise RetryLater("owner", f"the venue does not say whose order {venue_id} is")

    # -- orders by REST, where the socket is down, and for the panic path -------------------------

    async def place(self, order: ApprovedOrder) -> list[Event]:
        """Place an order; a refusal is an event. Raises ``OutcomeUnknown`` or ``RetryLater``."""
        asked, request = self._placing(order)
        outcome = self._outcome(asked, await self._place(asked, request))
        try:
            return await self._followed(asked.symbol, outcome)
        except ObitermError:  # the stop was taken: its stream and the next questions tell the rest
            return list(outcome.events)

    async def place_or_raise(self, order: ApprovedOrder) -> OrderReported:
        """Place an order and return its state; raise the venue's refusal."""
        asked, request = self._placing(order)
        reply = await self._place(asked, request)
        check(reply.status, reply.headers, reply.body)
        with after_acceptance(asked.client_id):
            events = self._outcome(asked, reply).events
        reports = [event for event in events if isinstance(event, OrderReported)]
        if not reports:
            raise OutcomeUnknown(f"the venue did not say how {asked.client_id} stands")
        return reports[-1]

    async def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> list[Event]:
        """Cancel an order in the book that it lives in."""
        asked, request = self.orders.cancel(symbol, client_id, self.venue_ms(), venue_id)
        reply = await self.send(request, urgent=True)
        return list(self._outcome(asked, reply).events)

    async def query(self, symbol: Symbol, client_id: ClientOrderId) -> list[Event]:
        """Ask about an order in both books; that there is none is an event too."""
        events: list[Event] = []
        for asked in self.orders.find(symbol, client_id, self.venue_ms()):
            events = await self._followed(symbol, await self._ask(asked))
            if not any(isinstance(event, OrderNotFound) for event in events):
                break
        return events

    async def query_normal(self, symbol: Symbol, venue_id: VenueOrderId) -> list[Event]:
        """Ask how the normal order stands that a stop has become."""
        asked = self.orders.find_normal(symbol, venue_id, self.venue_ms())
        events = (await self._ask(asked)).events
        return [event for event in events if isinstance(event, OrderReported)]

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol in both books; one that fails spares not the other."""
        failures: list[ObitermError] = []
        for request in self.orders.cancel_all(symbol, self.venue_ms()):
            try:
                reply = await self.send(request, urgent=True)
                check(reply.status, reply.headers, reply.body)
            except ObitermError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _placing(self, order: ApprovedOrder) -> AskedRequest:
        return self.orders.place(order, self.instruments[order.intent.symbol], self.venue_ms())

    async def _place(self, asked: Asked, request: FuturesRequest) -> HttpReply:
        try:
            return await self.send(request, urgent=True)  # the budget was asked before
        except RetryLater:
            self._codec.never_sent(asked, self._clock.wall_ns())
            raise

    async def _followed(self, symbol: Symbol, outcome: Outcome) -> list[Event]:
        """Return an outcome's events; of a stop that fired, those of what it became too."""
        events: list[Event] = list(outcome.events)
        if outcome.next_order:
            events += await self.query_normal(symbol, outcome.next_order)
        return events

    async def _ask(self, asked: AskedRequest) -> Outcome:
        return self._outcome(asked[0], await self.send(asked[1]))

    def _outcome(self, asked: Asked, reply: HttpReply) -> Outcome:
        return self._codec.outcome(asked, reply.status, reply.body, self._clock.wall_ns())

    # -- the wire --------------------------------------------------------------------------------

    async def read(self, request: FuturesRequest) -> bytes:
        """Send a request and return its body; raises the venue's refusal."""
        reply = await self.send(request)
        check(reply.status, reply.headers, reply.body)
        return reply.body

    async def send(self, request: FuturesRequest, *, urgent: bool = False) -> HttpReply:
        """Send a request within the limits, and note what its refusal says of the account."""
        now_ns = self.venue_ns()
        hurries = now_ns < self._hurries_until_ns and request.method == "GET"
        passes = urgent or (hurries and now_ns >= self.budget.blocked_until_ns)
        reply = await send_within(self._pool, self.budget, request, self.venue_ns, urgent=passes)
        if reply.status != _HTTP_OK:
            self._note_refusal(reply)
        return reply

    def _note_refusal(self, reply: HttpReply) -> None:
        error = read_error(reply.status, reply.body)
        failure = Failure(reply.status, error.code, error.msg)
        if failure.verdict is Verdict.STOP and self.stopped is None:
            hint = HINTS.get(failure.code, "")
            self.stopped = AccountStopped(failure.shown_code, failure.msg, hint=hint)
        if failure.code in CLOCK_CODES:
            self._feed.suspect_clock()

    def hurry(self) -> None:
        """Let questions use the reserve for a while: a kill or an exit asks them (T44)."""
        self._hurries_until_ns = self.venue_ns() + _HURRY_NS

    async def keep_warm(self, count: int) -> None:
        """Hold connections ready; raises ``OSError`` when the venue cannot be reached."""
        await self._pool.keep_warm(count)

    def write_cancel_all(self, symbol: Symbol) -> list[Written]:
        """Write both cancel-alls in this turn of the loop, as far as connections are ready."""
        written: list[Written] = []
        for request in self.orders.cancel_all(symbol, self.venue_ms()):
            self.budget.requested(request, self.venue_ns())
            sent = self._pool.write_now(
                request.method, request.target, request.headers, request.body
            )
            if sent is not None:
                written.append(sent)
        return written

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()
