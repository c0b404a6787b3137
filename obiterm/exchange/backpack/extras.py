"""What the venue knows of an order and the core does not: attached stops, echoed texts."""

from __future__ import annotations

import msgspec

from obiterm.exchange.api import TriggerBy

TRIGGERS = {
    "LastPrice": TriggerBy.LAST,
    "MarkPrice": TriggerBy.MARK,
    "IndexPrice": TriggerBy.INDEX,
}


class Leg(msgspec.Struct, frozen=True):
    """A stop loss or take profit that is attached to an order (backpack.md §7.2)."""

    trigger_ticks: int
    trigger_by: str = ""
    """As sent; empty: the last price."""
    limit_ticks: int = 0
    """0 = at market."""


class Extras(msgspec.Struct, frozen=True):
    """Fields of one order."""

    trigger_quantity: str = ""
    """As sent: an amount, or a share of the position (``100%``)."""
    trigger_by: str = ""
    quote_quantity: str = ""
    reduce_only: bool | None = None
    as_market: bool = False
    """A market order that the core holds as a bounded one, for its slippage tolerance."""
    slippage: str = ""
    slippage_type: str = ""
    stop_loss: Leg | None = None
    take_profit: Leg | None = None
    related_id: int | None = None
    """The parent of an attached order."""

    @property
    def has_legs(self) -> bool:
        """True when orders are to follow the first fill."""
        return self.stop_loss is not None or self.take_profit is not None


NO_EXTRAS = Extras()
