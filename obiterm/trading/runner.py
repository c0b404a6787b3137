"""One strategy instance inside the kernel: its position, its wishes, its manners."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.effects import Effect, Note, Send, Verb
from obiterm.core.instruments import Instrument
from obiterm.core.orders import OrderIntent, RefusedOrder, RehearsedOrder
from obiterm.core.values import (
    NS_PER_S,
    ClientOrderId,
    OrderKind,
    OrderRole,
    Side,
    TradingState,
)
from obiterm.market.state import MarketState
from obiterm.strategies.base import Decision, MarketView, PositionView, View, Wish
from obiterm.trading.desk import RESTING
from obiterm.trading.executor import compare
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.patience import Patience
from obiterm.trading.positions import Position
from obiterm.trading.setup import StrategySetup

_ALARM_AFTER_NS = 2 * NS_PER_S
"""A position without a stop at the venue for this long is told (T24)."""
PROTECTION = frozenset({OrderRole.STOP, OrderRole.TAKE_PROFIT})
"""Roles of orders that guard a position: they stay when a market's orders are cancelled."""
_CLOSES = PROTECTION | {OrderRole.EXIT}
_REHEARSAL = "dry"
"""Tag of orders that never leave."""


class Runner:
    """Decides for one instance and turns the difference into effects.

    Attributes:
        running: whether it may enter and leave. A stopped instance opens nothing and leaves
            nothing, but what it holds keeps a stop of the right size.
        hands_off: a human has taken the symbol over: nothing is placed at all.
        reason: what it does now, in words.
        unprotected_since_ns: since when a position has no stop at the venue; 0 = it has.
        unprotected_longest_ns: the longest such time (R98).
    """

    def __init__(self, setup: StrategySetup, instrument: Instrument, position: Position) -> None:
        self.setup = setup
        self.name = setup.name
        self.symbol = setup.symbol
        self.instrument = instrument
        self.position = position
        self.running = setup.running
        self.reason = "waiting for the book" if setup.running else "not started"
        self.unprotected_since_ns = 0
        self.unprotected_longest_ns = 0
        self.hands_off = False
        self._is_broken = False
        self._is_alarmed = False
        self.patience = Patience()
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
                sellable_lots=position.closable_lots,
                realised_quote=position.realised_quote,
                round_trips=position.round_trips,
            ),
            available_quote=available,
        )

    def step(self, view: View, gate: Gatekeeper, now_ns: int) -> list[Effect]:
        """Decide, compare with what rests and return sends, cancels and notes."""
        live = list(gate.desk.live(self.symbol, self.name))
        effects = self._watch_protection(live, now_ns)
        if self.hands_off or self._is_broken:
            return effects + self._withdraw(live, gate, now_ns)
        decision = self._decide(view)
        if decision is None:
            effects.append(self._note(Verb.RISK, self.reason, now_ns))
            return effects + self._withdraw(live, gate, now_ns)
        if self.running:
            self.reason = decision.reason
            if decision.signal:
                effects.append(self._note(Verb.SIGNAL, decision.signal, now_ns))
        wishes = tuple(self.patience.repriced(wish, now_ns) for wish in decision.wishes)
        allowed = self._allowed(wishes, live, gate)
        if self.running and any(w.role is OrderRole.ENTRY and w not in allowed for w in wishes):
            self._waits(gate, allowed)
        difference = compare(allowed, live)
        effects += [gate.desk.cancel(order, now_ns) for order in difference.cancel]
        for wish in difference.place:
            effects += self._place(wish, gate, now_ns)
        return effects

    def withdraw(self, gate: Gatekeeper, now_ns: int) -> list[Effect]:
        """Cancel what could open a position; what protects one stays."""
        return self._withdraw(list(gate.desk.live(self.symbol, self.name)), gate, now_ns)

    def start(self) -> None:
        """Let it trade, also after a fault or a takeover."""
        self.running = True
        self.hands_off = False
        self._is_broken = False
        self.patience.forget()

    def stop(self, reason: str, *, hands_off: bool = False) -> None:
        """Stop it; with ``hands_off`` it does not even protect what it holds."""
        self.running = False
        self.hands_off = hands_off
        self.reason = reason

    def _decide(self, view: View) -> Decision | None:
        try:
            return self.setup.strategy.decide(view)
        except Exception as error:  # task boundary: a strategy that raises is stopped alone
            self._is_broken = True
            self.stop(f"stopped: {type(error).__name__}: {error}")
            return None

    def _withdraw(self, live: list[TrackedOrder], gate: Gatekeeper, now_ns: int) -> list[Effect]:
        return [
            gate.desk.cancel(order, now_ns)
            for order in live
            if order.intent.role is OrderRole.ENTRY and order.state in RESTING
        ]

    def _allowed(
        self, wishes: tuple[Wish, ...], live: list[TrackedOrder], gate: Gatekeeper
    ) -> tuple[Wish, ...]:
        """Return the wishes that count in this state.

        Hold fire leaves entries that rest as they are (TUI.md §5); any other REDUCING
        takes them back. A stopped instance only protects.
        """
        if self.running and gate.state is TradingState.ACTIVE:
            return wishes
        if self.running:
            kept = {
                order.intent.tag: order
                for order in live
                if gate.holding and order.intent.role is OrderRole.ENTRY
            }
            return tuple(
                _as_it_rests(wish, kept[wish.tag]) if wish.tag in kept else wish
                for wish in wishes
                if wish.role is not OrderRole.ENTRY or wish.tag in kept
            )
        stops = [wish for wish in wishes if wish.role in PROTECTION]
        tags = {wish.tag for wish in stops}
        stops += [
            _wish_of(order)
            for order in live
            if order.intent.role in PROTECTION and order.intent.tag not in tags
        ]
        return tuple(stops)

    def _waits(self, gate: Gatekeeper, allowed: tuple[Wish, ...]) -> None:
        """Say that it would enter and may not; what hold fire leaves resting counts as entering."""
        if not any(wish.role is OrderRole.ENTRY for wish in allowed):
            why = "fire is held" if gate.holding else "the account only reduces"
            self.reason = f"would enter: {why}"

    # -- acting -----------------------------------------------------------------------

    def _place(self, wish: Wish, gate: Gatekeeper, now_ns: int) -> list[Effect]:
        waits_for = self.patience.waits_for(wish.tag, now_ns)
        if waits_for is not None:
            if self.running:
                self.reason = waits_for
            return []
        intent = self._intent(wish, gate.next_id(wish.role, self.name, wish.tag))
        outcome = gate.check(intent, now_ns)
        if isinstance(outcome, RefusedOrder):
            return self._refused_by_gate(wish, outcome, now_ns)
        self._last_refusal = ""
        gate.desk.sent(outcome, now_ns)
        return [Send(order=outcome), self._sending(intent, gate, now_ns)]

    def rehearse(self, view: View, gate: Gatekeeper, now_ns: int) -> RehearsedOrder:
        """Walk a small entry below the bid through what ``step`` does; nothing changes."""
        ticks = max(1, view.market.bid_ticks * 99 // 100)
        instrument = self.instrument
        least = int(instrument.min_notional / instrument.notional(ticks, 1)) + 1
        wish = Wish(
            tag=_REHEARSAL,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            lots=max(instrument.min_lots, least),
            role=OrderRole.ENTRY,
            price_ticks=ticks,
        )
        live = list(gate.desk.live(self.symbol, self.name))
        compare(self._allowed((wish,), live, gate), live)
        intent = self._intent(wish, gate.rehearsal_id(self.name))
        order = gate.rehearse(intent, now_ns)
        self._sending(intent, gate, now_ns)
        return order

    def _intent(self, wish: Wish, client_id: ClientOrderId) -> OrderIntent:
        return OrderIntent(
            client_id=client_id,
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
            reduce_only=wish.reduce_only or self._must_reduce(wish),
            time_in_force=wish.time_in_force,
        )

    def _sending(self, intent: OrderIntent, gate: Gatekeeper, now_ns: int) -> Note:
        return Note(
            verb=Verb.SEND,
            symbol=self.symbol,
            text=gate.desk.describe(intent),
            at_ns=now_ns,
            side=intent.side,
            owner=self.name,
        )

    def _must_reduce(self, wish: Wish) -> bool:
        """Return whether the venue has to cut an order to the position: it never opens one."""
        return self.instrument.is_perpetual and wish.role in _CLOSES

    def _refused_by_gate(self, wish: Wish, outcome: RefusedOrder, now_ns: int) -> list[Effect]:
        self.reason = f"{outcome.limit}: {outcome.reason}"
        self.patience.refused_by_gate(wish.tag, self.reason, now_ns)
        if self._last_refusal == outcome.limit:
            return []
        self._last_refusal = outcome.limit
        return [self._note(Verb.RISK, outcome.reason, now_ns)]

    def venue_refused(self, order: TrackedOrder, now_ns: int) -> list[Effect]:
        """Take a refusal of an order that was sent; pause when there is no use in more (T50)."""
        reason = self.patience.refused(order, now_ns)
        if not reason or not self.running:
            return []
        self.stop(reason)
        return [self._note(Verb.RISK, self.reason, now_ns)]

    def venue_accepted(self, order: TrackedOrder) -> None:
        """Forget earlier refusals of this tag."""
        self.patience.accepted(order.intent.tag)

    def _watch_protection(self, live: list[TrackedOrder], now_ns: int) -> list[Effect]:
        """Measure how long a position has no whole stop at the venue (R98 Q18); tell once."""
        if self.position.is_flat or self._is_protected(live):
            since_ns, self.unprotected_since_ns = self.unprotected_since_ns, 0
            if since_ns:
                took_ns = now_ns - since_ns
                self.unprotected_longest_ns = max(self.unprotected_longest_ns, took_ns)
            self._is_alarmed = False
            return []
        if not self.unprotected_since_ns:
            self.unprotected_since_ns = now_ns
        took_ns = now_ns - self.unprotected_since_ns
        leaving = any(order.intent.role is OrderRole.EXIT for order in live)
        if self._is_alarmed or leaving or took_ns < _ALARM_AFTER_NS:
            return []
        self._is_alarmed = True
        text = f"no stop at the venue for {took_ns / NS_PER_S:.1f} s: {self.reason}"
        return [self._note(Verb.RISK, text, now_ns)]

    def _is_protected(self, live: list[TrackedOrder]) -> bool:
        covered = sum(
            order.lots_left
            for order in live
            if order.intent.role is OrderRole.STOP and order.state in RESTING
        )
        return covered >= min(self.position.closable_lots, self.instrument.market_max_lots)

    def _note(self, verb: Verb, text: str, now_ns: int) -> Note:
        return Note(verb=verb, symbol=self.symbol, text=text, at_ns=now_ns, owner=self.name)


def _as_it_rests(wish: Wish, order: TrackedOrder) -> Wish:
    """Return an entry wish that its resting order satisfies as it is."""
    return msgspec.structs.replace(
        wish,
        side=order.intent.side,
        kind=order.intent.kind,
        lots=order.lots_left,
        price_ticks=order.intent.price_ticks,
        trigger_ticks=order.intent.trigger_ticks,
    )


def _wish_of(order: TrackedOrder) -> Wish:
    """Return the wish to keep an order as it rests."""
    intent = order.intent
    return Wish(
        tag=intent.tag,
        side=intent.side,
        kind=intent.kind,
        lots=order.lots_left,
        role=intent.role,
        price_ticks=intent.price_ticks,
        trigger_ticks=intent.trigger_ticks,
    )
