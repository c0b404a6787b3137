"""Book-keeping of our orders and fills: the venue's reports in, notes and queries out."""

from __future__ import annotations

from collections.abc import Iterator

from obiterm.core.effects import Cancel, Effect, Note, Query, Reconcile, Verb
from obiterm.core.events import (
    AccountReconciled,
    CancelRefused,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, LiveOrder, OrderIntent
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderState,
    Symbol,
)
from obiterm.trading.adoption import MANUAL, PANIC, Adopter, as_live
from obiterm.trading.fill_log import FillLog
from obiterm.trading.ids import read_client_id
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.questions import (
    ANSWER_AGE_NS,
    ASK_AGAIN_NS,
    Questions,
    may_still_arrive,
)

__all__ = ["MANUAL", "PANIC", "RESTING", "Desk"]

RESTING = frozenset({OrderState.OPEN, OrderState.PARTIAL})
"""States in which the venue holds the order and a cancel is meaningful."""

_FINAL_KEPT = 500
"""Final orders remembered, so that late and repeated reports are recognised."""


class Desk:
    """All orders of one account that are ours, by client id, and the foreign ones apart."""

    def __init__(self, instruments: dict[Symbol, Instrument], owners: list[str]) -> None:
        self._instruments = instruments
        self._adopter = Adopter(owners)
        self._live: dict[ClientOrderId, TrackedOrder] = {}
        self._final: dict[ClientOrderId, TrackedOrder] = {}
        self._stand_ins: set[ClientOrderId] = set()
        self._fills = FillLog()
        self._questions = Questions()
        self.foreign: dict[ClientOrderId, LiveOrder] = {}
        """Open orders of other programs or people: shown, never touched (T52)."""

    # -- reading ------------------------------------------------------------------

    def get(self, client_id: ClientOrderId) -> TrackedOrder | None:
        """Return an order, live or recently final."""
        return self._live.get(client_id) or self._final.get(client_id)

    def live(
        self, symbol: Symbol | None = None, owner: str | None = None
    ) -> Iterator[TrackedOrder]:
        """Yield orders that are not final, oldest first."""
        for order in self._live.values():
            if symbol is not None and order.intent.symbol != symbol:
                continue
            if owner is None or order.intent.owner == owner:
                yield order

    @property
    def live_count(self) -> int:
        """Return how many orders are not final."""
        return len(self._live)

    def fills_owed(self, symbol: Symbol, owner: str | None = None) -> bool:
        """Return whether the venue told of more filled size than its fills have shown so far.

        Deciding before the fills are here would act on an old position. Without ``owner``
        the whole account is meant.
        """
        for client_id in self._fills.debtors:
            order = self.get(client_id)
            if order is None or order.intent.symbol != symbol:
                continue
            if owner is None or order.intent.owner == owner:
                return True
        return False

    def on_the_way(self, now_ns: int) -> int:
        """Return how many orders may yet reach the venue's book unseen by us."""
        return sum(may_still_arrive(order, now_ns) for order in self._live.values())

    # -- changes that we make -------------------------------------------------------

    def sent(self, approved: ApprovedOrder, now_ns: int) -> None:
        """Book an approved order as on its way."""
        order = TrackedOrder(intent=approved.intent, state=OrderState.SENT)
        order.sent_ns = now_ns
        order.updated_ns = now_ns
        self._live[approved.intent.client_id] = order

    def cancel(self, order: TrackedOrder, now_ns: int) -> Cancel:
        """Book that a cancel goes out, and return it."""
        order.advance(OrderState.CANCELLING, now_ns)
        return Cancel(
            symbol=order.intent.symbol,
            client_id=order.intent.client_id,
            venue_id=order.venue_id,
        )

    # -- the venue's word -------------------------------------------------------------

    def reported(self, event: OrderReported, now_ns: int) -> list[Effect]:
        """Take the venue's state of one order."""
        client_id = event.client_id
        order = self._told_of(event)
        if order is None:
            return []
        if order.state is OrderState.REJECTED and event.state in RESTING:
            return self._doubt(order, now_ns)  # it was taken, whatever the refusal said (T6)
        before = order.state
        news = order.advance(
            event.state,
            now_ns,
            venue_id=event.venue_id,
            filled_lots=event.filled_lots,
            code=event.code,
            text=event.text,
            refusal=event.refusal,
        )
        self._fills.told(client_id, order.filled_lots, now_ns)
        overtaken = event.state in RESTING and order.state is OrderState.CANCELLING
        if not overtaken and order.state is not OrderState.UNKNOWN:
            self._questions.settled(client_id)
        if not news:
            return []
        effects = self._note_change(order, before, now_ns)
        if order.state.is_final:
            self._retire(client_id)
        elif before is OrderState.CANCELLING and order.state in RESTING:
            effects.append(self.cancel(order, now_ns))  # a cancel that was lost is sent again (T22)
        return effects

    def filled(self, event: Filled, now_ns: int) -> TrackedOrder | None:
        """Take one fill; return its order, or ``None`` when it is foreign or known already.

        The fill that completes an order ends it: a cancel would only be refused. Of an
        adopted order the fills before are not all known, so its end is the venue's to tell.
        """
        if self._fills.is_known(event):
            return None
        client_id = event.client_id
        order = self.get(client_id) or self._stand_in(event)
        if order is None:
            return None
        seen = self._fills.book(event)
        if client_id in self._stand_ins:
            seen = min(seen, order.intent.lots)
        order.filled_lots = max(order.filled_lots, seen)
        if order.sent_ns and seen >= order.intent.lots:
            order.advance(OrderState.FILLED, now_ns, venue_id=event.venue_id)
            self._retire(client_id)
        return order

    def refused(self, event: OrderRefused, now_ns: int) -> list[Effect]:
        """Take a refusal: the order does not exist at the venue."""
        order = self._live.get(event.client_id)
        if order is None or order.venue_id is not None:
            return []  # the venue has shown the order: the refusal is of another copy of it
        order.advance(
            OrderState.REJECTED, now_ns, code=event.code, text=event.text, refusal=event.refusal
        )
        self._retire(event.client_id)
        return [self._note(order, Verb.REJECT, f"{event.text} {event.code}".strip(), now_ns)]

    def outcome_lost(self, event: OrderOutcomeLost, now_ns: int) -> list[Effect]:
        """Take a missing answer: ask by client id, never send again (T6 T7).

        An order that the stream has confirmed is not lost (T37).
        """
        order = self._live.get(event.client_id)
        if order is None or order.venue_id is not None:
            return []
        if not order.advance(OrderState.UNKNOWN, now_ns, text=event.text):
            return []
        self._questions.asked(event.client_id, now_ns)
        return [
            self._note(order, Verb.UNKNOWN, f"{event.text}: asking the venue", now_ns),
            Query(symbol=event.symbol, client_id=event.client_id),
        ]

    def not_found(self, event: OrderNotFound, now_ns: int) -> list[Effect]:
        """Take the venue's word that it has no such order (T8).

        It proves nothing while the request may still be on its way, nor when other news of
        the order is younger than the venue's look may be: the question stays open.
        """
        order = self._live.get(event.client_id)
        if order is None:
            return []
        overtaken = now_ns - order.updated_ns < ANSWER_AGE_NS
        if overtaken or may_still_arrive(order, now_ns):
            self._questions.asked(event.client_id, now_ns)
            return []
        confirmed = order.venue_id is not None
        final = OrderState.CANCELLED if confirmed else OrderState.REJECTED
        order.advance(final, now_ns, text="not at the venue")
        self._retire(event.client_id)
        effects: list[Effect] = [self._note(order, Verb.CANCEL, "not at the venue", now_ns)]
        if confirmed:
            effects.append(Reconcile(reason="an order vanished"))
        return effects

    def cancel_refused(self, event: CancelRefused, now_ns: int) -> list[Effect]:
        """Take a refused cancel: the order is probably final, so ask."""
        if event.client_id not in self._live:
            return []
        self._questions.asked(event.client_id, now_ns)
        return [Query(symbol=event.symbol, client_id=event.client_id)]

    def reconciled(self, event: AccountReconciled, now_ns: int) -> list[Effect]:
        """Compare with the venue's list of open orders; the venue wins.

        The trades up to that list must have been delivered before.
        """
        effects: list[Effect] = []
        at_venue = {order.client_id: order for order in event.open_orders}
        self.foreign = {
            client_id: order
            for client_id, order in at_venue.items()
            if read_client_id(client_id) is None
        }
        for client_id, told in at_venue.items():
            if client_id in self.foreign:
                continue
            if client_id in self._final:
                effects += self._doubt_end(client_id, now_ns)
            elif client_id not in self._live or client_id in self._stand_ins:
                effects += self._adopt(told, now_ns)
        for client_id, order in self._live.items():
            settled = now_ns - order.updated_ns > ASK_AGAIN_NS
            if client_id not in at_venue and settled and not self._questions.is_open(client_id):
                effects.append(self._ask(order, now_ns))
        return effects

    def overdue(self, now_ns: int) -> list[Effect]:
        """Return questions about orders whose answer is late (called on each tick)."""
        effects: list[Effect] = [
            self._ask(order, now_ns)
            for order in self._live.values()
            if self._questions.is_due(order, now_ns)
        ]
        fills = self._fills.overdue(now_ns)
        if fills.fetch:
            effects.append(Reconcile(reason="fills are missing"))
        for client_id in fills.given_up:
            order = self.get(client_id)
            if order is not None:
                text = "the venue does not show all fills: check the position"
                effects.append(self._note(order, Verb.RISK, text, now_ns))
        return effects

    # -- inside -------------------------------------------------------------------------

    def _told_of(self, event: OrderReported) -> TrackedOrder | None:
        """Return the order of a report: known, or now adopted; ``None`` when it is foreign."""
        client_id = event.client_id
        order = self.get(client_id)
        if order is not None and client_id not in self._stand_ins:
            return order
        adopted = self._adopter.from_report(event)
        if adopted is None:
            if event.state.is_final:
                self.foreign.pop(client_id, None)
            else:
                self.foreign[client_id] = as_live(event)
            return None
        self._stand_ins.discard(client_id)
        self._live[client_id] = adopted
        return adopted

    def _stand_in(self, fill: Filled) -> TrackedOrder | None:
        """Book an order of ours of which only a fill is known, and want to know the rest."""
        order = self._adopter.from_fill(fill)
        if order is None:
            return None
        self._live[fill.client_id] = order
        self._stand_ins.add(fill.client_id)
        self._questions.wanted(fill.client_id)
        return order

    def _adopt(self, told: LiveOrder, now_ns: int) -> list[Effect]:
        order = self._adopter.from_list(told)
        if order is None:
            return []
        self._stand_ins.discard(told.client_id)
        self._questions.settled(told.client_id)
        self._live[told.client_id] = order
        self._fills.inherit(told.client_id, told.filled_lots)
        state = OrderState.PARTIAL if told.filled_lots else OrderState.OPEN
        order.advance(state, now_ns, venue_id=told.venue_id, filled_lots=told.filled_lots)
        text = f"adopted from the venue: {self.describe(order.intent)}"
        return [self._note(order, Verb.INFO, text, now_ns)]

    def _doubt_end(self, client_id: ClientOrderId, now_ns: int) -> list[Effect]:
        """Ask about an order that the venue lists although we booked its end (T6).

        A list that left before the end was told is no contradiction.
        """
        order = self._final[client_id]
        return [] if now_ns - order.updated_ns <= ASK_AGAIN_NS else self._doubt(order, now_ns)

    def _doubt(self, order: TrackedOrder, now_ns: int) -> list[Effect]:
        """Take an order back whose end the venue contradicts, and ask what is true."""
        if not order.advance(OrderState.UNKNOWN, now_ns):
            return []
        client_id = order.intent.client_id
        del self._final[client_id]
        self._live[client_id] = order
        note = self._note(order, Verb.UNKNOWN, "the venue still has it: asking", now_ns)
        return [note, self._ask(order, now_ns)]

    def _ask(self, order: TrackedOrder, now_ns: int) -> Query:
        client_id = order.intent.client_id
        self._questions.asked(client_id, now_ns)
        return Query(symbol=order.intent.symbol, client_id=client_id)

    def _retire(self, client_id: ClientOrderId) -> None:
        self._questions.settled(client_id)
        self._stand_ins.discard(client_id)
        order = self._live.pop(client_id, None)
        if order is None:
            return
        self._final[client_id] = order
        if len(self._final) > _FINAL_KEPT:
            oldest = next(iter(self._final))
            del self._final[oldest]
            self._fills.forget(oldest)

    def _note_change(self, order: TrackedOrder, before: OrderState, now_ns: int) -> list[Effect]:
        state = order.state
        if state is before:
            return []
        text = self.describe(order.intent)
        if state is OrderState.OPEN and before in (OrderState.SENT, OrderState.UNKNOWN):
            took_ms = (now_ns - order.sent_ns) / NS_PER_MS if order.sent_ns else 0.0
            return [self._note(order, Verb.ACK, f"{text}  {took_ms:.0f}ms", now_ns)]
        if state is OrderState.CANCELLED:
            return [self._note(order, Verb.CANCEL, text, now_ns)]
        if state in (OrderState.REJECTED, OrderState.EXPIRED):
            words = order.text or order.code or state.value.lower()
            return [self._note(order, Verb.REJECT, f"{words} {text}", now_ns)]
        return []

    def describe(self, intent: OrderIntent) -> str:
        """Return size and price of an order in the venue's decimals, for a log line."""
        instrument = self._instruments[intent.symbol]
        size = instrument.quantity(intent.lots).normalize()
        if intent.kind is OrderKind.STOP_MARKET:
            return f"{size:f} stop {instrument.price(intent.trigger_ticks):f}"
        if intent.kind is OrderKind.MARKET:
            return f"{size:f} market"
        return f"{size:f} @ {instrument.price(intent.price_ticks):f}"

    def _note(self, order: TrackedOrder, verb: Verb, text: str, now_ns: int) -> Note:
        return Note(
            verb=verb,
            symbol=order.intent.symbol,
            text=text,
            at_ns=now_ns,
            side=order.intent.side,
            owner=order.intent.owner,
        )
