"""What the venue remembers of an order beside what its core matches."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, Order, Origin, PositionSide, TriggerBy
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.filters import ALGO_KINDS, MARKET_KINDS

TRIGGER_WORDS = {
    TriggerBy.LAST: "LastPrice",
    TriggerBy.MARK: "MarkPrice",
    TriggerBy.INDEX: "IndexPrice",
}
TRIGGERS = {word: kind for kind, word in TRIGGER_WORDS.items()}
IDX = {PositionSide.BOTH: 0, PositionSide.LONG: 1, PositionSide.SHORT: 2}
NO_LINK = "~"
"""First letter of client ids that the exchange made: they show as an empty orderLinkId."""


class Exits(msgspec.Struct, frozen=True):
    """Take-profit and stop-loss that an entry brings along; 0 = none."""

    take_profit: Decimal = Decimal(0)
    stop_loss: Decimal = Decimal(0)
    take_by: TriggerBy = TriggerBy.LAST
    stop_by: TriggerBy = TriggerBy.LAST
    partial: bool = False

    @property
    def wanted(self) -> bool:
        """True when there is one."""
        return bool(self.take_profit or self.stop_loss)


NO_EXITS = Exits()


class Memo(msgspec.Struct):
    """The venue's own notes on one order. Mutable."""

    category: Category
    order_type: str = "Limit"
    tif: str = "GTC"
    quote_text: str = ""
    """The quote amount that a spot market order asked for, as sent."""
    market_unit: str = ""
    trigger_direction: int = 0
    order_filter: str = "Order"
    stop_type: str = ""
    reduce_only: bool = False
    close_on_trigger: bool = False
    smp_type: str = "None"
    exits: Exits = NO_EXITS
    create_type: str = "CreateByUser"
    last_price: str = ""
    reject_reason: str = ""
    """Set where the venue ended the order before its core ever saw it."""
    fees: dict[str, Decimal] = msgspec.field(default_factory=dict)
    closed_pnl: Decimal = Decimal(0)


def waits(order: Order) -> bool:
    """True while an order waits for its trigger."""
    return order.kind in ALGO_KINDS and not order.triggered


def memo_of_house(order: Order, category: Category) -> Memo:
    """Describe an order that nobody asked for: the venue closes a position."""
    liquidates = order.origin is Origin.LIQUIDATION
    return Memo(
        category,
        order_type="Market" if order.kind in MARKET_KINDS else "Limit",
        tif="IOC" if order.kind in MARKET_KINDS else order.tif.value,
        reduce_only=order.reduces,
        create_type="CreateByLiq" if liquidates else "CreateByUser",
    )


def rises(kind: Kind, side: Side) -> bool:
    """Tell whether a waiting order fires when the price rises to its trigger."""
    return (kind in (Kind.STOP_MARKET, Kind.STOP_LIMIT)) == (side is Side.BUY)


def trigger_kind(side: Side, *, rising: bool, market: bool) -> Kind:
    """Return the core's order type for a direction (bybit.md §5.1)."""
    is_stop = rising == (side is Side.BUY)
    if market:
        return Kind.STOP_MARKET if is_stop else Kind.TAKE_PROFIT_MARKET
    return Kind.STOP_LIMIT if is_stop else Kind.TAKE_PROFIT_LIMIT
