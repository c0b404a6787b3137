"""Stop and take-profit orders that wait for the last traded price (binance.md §6.3)."""

from __future__ import annotations

from obiterm.core.values import Side
from obiterm.exchange.api import NewOrder, Order
from obiterm.exchange.filters import STOP_KINDS


def fires(order: Order | NewOrder, last_ticks: int) -> bool:
    """Tell whether a last trade at ``last_ticks`` triggers the order.

    Stop buys and take-profit sells wait above the market, stop sells and
    take-profit buys below it. The trigger price itself triggers.
    """
    if last_ticks == 0:
        return False
    waits_above = (order.kind in STOP_KINDS) == (order.side is Side.BUY)
    if waits_above:
        return last_ticks >= order.trigger_ticks
    return last_ticks <= order.trigger_ticks


class Triggers:
    """Waiting orders of one market, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[int, Order] = {}

    def add(self, order: Order) -> None:
        """Let an order wait."""
        self._waiting[order.order_id] = order

    def remove(self, order_id: int) -> None:
        """Forget an order, waiting or not."""
        self._waiting.pop(order_id, None)

    def next_fired(self, last_ticks: int) -> Order | None:
        """Return the oldest order that the price triggers, and stop waiting for it."""
        for order in self._waiting.values():
            if fires(order, last_ticks):
                del self._waiting[order.order_id]
                return order
        return None
