"""Book-keeping of our orders and fills: the venue's reports in, notes and queries out."""

from __future__ import annotations

from collections.abc import Iterator

from obiterm.core.effects import Effect, Note, Query, Reconcile, Verb
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
    NS_PER_S,
    ClientOrderId,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
)
from obiterm.trading.ids import read_client_id, short_name
from obiterm.trading.order_states import TrackedOrder

MANUAL = "manual"
PANIC = "panic"

_ASK_AGAIN_NS = 1 * NS_PER_S
"""How long to wait between two questions about an order."""
_ANSWER_DUE_NS = 3 * NS_PER_S
"""An order or a cancel without an answer is asked about after this time."""
_GONE_AFTER_NS = 6 * NS_PER_S
"""The venue refuses a request older than its window (5 s): after this it cannot appear (§3.1)."""
_FILLS_DUE_NS = 1 * NS_PER_S
"""Fills that were told of but did not come are fetched after this time."""
_FINAL_KEPT = 2_000
"""Final orders remembered, so that late and repeated reports are recognised."""

_ROLE_OF_TAG = {
    "entry": OrderRole.ENTRY,
    "stop": OrderRole.STOP,
    "tp": OrderRole.TAKE_PROFIT,
    "exit": OrderRole.EXIT,
}


class Desk:
    """All orders of one account that are ours, by client id, and the foreign ones apart."""

    def __init__(self, instruments: dict[Symbol, Instrument], owners: list[str]) -> None:
        self._instruments = instruments
        self._owners = {short_name(owner): owner for owner in [*owners, MANUAL, PANIC]}
        self._live: dict[ClientOrderId, TrackedOrder] = {}
        self._final: dict[ClientOrderId, TrackedOrder] = {}
        self._seen_lots: dict[ClientOrderId, int] = {}
        self._trade_ids: dict[Symbol, set[int]] = {}
        self._asked_ns: dict[ClientOrderId, int] = {}
        self._owed_ns: dict[ClientOrderId, int] = {}
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

    def fills_owed(self, symbol: Symbol, owner: str) -> bool:
        """Return whether the venue told of more filled size than its fills have shown so far.

        Deciding before the fills are here would act on an old position.
        """
        for client_id in self._owed_ns:
            order = self.get(client_id)
            if order and order.intent.symbol == symbol and order.intent.owner == owner:
                return True
        return False

    # -- changes that we make -------------------------------------------------------

    def sent(self, approved: ApprovedOrder, now_ns: int) -> None:
        """Book an approved order as on its way."""
        order = TrackedOrder(intent=approved.intent, state=OrderState.SENT)
        order.sent_ns = now_ns
        order.updated_ns = now_ns
        self._live[approved.intent.client_id] = order

    def cancelling(self, order: TrackedOrder, now_ns: int) -> None:
        """Book that a cancel goes out."""
        order.advance(OrderState.CANCELLING, now_ns)
        order.cancel_sent_ns = now_ns

    # -- the venue's word -------------------------------------------------------------

    def reported(self, event: OrderReported, now_ns: int) -> list[Effect]:
        """Take the venue's state of one order."""
        order = self.get(event.client_id)
        if order is None:
            order = self._adopt(event)
            if order is None:
                return []
        before = order.state
        if not order.advance(
            event.state,
            now_ns,
            venue_id=event.venue_id,
            filled_lots=event.filled_lots,
            code=event.code,
            text=event.text,
        ):
            return []
        self._asked_ns.pop(event.client_id, None)
        if order.filled_lots > self._seen_lots.get(event.client_id, 0):
            self._owed_ns.setdefault(event.client_id, now_ns)
        effects = self._note_change(order, before, now_ns)
        if order.state.is_final:
            self._retire(event.client_id)
        return effects

    def filled(self, event: Filled) -> TrackedOrder | None:
        """Take one fill; return its order, or ``None`` when it is foreign or known already."""
        known = self._trade_ids.setdefault(event.symbol, set())
        if event.trade_id in known:
            return None
        order = self.get(event.client_id)
        if order is None:
            parts = read_client_id(event.client_id)
            if parts is None:
                return None
            order = self._adopted(
                event.client_id, event.symbol, event.side, OrderKind.MARKET, event.lots, 0, 0
            )
            self._final[event.client_id] = order
            order.state = OrderState.FILLED
        known.add(event.trade_id)
        seen = self._seen_lots.get(event.client_id, 0) + event.lots
        self._seen_lots[event.client_id] = seen
        order.filled_lots = max(order.filled_lots, seen)
        if seen >= order.filled_lots:
            self._owed_ns.pop(event.client_id, None)
        return order

    def refused(self, event: OrderRefused, now_ns: int) -> list[Effect]:
        """Take a refusal: the order does not exist at the venue."""
        order = self._live.get(event.client_id)
        if order is None:
            return []
        order.advance(OrderState.REJECTED, now_ns, code=event.code, text=event.text)
        self._retire(event.client_id)
        return [self._note(order, Verb.REJECT, f"{event.text} {event.code}".strip(), now_ns)]

    def outcome_lost(self, event: OrderOutcomeLost, now_ns: int) -> list[Effect]:
        """Take a missing answer: ask by client id, never send again (T6 T7)."""
        order = self._live.get(event.client_id)
        if order is None or not order.advance(OrderState.UNKNOWN, now_ns, text=event.text):
            return []
        self._asked_ns[event.client_id] = now_ns
        return [
            self._note(order, Verb.UNKNOWN, f"{event.text}: asking the venue", now_ns),
            Query(symbol=event.symbol, client_id=event.client_id),
        ]

    def not_found(self, event: OrderNotFound, now_ns: int) -> list[Effect]:
        """Take the venue's word that it has no such order (T8)."""
        order = self._live.get(event.client_id)
        if order is None:
            return []
        if now_ns - order.sent_ns < _GONE_AFTER_NS and order.state in (
            OrderState.UNKNOWN,
            OrderState.SENT,
        ):
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
        order = self._live.get(event.client_id)
        if order is None:
            return []
        self._asked_ns[event.client_id] = now_ns
        return [Query(symbol=event.symbol, client_id=event.client_id)]

    def reconciled(self, event: AccountReconciled, now_ns: int) -> list[Effect]:
        """Compare with the venue's list of open orders; the venue wins."""
        effects: list[Effect] = []
        at_venue = {order.client_id: order for order in event.open_orders}
        self.foreign = {
            client_id: order
            for client_id, order in at_venue.items()
            if self.get(client_id) is None and read_client_id(client_id) is None
        }
        for client_id, order in at_venue.items():
            if self.get(client_id) is None and client_id not in self.foreign:
                effects += self._adopt_live(order, now_ns)
        for client_id, tracked in self._live.items():
            settled = now_ns - tracked.updated_ns > _ASK_AGAIN_NS
            if client_id not in at_venue and settled and client_id not in self._asked_ns:
                self._asked_ns[client_id] = now_ns
                effects.append(Query(symbol=tracked.intent.symbol, client_id=client_id))
        return effects

    def overdue(self, now_ns: int) -> list[Effect]:
        """Return questions about orders whose answer is late (called on each tick)."""
        effects: list[Effect] = []
        for client_id, order in self._live.items():
            if order.state is OrderState.UNKNOWN:
                due = self._asked_ns.get(client_id, 0) + _ASK_AGAIN_NS
            elif order.state is OrderState.SENT:
                due = max(
                    order.sent_ns + _ANSWER_DUE_NS, self._asked_ns.get(client_id, 0) + _ASK_AGAIN_NS
                )
            elif order.state is OrderState.CANCELLING:
                due = max(
                    order.cancel_sent_ns + _ANSWER_DUE_NS,
                    self._asked_ns.get(client_id, 0) + _ASK_AGAIN_NS,
                )
            else:
                continue
            if now_ns >= due:
                self._asked_ns[client_id] = now_ns
                effects.append(Query(symbol=order.intent.symbol, client_id=client_id))
        late = [cid for cid, since in self._owed_ns.items() if now_ns - since > _FILLS_DUE_NS]
        if late:
            for client_id in late:
                self._owed_ns[client_id] = now_ns
            effects.append(Reconcile(reason="fills are missing"))
        return effects

    # -- inside -------------------------------------------------------------------------

    def _retire(self, client_id: ClientOrderId) -> None:
        order = self._live.pop(client_id, None)
        self._asked_ns.pop(client_id, None)
        if order is None:
            return
        self._final[client_id] = order
        if len(self._final) > _FINAL_KEPT:
            oldest = next(iter(self._final))
            del self._final[oldest]
            self._seen_lots.pop(oldest, None)

    def _adopt(self, event: OrderReported) -> TrackedOrder | None:
        if read_client_id(event.client_id) is None:
            self._track_foreign(event)
            return None
        order = self._adopted(
            event.client_id,
            event.symbol,
            event.side,
            event.kind,
            event.lots,
            event.price_ticks,
            event.trigger_ticks,
        )
        self._live[event.client_id] = order
        return order

    def _adopt_live(self, live: LiveOrder, now_ns: int) -> list[Effect]:
        order = self._adopted(
            live.client_id,
            live.symbol,
            live.side,
            live.kind,
            live.lots,
            live.price_ticks,
            live.trigger_ticks,
        )
        self._live[live.client_id] = order
        state = OrderState.PARTIAL if live.filled_lots else OrderState.OPEN
        order.advance(state, now_ns, venue_id=live.venue_id, filled_lots=live.filled_lots)
        self._seen_lots[live.client_id] = live.filled_lots
        return [self._note(order, Verb.INFO, "adopted from the venue", now_ns)]

    def _adopted(
        self,
        client_id: ClientOrderId,
        symbol: Symbol,
        side: Side,
        kind: OrderKind,
        lots: int,
        price_ticks: int,
        trigger_ticks: int,
    ) -> TrackedOrder:
        parts = read_client_id(client_id)
        short, tag = (parts[2], parts[3]) if parts else (MANUAL, "")
        owner = self._owners.get(short, MANUAL)
        role = _ROLE_OF_TAG.get(tag, OrderRole.MANUAL)
        intent = OrderIntent(
            client_id=client_id,
            symbol=symbol,
            side=side,
            kind=kind,
            lots=lots,
            role=OrderRole.PANIC if owner == PANIC else role,
            owner=owner,
            tag=tag,
            price_ticks=price_ticks,
            trigger_ticks=trigger_ticks,
        )
        return TrackedOrder(intent=intent, state=OrderState.UNKNOWN)

    def _track_foreign(self, event: OrderReported) -> None:
        if event.state.is_final:
            self.foreign.pop(event.client_id, None)
            return
        self.foreign[event.client_id] = LiveOrder(
            symbol=event.symbol,
            client_id=event.client_id,
            venue_id=event.venue_id,
            side=event.side,
            kind=event.kind,
            lots=event.lots,
            filled_lots=event.filled_lots,
            price_ticks=event.price_ticks,
            trigger_ticks=event.trigger_ticks,
            created_ns=event.event_ns,
        )

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
