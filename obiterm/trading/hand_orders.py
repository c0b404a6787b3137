"""Orders made by a human's command: the same gate as a strategy's (ARCHITECTURE §3)."""

from __future__ import annotations

import msgspec

from obiterm.core.effects import Effect, Note, Send, Verb
from obiterm.core.orders import OrderIntent, RefusedOrder
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, Side, Symbol
from obiterm.trading.desk import MANUAL
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.order_states import TrackedOrder

CLOSE_TAG = "close"


class Terms(msgspec.Struct, frozen=True):
    """What a hand-made order asks for."""

    symbol: Symbol
    side: Side
    kind: OrderKind
    lots: int
    price_ticks: int = 0
    post_only: bool = False


class Sent(msgspec.Struct, frozen=True):
    """What became of the wish for an order."""

    effects: list[Effect]
    ok: bool
    text: str
    """What to tell the asker."""
    client_id: ClientOrderId


def moved(order: TrackedOrder, price_ticks: int) -> Terms:
    """Return the terms of an order's rest at another price."""
    intent = order.intent
    return Terms(
        symbol=intent.symbol,
        side=intent.side,
        kind=intent.kind,
        lots=order.lots_left,
        price_ticks=price_ticks,
        post_only=intent.post_only,
    )


class HandOrders:
    """Numbers hand-made orders and passes them through the gate."""

    def __init__(self, gate: Gatekeeper) -> None:
        self._gate = gate
        self._number = 0

    def send(self, terms: Terms, now_ns: int, *, closing: bool = False) -> Sent:
        """Send an order, or tell why not.

        ``closing`` makes it reduce-only; on a perpetual so is any order that only shrinks the
        position: whatever closes it before, the order never opens the other way.
        """
        self._number += 1
        role = OrderRole.EXIT if closing else OrderRole.MANUAL
        tag = CLOSE_TAG if closing else f"m{self._number}"
        intent = OrderIntent(
            client_id=self._gate.next_id(role, MANUAL, tag),
            symbol=terms.symbol,
            side=terms.side,
            kind=terms.kind,
            lots=terms.lots,
            role=role,
            owner=MANUAL,
            tag=tag,
            price_ticks=terms.price_ticks,
            post_only=terms.post_only,
            reduce_only=closing or self._shrinks(terms),
        )
        outcome = self._gate.check(intent, now_ns)
        if isinstance(outcome, RefusedOrder):
            note = _note(Verb.RISK, terms, outcome.reason, now_ns)
            text = f"{outcome.limit}: {outcome.reason}"
            return Sent([note], False, text, intent.client_id)
        self._gate.desk.sent(outcome, now_ns)
        text = self._gate.desk.describe(intent)
        note = _note(Verb.SEND, terms, text, now_ns)
        told = f"sent {terms.side.value} {text}"
        return Sent([Send(order=outcome), note], True, told, intent.client_id)

    def _shrinks(self, terms: Terms) -> bool:
        if not self._gate.setup.instruments[terms.symbol].is_perpetual:
            return False
        return terms.lots <= -self._gate.exposure_lots(terms.symbol) * terms.side.sign


def _note(verb: Verb, terms: Terms, text: str, now_ns: int) -> Note:
    return Note(
        verb=verb, symbol=terms.symbol, text=text, at_ns=now_ns, side=terms.side, owner=MANUAL
    )
