"""Stop and take-profit orders that wait for a price (binance.md §6.3, §10.4)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.contracts import TriggerBy
from obiterm.exchange.filters import STOP_KINDS
from obiterm.exchange.words import NewOrder, Order


class Prices(msgspec.Struct, frozen=True):
    """What waiting orders look at, in ticks (the mark and the index between them); 0 = none."""

    last: int
    mark: Decimal = Decimal(0)
    index: Decimal = Decimal(0)

    def by(self, trigger_by: TriggerBy) -> int | Decimal:
        """Return the price of a kind."""
        if trigger_by is TriggerBy.LAST:
            return self.last
        return self.mark if trigger_by is TriggerBy.MARK else self.index


def fires(order: Order | NewOrder, prices: Prices) -> bool:
    """Tell whether the price that an order looks at triggers it.

    Stop buys and take-profit sells wait above the market, stop sells and
    take-profit buys below it. The trigger price itself triggers.
    """
    price = prices.by(order.trigger_by)
    if price == 0:
        return False
    waits_above = (order.kind in STOP_KINDS) == (order.side is Side.BUY)
    if waits_above:
        return price >= order.trigger_ticks
    return price <= order.trigger_ticks


class Triggers:
    """Waiting orders of one market, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[int, Order] = {}

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._waiting

    def add(self, order: Order) -> None:
        """Let an order wait."""
        self._waiting[order.order_id] = order

    def remove(self, order_id: int) -> None:
        """Forget an order, waiting or not."""
        self._waiting.pop(order_id, None)

    def next_fired(self, prices: Prices) -> Order | None:
        """Return the oldest order that a price triggers, and stop waiting for it."""
        for order in self._waiting.values():
            if fires(order, prices):
                del self._waiting[order.order_id]
                return order
        return None
