"""Orders of one Backpack account by REST, on connections that nothing else uses (§7).

There is no order entry over the socket. An order is signed and written in the turn of the
loop that sends it; its answer and the stream's report race, and both become events.
"""

from __future__ import annotations

import asyncio
from collections import deque

from obiterm.core.errors import (
    ObitermError,
    Refused,
    RetryLater,
    UsageError,
)
from obiterm.core.events import (
    CancelRefused,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent, RehearsedOrder, require_approved
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    ClientOrderId,
    MarketKind,
    OrderRole,
    OrderState,
    RefusalKind,
    Symbol,
    VenueOrderId,
)
from obiterm.engine.backpack.account import BackpackAccount, named
from obiterm.engine.gateway import Emit, nowhere
from obiterm.engine.shared.closing import after_acceptance
from obiterm.engine.shared.tasks import TaskSet
from obiterm.net.http import HttpPool, Written
from obiterm.net.http_parser import HttpReply
from obiterm.trading.questions import ANSWER_AGE_NS
from obiterm.venues.backpack.order_fields import NO_EXTRAS, OrderExtras
from obiterm.venues.backpack.order_requests import CancelKind
from obiterm.venues.backpack.replies import Ask, Asked, Outcome
from obiterm.venues.backpack.requests import HttpRequest
from obiterm.venues.backpack.rest_codec import check, strategy_symbols

_EXITS = frozenset({OrderRole.EXIT, OrderRole.STOP, OrderRole.PANIC})
_CONNECTIONS = 16
_READY = 2
"""Connections that are kept open for the next orders."""
_IDLE_S = 50.0
_WARM_EVERY_S = 5.0
_ANSWER_S = 5.0
"""An order is good for 5 s (the window of its signature): later answers tell nothing new."""
_TRIPS_KEPT = 256
_VENUE_IDS_KEPT = 10_000
_AGAIN_NS = 30 * NS_PER_S


class OrderEntry:
    """Places, cancels and asks. What is not awaited reports by events.

    Attributes:
        trips_ms: round trips of orders and cancels, newest last.
        answered: called with every order that an answer shows at the venue.
    """

    def __init__(self, account: BackpackAccount, rest_url: str) -> None:
        self.trips_ms: deque[float] = deque(maxlen=_TRIPS_KEPT)
        self.emit: Emit = nowhere
        self.answered: Emit = nowhere
        self._account = account
        self._pool = HttpPool(rest_url, size=_CONNECTIONS, idle_s=_IDLE_S, conceal=account.conceal)
        self._venue_ids: dict[ClientOrderId, VenueOrderId] = {}
        self._cancelled_all_ns: dict[Symbol, int] = {}
        self._tasks = TaskSet()
        self._unwritten: set[asyncio.Task[None]] = set()
        self._open: dict[asyncio.Task[None], Asked] = {}

    # -- life --------------------------------------------------------------------------------

    async def keep_warm(self) -> None:
        """Keep connections ready until cancelled."""
        while True:
            await self.warm()
            await asyncio.sleep(_WARM_EVERY_S)

    async def warm(self) -> None:
        """Open what is missing of the connections that are kept ready."""
        try:
            await self._pool.keep_warm(_READY)
        except OSError:
            return  # the venue is out of reach; the sockets tell

    async def close(self) -> None:
        """Give up what is under way and close the connections."""
        await self._tasks.stop()
        self._pool.close()

    def learn(self, report: OrderReported) -> None:
        """Remember the venue's id of an order, by which its end can be looked up."""
        if report.venue_id and report.client_id:
            self._venue_ids[report.client_id] = report.venue_id
            if len(self._venue_ids) > _VENUE_IDS_KEPT:
                del self._venue_ids[next(iter(self._venue_ids))]

    # -- not awaited ---------------------------------------------------------------------------

    def send(self, order: ApprovedOrder) -> None:
        """Write an order now; where no connection is ready, as soon as one is.

        No limit of ours holds up an exit or a stop (T44).
        """
        require_approved(order)
        intent = order.intent
        wait_ns = 0 if intent.role in _EXITS else self._account.calls.wait_ns()
        if wait_ns > 0:
            text = f"rate limit of the venue: wait {wait_ns / NS_PER_S:.1f} s"
            self._refuse(intent, text, RefusalKind.LATER)
            return
        try:
            request = self._place_request(order)
        except UsageError as error:
            self._refuse(intent, str(error), RefusalKind.ORDER)
            return
        self._start(request, Asked(Ask.PLACE, intent.symbol, intent.client_id))

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build and sign the request of an order that never leaves."""
        account = self._account
        account.calls.wait_ns()
        instrument = account.instruments[order.intent.symbol]
        request = account.orders.rehearse(
            order, instrument, account.venue_ms(), self._extras(instrument)
        )
        self._pool.rehearse(request.method, request.target, request.headers, request.body)

    def drop_unsent(self) -> None:
        """Give up orders that still wait for a connection; their outcome counts as unknown."""
        for task in self._unwritten:
            task.cancel()

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel now."""
        known = venue_id or self._venue_ids.get(client_id)
        request = self._account.orders.cancel(symbol, client_id, self._account.venue_ms(), known)
        self._start(request, Asked(Ask.CANCEL, symbol, client_id, known or VenueOrderId("")))

    def cancel_all_now(self, symbol: Symbol) -> None:
        """Write a cancel-all now; its answer is taken when it comes."""
        self._account.hurry()
        request = self._account.orders.cancel_all(symbol, self._account.venue_ms())
        self._start(request, Asked(Ask.CANCEL_ALL, symbol))

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order, where it rests and then where it ended."""
        self._tasks.spawn(self._query(symbol, client_id))

    async def _query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Tell what is found. An old "no such order" says nothing: it may have come since."""
        asked_ns = self._account.now_ns()
        try:
            found = await self.look_up(symbol, client_id)
        except ObitermError:
            return  # the kernel asks again while the answer is due
        now_ns = self._account.now_ns()
        if found is not None:
            self.emit(found)
        elif now_ns - asked_ns <= ANSWER_AGE_NS:
            self.emit(OrderNotFound(symbol, client_id, now_ns))

    def _start(self, request: HttpRequest, asked: Asked) -> None:
        """Write a request in this turn of the loop if a connection is ready."""
        self._account.calls.sent(request)
        begun_ns = self._account.now_ns()
        written = self._pool.write_now(
            request.method, request.target, request.headers, request.body
        )
        task = self._tasks.spawn(self._finish(request, asked, written, begun_ns))
        self._open[task] = asked
        task.add_done_callback(self._ended)
        if written is None and asked.what is Ask.PLACE:
            self._unwritten.add(task)

    async def _finish(
        self, request: HttpRequest, asked: Asked, written: Written | None, begun_ns: int
    ) -> None:
        try:
            reply = await self._reply(request, written)
            self.trips_ms.append((self._account.now_ns() - begun_ns) / NS_PER_MS)
            outcome = self._read(asked, reply)
        except RetryLater as error:
            self._not_sent(asked, str(error))
        except ObitermError as error:
            self._lost(asked, str(error))
        else:
            self._tell(outcome)

    async def _reply(self, request: HttpRequest, written: Written | None) -> HttpReply:
        """Return the answer to a request, and send it first unless it was written already."""
        if written is not None:
            reply = await written.reply(_ANSWER_S)
        else:
            reply = await self._pool.request(
                request.method, request.target, request.headers, request.body, _ANSWER_S
            )
        self._account.calls.answered(request, reply)
        return reply

    def _read(self, asked: Asked, reply: HttpReply) -> Outcome:
        account = self._account
        return account.codec.outcome(asked, reply.status, reply.body, account.now_ns())

    def _tell(self, outcome: Outcome) -> None:
        for event in outcome.events:
            if isinstance(event, OrderReported):
                self.learn(event)
                self.answered(event)
                self.emit(named(event))
            else:
                self.emit(event)

    def _not_sent(self, asked: Asked, why: str) -> None:
        """Say what it means that nothing was written."""
        now_ns = self._account.now_ns()
        if asked.what is Ask.PLACE:
            text = f"not sent: {why}"
            kind = RefusalKind.LATER
            self.emit(OrderRefused(asked.symbol, asked.client_id, "", text, now_ns, kind))
        elif asked.what is Ask.CANCEL:
            self.emit(CancelRefused(asked.symbol, asked.client_id, "", why, now_ns))

    def _lost(self, asked: Asked, why: str) -> None:
        """Say what it means that no usable answer came: the venue may have acted (T6 T7)."""
        now_ns = self._account.now_ns()
        if asked.what is Ask.PLACE:
            self.emit(OrderOutcomeLost(asked.symbol, asked.client_id, why, now_ns))
        elif asked.what is Ask.CANCEL:
            self.emit(CancelRefused(asked.symbol, asked.client_id, "", why, now_ns))

    def _refuse(self, intent: OrderIntent, text: str, kind: RefusalKind) -> None:
        now_ns = self._account.now_ns()
        self.emit(OrderRefused(intent.symbol, intent.client_id, "", text, now_ns, kind))

    def _place_request(self, order: ApprovedOrder) -> HttpRequest:
        account = self._account
        instrument = account.instruments[order.intent.symbol]
        return account.orders.place(order, instrument, account.venue_ms(), self._extras(instrument))

    def _extras(self, instrument: Instrument) -> OrderExtras:
        redeems = self._account.redeems and instrument.kind is MarketKind.SPOT
        return OrderExtras(auto_lend_redeem=True) if redeems else NO_EXTRAS

    # -- awaited -------------------------------------------------------------------------------

    async def look_up(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        """Return an order as the venue has it, ``None`` where it does not.

        What does not rest is looked up in the history: the venue answers 404 for a filled
        order, a cancelled one and one that never was alike (§1.12).
        """
        account = self._account
        known = self._venue_ids.get(client_id)
        asked = Asked(Ask.QUERY, symbol, client_id, known or VenueOrderId(""))
        request = account.orders.query(symbol, client_id, account.venue_ms(), known)
        outcome = await self._asked(request, asked)
        if outcome.ended:
            asked = Asked(Ask.HISTORY, symbol, client_id, known or VenueOrderId(""))
            request = account.requests.order_history(symbol, account.venue_ms(), venue_id=known)
            outcome = await self._asked(request, asked)
        for event in outcome.events:
            if isinstance(event, OrderReported):
                self.learn(event)
                return event
            if isinstance(event, OrderNotFound):
                return None
        raise RetryLater("query", f"the venue did not say what became of {client_id}")

    async def _asked(self, request: HttpRequest, asked: Asked) -> Outcome:
        account = self._account
        reply = await account.calls.ask(request, urgent=account.hurries)
        return account.codec.outcome(asked, reply.status, reply.body, account.now_ns())

    async def place_or_raise(self, order: ApprovedOrder) -> int:
        """Place a market order; return the lots filled, tell its end, raise the refusal."""
        intent = order.intent
        self._account.hurry()
        request = self._place_request(order)
        reply = await self._exchange(request)
        check(reply.status, reply.headers, reply.body)
        with after_acceptance(intent.client_id):
            outcome = self._read(Asked(Ask.PLACE, intent.symbol, intent.client_id), reply)
        self._tell(outcome)
        for event in outcome.events:
            if isinstance(event, OrderReported):
                if event.state is OrderState.EXPIRED and not event.filled_lots:
                    raise Refused(event.code, event.text or "it expired without a fill")
                return event.filled_lots
        return 0

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol: resting and waiting orders, and the venue's schedules.

        Whether one call takes both kinds is not documented: asked again within a short time,
        each kind is named (§10).
        """
        account = self._account
        account.hurry()
        now_ns = account.now_ns()
        again = now_ns - self._cancelled_all_ns.get(symbol, -_AGAIN_NS) < _AGAIN_NS
        self._cancelled_all_ns[symbol] = now_ns
        kinds: list[CancelKind | None] = [*CancelKind] if again else [None]
        await asyncio.gather(
            *[self._cancel_kind(symbol, kind) for kind in kinds], self._end_schedules(symbol)
        )

    async def _cancel_kind(self, symbol: Symbol, kind: CancelKind | None) -> None:
        request = self._account.orders.cancel_all(symbol, self._account.venue_ms(), kind)
        reply = await self._exchange(request)
        check(reply.status, reply.headers, reply.body)
        self._tell(self._read(Asked(Ask.CANCEL_ALL, symbol), reply))

    async def _end_schedules(self, symbol: Symbol) -> None:
        """End the venue's own scheduled orders: they would go on placing orders (§10)."""
        account = self._account
        try:
            request = account.orders.strategies(account.venue_ms())
            reply = await account.calls.get(request, urgent=True)
            if symbol in strategy_symbols(reply.body):
                request = account.orders.cancel_strategies(symbol, account.venue_ms())
                await account.calls.get(request, urgent=True)
        except Refused:
            return  # an account without them

    async def _exchange(self, request: HttpRequest) -> HttpReply:
        """Send a request of the panic path; no limit of ours holds it up."""
        self._account.calls.sent(request)
        written = self._pool.write_now(
            request.method, request.target, request.headers, request.body
        )
        return await self._reply(request, written)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._unwritten.discard(task)
        asked = self._open.pop(task)
        if task.cancelled():
            self._lost(asked, "given up while it was sent")
