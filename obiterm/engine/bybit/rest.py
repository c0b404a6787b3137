"""Bybit by REST for one account: orders where no socket is, and the panic path (§5).

An accepted request is only accepted: what became of it is asked for (§3).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from functools import partial

from obiterm.core.errors import ObitermError, OutcomeUnknown, Refused
from obiterm.core.events import AccountEvent, OrderReported, PositionReported
from obiterm.core.orders import ApprovedOrder, BuildableOrder
from obiterm.core.values import NS_PER_S, ClientOrderId, OrderRole, Side, Symbol, VenueOrderId
from obiterm.engine.bybit.reading import AccountReader
from obiterm.engine.shared.closing import after_acceptance
from obiterm.net.http import Written
from obiterm.net.http_parser import HttpReply
from obiterm.venues.bybit import Ask, Asked, Category, HttpRequest, category_of, check
from obiterm.venues.bybit.errors import NOTHING_TO_REDUCE
from obiterm.venues.bybit.order_fields import SPOT_FILTERS, STOP_FILTER

MUST_PASS = frozenset({OrderRole.EXIT, OrderRole.STOP, OrderRole.PANIC})
"""Orders that may use what the limits keep back for exits."""

_MOST_CANCELLED = 500
"""Orders that one cancel-all of a perpetual takes (§5.4)."""
_CANCEL_ROUNDS = 4
_NEEDED_FILTERS = frozenset({"Order", STOP_FILTER})
"""Kinds of spot orders that we make; a site that does not know the others may refuse them."""
_FIRST_LOOK_S = 0.02
_LONGEST_LOOK_S = 0.3
_LOOKS_S = 2.0
"""How long the end of a close is waited for; its caller gives up after 3 s."""


class BybitRest(AccountReader):
    """Signed requests of one account: what it asks, and what it does."""

    # -- orders ------------------------------------------------------------------------------

    def place_request(self, order: BuildableOrder) -> Callable[[int], HttpRequest]:
        """Return what builds the request of a new order."""
        instrument = self.instruments[order.intent.symbol]
        return lambda now_ms: self.orders.place(order, instrument, now_ms)

    def write_place(self, order: ApprovedOrder) -> tuple[HttpRequest, Written] | None:
        """Write an order in this turn of the loop; ``None`` when no connection is ready."""
        urgent = order.intent.role in MUST_PASS
        return self.wire.write(self.place_request(order), urgent=urgent)

    async def placed(
        self, order: ApprovedOrder, request: HttpRequest, written: Written
    ) -> list[AccountEvent]:
        """Wait for the answer to an order; a refusal is an event, an acceptance none."""
        return self._told(order, await self.wire.answer(request, written))

    async def place(self, order: ApprovedOrder) -> list[AccountEvent]:
        """Place an order. Raises ``RetryLater`` when it was not sent, else ``OutcomeUnknown``."""
        urgent = order.intent.role in MUST_PASS
        return self._told(order, await self.wire.ask(self.place_request(order), urgent=urgent))

    def _told(self, order: ApprovedOrder, reply: HttpReply) -> list[AccountEvent]:
        intent = order.intent
        return self._read(Asked(Ask.PLACE, intent.symbol, intent.client_id), reply).events

    async def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> list[AccountEvent]:
        """Cancel an order; a refusal is an event."""
        reply = await self.wire.ask(
            lambda ms: self.orders.cancel(symbol, client_id, ms, venue_id), urgent=True
        )
        return self._read(Asked(Ask.CANCEL, symbol, client_id), reply).events

    async def query(self, symbol: Symbol, client_id: ClientOrderId) -> list[AccountEvent]:
        """Ask about an order: among the open and newest closed ones, then in the history.

        That neither holds it is an event too (T8). Raises what the venue refuses.
        """
        events: list[AccountEvent] = []
        for what in (Ask.QUERY, Ask.HISTORY):
            build = partial(self.orders.query, symbol, client_id, history=what is Ask.HISTORY)
            reply = await self.wire.ask(build)
            check(reply.status, reply.headers, reply.body)
            outcome = self._read(Asked(what, symbol, client_id), reply)
            events = outcome.events
            if outcome.found:
                break
        return events

    # -- panic -------------------------------------------------------------------------------

    def cancel_all_now(self, symbol: Symbol) -> list[Coroutine[None, None, None]]:
        """Write a cancel-all on connections that are ready; return what takes the answers.

        A call without a ready connection leaves when its work is run.
        """
        count = len(self.orders.cancel_all(symbol, 0))
        return [self._write_cancel(symbol, number) for number in range(count)]

    def _write_cancel(self, symbol: Symbol, number: int) -> Coroutine[None, None, None]:
        written = self.wire.write(
            lambda ms: self.orders.cancel_all(symbol, ms)[number], urgent=True
        )

        async def finish() -> None:
            with contextlib.suppress(ObitermError):  # the verified path asks what is left
                if written is None:
                    await self._cancel_kind(symbol, number)
                else:
                    await self.wire.answer(*written)

        return finish()

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol: every kind on spot, more than 500 on a perpetual."""
        for _ in range(_CANCEL_ROUNDS):
            count = len(self.orders.cancel_all(symbol, 0))
            taken = await asyncio.gather(
                *(self._cancel_kind(symbol, number) for number in range(count)),
                return_exceptions=True,
            )
            failures = [each for each in taken if isinstance(each, BaseException)]
            if failures:
                raise failures[0]
            if all(isinstance(each, int) and each < _MOST_CANCELLED for each in taken):
                return

    async def _cancel_kind(self, symbol: Symbol, number: int) -> int:
        """Send one of the calls of a cancel-all; return how many orders it took."""
        reply = await self.wire.ask(
            lambda ms: self.orders.cancel_all(symbol, ms)[number], urgent=True
        )
        try:
            return self._read(Asked(Ask.CANCEL_ALL, symbol), reply).cancelled
        except Refused:
            is_spot = category_of(symbol) is Category.SPOT
            if is_spot and SPOT_FILTERS[number] not in _NEEDED_FILTERS:
                return 0
            raise

    async def close(self, order: ApprovedOrder) -> list[AccountEvent]:
        """Send a reducing market order and wait for its end; return its fills and its report.

        A position that is gone already needs none: its report alone is returned. Raises
        ``Refused`` in the venue's words, ``OutcomeUnknown`` when its end is not known,
        ``RetryLater`` when it was not sent.
        """
        intent = order.intent
        symbol, client_id = intent.symbol, intent.client_id
        reply = await self.wire.ask(self.place_request(order), urgent=True)
        try:
            check(reply.status, reply.headers, reply.body)
        except Refused as refusal:
            if not _is_one_of(refusal, NOTHING_TO_REDUCE):
                raise
            held, _ = await self.position(symbol)
            if _held_against(intent.side, held):
                raise
            return [*held]
        fills: list[AccountEvent] = []
        with after_acceptance(client_id):
            report = await self._end_of(symbol, client_id)
            if report.filled_lots:
                fills += await self.fills_of(symbol, client_id)
        return [*fills, report]

    async def _end_of(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported:
        """Look at an accepted order until it has ended."""
        look_s = _FIRST_LOOK_S
        until_ns = self._clock.monotonic_ns() + int(_LOOKS_S * NS_PER_S)
        while True:
            for event in await self.query(symbol, client_id):
                if isinstance(event, OrderReported) and event.state.is_final:
                    return event
            if self._clock.monotonic_ns() >= until_ns:
                raise OutcomeUnknown(f"{client_id} was accepted; its end is not told yet")
            await asyncio.sleep(look_s)
            look_s = min(_LONGEST_LOOK_S, 2 * look_s)


def _is_one_of(refusal: Refused, codes: frozenset[int]) -> bool:
    return refusal.code in {str(code) for code in codes}


def _held_against(side: Side, held: Iterable[PositionReported]) -> bool:
    """Return whether an order of ``side`` has something to close."""
    return any(position.lots * side.sign < 0 for position in held)
