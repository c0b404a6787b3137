"""One strategy instance inside the kernel: its position, its wishes, its manners."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.effects import Cancel, Effect, Note, Send, Verb
from obiterm.core.instruments import Instrument
from obiterm.core.orders import OrderIntent, RefusedOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, OrderRole, OrderState, TradingState
from obiterm.market.state import MarketState
from obiterm.strategies.base import Decision, MarketView, PositionView, View, Wish
from obiterm.trading.executor import compare
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.positions import Position
from obiterm.trading.setup import StrategySetup

_FIRST_WAIT_NS = 100 * NS_PER_MS
_LONGEST_WAIT_NS = 10 * NS_PER_S
_PAUSE_AFTER_REFUSALS = 3
"""Refusals in a row, other than post-only ones, after which an instance pauses (T50)."""


class Runner:
    """Decides for one instance and turns the difference into effects."""

    def __init__(self, setup: StrategySetup, instrument: Instrument, position: Position) -> None:
        self.setup = setup
        self.name = setup.name
        self.symbol = setup.symbol
        self.instrument = instrument
        self.position = position
        self.running = setup.running
        self.reason = "waiting for the book"
        self.unprotected_since_ns = 0
        self.unprotected_longest_ns = 0
        self._refusals: dict[str, int] = {}
        self._wait_until_ns: dict[str, int] = {}
        self._last_refusal = ""

    # -- deciding -------------------------------------------------------------------

    def view(self, market: MarketState, available: Decimal, tradable: bool, now_ns: int) -> View:
        """Return what the strategy may see now."""
        book = market.book
        bid_ticks, bid_lots, ask_ticks, ask_lots = market.best()
        position = self.position
        return View(
            now_ns=now_ns,
            instrument=self.instrument,
            market=MarketView(
                bid_ticks=bid_ticks,
                bid_lots=bid_lots,
                ask_ticks=ask_ticks,
                ask_lots=ask_lots,
                last_ticks=market.last_ticks,
                obi=book.imbalance(self.setup.strategy.obi_levels),
                micro_ticks=book.micro_ticks(),
                flow=market.flow_now(now_ns),
                atr_ticks=market.atr.value,
                tradable=tradable,
                depth_updates=book.diffs_applied,
            ),
            position=PositionView(
                lots=position.lots,
                average_ticks=float(position.average_price / self.instrument.tick_size),
                opened_ns=position.opened_ns,
                sellable_lots=position.sellable_lots,
                realised_quote=position.realised_quote,
                round_trips=position.round_trips,
            ),
            available_quote=available,
        )

    def step(self, view: View, gate: Gatekeeper, now_ns: int) -> list[Effect]:
        """Decide, compare with what rests and return sends, cancels and notes."""
        live = list(gate.desk.live(self.symbol, self.name))
        self._measure_protection(live, now_ns)
        effects: list[Effect] = []
        decision = self._decide(view) if self.running else None
        if decision is None:
            if self.running:
                self.running = False
                effects.append(self._note(Verb.RISK, self.reason, now_ns))
            return effects + self._withdraw_entries(live, gate, now_ns)
        self.reason = decision.reason
        if decision.signal:
            effects.append(self._note(Verb.SIGNAL, decision.signal, now_ns))
        difference = compare(_allowed(decision.wishes, live, gate.state), live)
        effects += [self._cancel(order, gate, now_ns) for order in difference.cancel]
        for wish in difference.place:
            effects += self._place(wish, gate, now_ns)
        return effects

    def _decide(self, view: View) -> Decision | None:
        try:
            return self.setup.strategy.decide(view)
        except Exception as error:  # task boundary: a strategy that raises is stopped alone
            self.reason = f"stopped: {type(error).__name__}: {error}"
            return None

    def _withdraw_entries(
        self, live: list[TrackedOrder], gate: Gatekeeper, now_ns: int
    ) -> list[Effect]:
        """Cancel what could open a position; what protects one stays."""
        return [
            self._cancel(order, gate, now_ns)
            for order in live
            if order.intent.role is OrderRole.ENTRY
            and order.state in (OrderState.OPEN, OrderState.PARTIAL)
        ]

    # -- acting -----------------------------------------------------------------------

    def _place(self, wish: Wish, gate: Gatekeeper, now_ns: int) -> list[Effect]:
        if now_ns < self._wait_until_ns.get(wish.tag, 0):
            return []
        intent = OrderIntent(
            client_id=gate.next_id(self.name, wish.tag),
            symbol=self.symbol,
            side=wish.side,
            kind=wish.kind,
            lots=wish.lots,
            role=wish.role,
            owner=self.name,
            tag=wish.tag,
            price_ticks=wish.price_ticks,
            trigger_ticks=wish.trigger_ticks,
            post_only=wish.post_only,
            reduce_only=wish.reduce_only,
            time_in_force=wish.time_in_force,
        )
        outcome = gate.check(intent, now_ns)
        if isinstance(outcome, RefusedOrder):
            return self._refused_by_gate(wish, outcome, now_ns)
        self._last_refusal = ""
        gate.desk.sent(outcome, now_ns)
        return [
            Send(order=outcome),
            Note(
                verb=Verb.SEND,
                symbol=self.symbol,
                text=gate.desk.describe(intent),
                at_ns=now_ns,
                side=wish.side,
                owner=self.name,
            ),
        ]

    def _cancel(self, order: TrackedOrder, gate: Gatekeeper, now_ns: int) -> Cancel:
        gate.desk.cancelling(order, now_ns)
        return Cancel(symbol=self.symbol, client_id=order.intent.client_id, venue_id=order.venue_id)

    def _refused_by_gate(self, wish: Wish, outcome: RefusedOrder, now_ns: int) -> list[Effect]:
        self._wait_until_ns[wish.tag] = now_ns + NS_PER_S
        self.reason = f"{outcome.limit}: {outcome.reason}"
        if self._last_refusal == outcome.limit:
            return []
        self._last_refusal = outcome.limit
        return [self._note(Verb.RISK, outcome.reason, now_ns)]

    def venue_refused(self, order: TrackedOrder, now_ns: int) -> list[Effect]:
        """Take a venue's refusal: wait longer each time; pause when it keeps saying no (T50)."""
        tag = order.intent.tag
        count = self._refusals.get(tag, 0) + 1
        self._refusals[tag] = count
        wait_ns = min(_LONGEST_WAIT_NS, _FIRST_WAIT_NS * 2 ** min(count - 1, 10))
        self._wait_until_ns[tag] = now_ns + wait_ns
        is_entry = order.intent.role is OrderRole.ENTRY
        if is_entry and not order.intent.post_only and count >= _PAUSE_AFTER_REFUSALS:
            self.running = False
            self.reason = f"paused after {count} refusals: {order.text or order.code}"
            return [self._note(Verb.RISK, self.reason, now_ns)]
        return []

    def venue_accepted(self, order: TrackedOrder) -> None:
        """Forget earlier refusals of this tag."""
        self._refusals.pop(order.intent.tag, None)

    def _measure_protection(self, live: list[TrackedOrder], now_ns: int) -> None:
        """Measure how long a position has no stop at the venue (R98 Q18)."""
        resting = any(
            order.intent.role is OrderRole.STOP and order.state is OrderState.OPEN for order in live
        )
        if self.position.is_flat or resting:
            if self.unprotected_since_ns:
                took_ns = now_ns - self.unprotected_since_ns
                self.unprotected_longest_ns = max(self.unprotected_longest_ns, took_ns)
            self.unprotected_since_ns = 0
        elif not self.unprotected_since_ns:
            self.unprotected_since_ns = now_ns

    def _note(self, verb: Verb, text: str, now_ns: int) -> Note:
        return Note(verb=verb, symbol=self.symbol, text=text, at_ns=now_ns, owner=self.name)


def _allowed(
    wishes: tuple[Wish, ...], live: list[TrackedOrder], state: TradingState
) -> tuple[Wish, ...]:
    """Hold fire in REDUCING: no new entry, while entries that rest are left alone (TUI.md §5)."""
    if state is TradingState.ACTIVE:
        return wishes
    resting = {order.intent.tag for order in live}
    return tuple(w for w in wishes if w.role is not OrderRole.ENTRY or w.tag in resting)
