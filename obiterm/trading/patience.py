"""What is done about refused orders: wait, take another price, or give up (T50).

===============  ==========================================================================
kind             what follows
===============  ==========================================================================
``WOULD_TAKE``   the next try is at least a tick behind the refused price; six in 10 s pause
``TOO_SMALL``    an entry: three in a row pause; a close: one more try each minute
``ORDER``        an entry: three in a row pause
``LATER``        only waits: nothing is wrong with the order
``SELF_TRADE``   only waits: it would have met an order of our own (R15)
===============  ==========================================================================

Every refusal in a row doubles the wait, from 0.1 s to 10 s; an acceptance forgets them all.
Stops, exits and targets are never given up. An order that we kept back ourselves (no code of
the venue) only waits.
"""

from __future__ import annotations

from collections import deque

import msgspec

from obiterm.core.values import NS_PER_MS, NS_PER_S, OrderKind, OrderRole, RefusalKind, Side
from obiterm.strategies.base import Wish
from obiterm.trading.order_states import TrackedOrder

PAUSE_AFTER_REFUSALS = 3
PRICE_TRIES = 6
PRICE_WINDOW_NS = 10 * NS_PER_S
_FIRST_WAIT_NS = 100 * NS_PER_MS
_LONGEST_WAIT_NS = 10 * NS_PER_S
_DUST_WAIT_NS = 60 * NS_PER_S
_GATE_WAIT_NS = NS_PER_S
_BOUND_NS = NS_PER_S
"""How long a refused price is kept away from, beyond the wait before the next try."""
_HARMLESS = frozenset({RefusalKind.LATER, RefusalKind.SELF_TRADE})


class _Tag:
    """Refusals under one tag since the last acceptance."""

    __slots__ = ("bound", "in_a_row", "of_the_order", "price_gone_ns", "until_ns", "why")

    def __init__(self) -> None:
        self.in_a_row = 0
        self.of_the_order = 0
        self.until_ns = 0
        self.why = ""
        self.price_gone_ns: deque[int] = deque(maxlen=PRICE_TRIES)
        self.bound: tuple[Side, int, int] | None = None
        """``(side, price, until)``: the best price that may be tried."""


class Patience:
    """Refusals of one strategy instance, tag by tag."""

    def __init__(self) -> None:
        self._tags: dict[str, _Tag] = {}

    def forget(self) -> None:
        """Forget everything: a human started the instance again."""
        self._tags.clear()

    def accepted(self, tag: str) -> None:
        """Forget the refusals of a tag; the bound of its price runs out by itself."""
        known = self._tags.get(tag)
        if known is not None and known.bound is not None:
            fresh = self._tags[tag] = _Tag()
            fresh.bound = known.bound
        else:
            self._tags.pop(tag, None)

    def in_a_row(self, tag: str) -> int:
        """Return how many refusals came since the last acceptance."""
        known = self._tags.get(tag)
        return known.in_a_row if known is not None else 0

    def waits_for(self, tag: str, now_ns: int) -> str | None:
        """Return why nothing may be sent under a tag yet; ``None`` when it may."""
        known = self._tags.get(tag)
        return known.why if known is not None and now_ns < known.until_ns else None

    def refused_by_gate(self, tag: str, why: str, now_ns: int) -> None:
        """Take a refusal of the risk gate: nothing left."""
        known = self._tags.setdefault(tag, _Tag())
        known.until_ns = now_ns + _GATE_WAIT_NS
        known.why = why

    def refused(self, order: TrackedOrder, now_ns: int) -> str:
        """Take a refusal of an order that was sent; return why to pause, or nothing."""
        intent = order.intent
        known = self._tags.setdefault(intent.tag, _Tag())
        known.in_a_row += 1
        known.why = order.text or order.code
        wait_ns = min(_LONGEST_WAIT_NS, _FIRST_WAIT_NS << min(known.in_a_row - 1, 10))
        known.until_ns = now_ns + wait_ns
        is_entry = intent.role is OrderRole.ENTRY
        if not order.code or order.refusal in _HARMLESS:
            return ""
        if order.refusal is RefusalKind.WOULD_TAKE:
            behind = intent.price_ticks - intent.side.sign
            known.bound = (intent.side, max(1, behind), known.until_ns + _BOUND_NS)
            known.price_gone_ns.append(now_ns)
            gone = known.price_gone_ns
            if not is_entry or len(gone) < PRICE_TRIES or now_ns - gone[0] > PRICE_WINDOW_NS:
                return ""
            return f"paused: the price had gone {PRICE_TRIES} times: {known.why}"
        known.of_the_order += 1
        if known.of_the_order < PAUSE_AFTER_REFUSALS:
            return ""
        if is_entry:
            return f"paused after {known.of_the_order} refusals: {known.why}"
        if order.refusal is RefusalKind.TOO_SMALL:
            known.until_ns = now_ns + _DUST_WAIT_NS
        return ""

    def repriced(self, wish: Wish, now_ns: int) -> Wish:
        """Return a post-only wish with a price that the venue has not just refused."""
        known = self._tags.get(wish.tag)
        if known is None or known.bound is None or not wish.post_only:
            return wish
        side, bound, until_ns = known.bound
        if now_ns >= until_ns:
            known.bound = None
            return wish
        is_beyond = (wish.price_ticks - bound) * side.sign > 0
        if wish.side is not side or wish.kind is not OrderKind.LIMIT or not is_beyond:
            return wish
        return msgspec.structs.replace(wish, price_ticks=bound)
