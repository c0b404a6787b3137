"""Which orders the venue has to be asked about, and when again (T6 T7)."""

from __future__ import annotations

from obiterm.core.values import NS_PER_S, ClientOrderId, OrderState
from obiterm.trading.order_states import TrackedOrder

ASK_AGAIN_NS = 1 * NS_PER_S
"""How long to wait between two questions about an order."""
_ANSWER_DUE_NS = 3 * NS_PER_S
"""An order or a cancel without an answer is asked about after this time."""
ANSWER_AGE_NS = 1 * NS_PER_S
""""No such order" must not be older than this when it comes: a gateway drops what is."""
ARRIVES_WITHIN_NS = 5 * NS_PER_S + ANSWER_AGE_NS
"""The venue refuses a request older than its window (5 s, binance.md §3.1), and an answer is
at most so old. Until this time "no such order" proves nothing: the venue may have looked
before the request came."""


class Questions:
    """Open questions about orders. A question stays open until the venue's answer settles it."""

    def __init__(self) -> None:
        self._asked_ns: dict[ClientOrderId, int] = {}

    def is_open(self, client_id: ClientOrderId) -> bool:
        """Return whether an answer is still wanted."""
        return client_id in self._asked_ns

    def asked(self, client_id: ClientOrderId, now_ns: int) -> None:
        """Note that a question went out."""
        self._asked_ns[client_id] = now_ns

    def wanted(self, client_id: ClientOrderId) -> None:
        """Open a question that is due at once."""
        self._asked_ns.setdefault(client_id, 0)

    def settled(self, client_id: ClientOrderId) -> None:
        """Note that the answer came."""
        self._asked_ns.pop(client_id, None)

    def is_due(self, order: TrackedOrder, now_ns: int) -> bool:
        """Return whether the venue should be asked about ``order`` now."""
        client_id = order.intent.client_id
        asked_ns = self._asked_ns.get(client_id)
        if asked_ns is not None:
            return now_ns >= asked_ns + ASK_AGAIN_NS
        if order.state is OrderState.UNKNOWN:
            return True
        if order.state is OrderState.SENT:
            return now_ns >= order.sent_ns + _ANSWER_DUE_NS
        if order.state is OrderState.CANCELLING:
            return now_ns >= order.cancel_sent_ns + _ANSWER_DUE_NS
        return False


def may_still_arrive(order: TrackedOrder, now_ns: int) -> bool:
    """Return whether a request for ``order`` may yet reach the venue's book."""
    return order.venue_id is None and now_ns - order.sent_ns < ARRIVES_WITHIN_NS
