"""Orders by REST beside a socket: what each end of a request means (T4 T6 T7).

Placing, cancelling and asking never wait; the outcome comes as an event. Only what certainly
was not written counts as refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError, RetryLater
from obiterm.core.events import (
    CancelRefused,
    Event,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import ClientOrderId, RefusalKind, Symbol, VenueOrderId
from obiterm.engine.shared.tasks import TaskSet
from obiterm.trading.questions import ANSWER_AGE_NS


class OrderRequests(Protocol):
    """Requests about orders of one account. A refusal is an event, not an error."""

    async def place(self, order: ApprovedOrder) -> list[Event]:
        """Place an order; raises ``RetryLater`` only when nothing was written."""
        ...

    async def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> list[Event]:
        """Cancel an order."""
        ...

    async def query(self, symbol: Symbol, client_id: ClientOrderId) -> list[Event]:
        """Ask about an order; that there is none is an event too."""
        ...


class RestOrders:
    """Sends the requests of one account and emits what comes of them."""

    def __init__(
        self, rest: OrderRequests, clock: Clock, tasks: TaskSet, emit: Callable[[Event], None]
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._tasks = tasks
        self._emit = emit
        self._placing: set[asyncio.Task[None]] = set()

    def place(self, order: ApprovedOrder) -> None:
        """Send an order."""
        task = self._tasks.spawn(self._place(order))
        self._placing.add(task)
        task.add_done_callback(self._placing.discard)

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Send a cancel."""
        self._tasks.spawn(self._cancel(symbol, client_id, venue_id))

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order."""
        self._tasks.spawn(self._query(symbol, client_id))

    def drop_unsent(self) -> None:
        """Give up orders that still wait for a connection (T4).

        Of one that was just written the connection is cut: the venue may have got it, so it
        is asked about like any other.
        """
        for task in self._placing:
            task.cancel()

    async def find(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        """Ask about one order and wait; ``None`` when the venue does not have it."""
        events = await self._rest.query(symbol, client_id)
        self._emit_all(events)
        reports = [event for event in events if isinstance(event, OrderReported)]
        if reports:
            return reports[-1]
        if any(isinstance(event, OrderNotFound) for event in events):
            return None
        raise RetryLater("query", f"the venue did not say what became of {client_id}")

    async def _place(self, order: ApprovedOrder) -> None:
        intent = order.intent
        try:
            events = await self._rest.place(order)
        except RetryLater as error:
            now_ns = self._clock.wall_ns()
            text = f"not sent: {error}"
            kind = RefusalKind.LATER
            self._emit(OrderRefused(intent.symbol, intent.client_id, "", text, now_ns, kind))
            return
        except (ObitermError, asyncio.CancelledError) as error:
            text = str(error) or "given up while it was sent"
            now_ns = self._clock.wall_ns()
            self._emit(OrderOutcomeLost(intent.symbol, intent.client_id, text, now_ns))
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        self._emit_all(events)

    async def _cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        try:
            events = await self._rest.cancel(symbol, client_id, venue_id)
        except ObitermError as error:
            self._emit(CancelRefused(symbol, client_id, "", str(error), self._clock.wall_ns()))
            return
        self._emit_all(events)

    async def _query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """An old "no such order" says nothing: the order may have come since."""
        asked_ns = self._clock.monotonic_ns()
        try:
            events = await self._rest.query(symbol, client_id)
        except ObitermError:
            return  # the kernel asks again while the answer is due
        if self._clock.monotonic_ns() - asked_ns > ANSWER_AGE_NS:
            events = [event for event in events if not isinstance(event, OrderNotFound)]
        self._emit_all(events)

    def _emit_all(self, events: list[Event]) -> None:
        for event in events:
            self._emit(event)
