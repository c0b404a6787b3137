"""Stop loss and take profit that follow an order's first fill (backpack.md §7.3).

Each is as large as its parent, closes no more than there is, and ends with the position.
"""

from __future__ import annotations

from collections.abc import Callable

from obiterm.exchange.api import Kind, NewOrder, Order, TriggerBy
from obiterm.exchange.backpack.extras import TRIGGERS, Extras, Leg


def followers(
    parent: Order, extras: Extras, new_client_id: Callable[[], str]
) -> list[tuple[NewOrder, Extras]]:
    """Return the orders that an order's attached fields ask for."""
    made = []
    for leg, kinds in (
        (extras.stop_loss, (Kind.STOP_MARKET, Kind.STOP_LIMIT)),
        (extras.take_profit, (Kind.TAKE_PROFIT_MARKET, Kind.TAKE_PROFIT_LIMIT)),
    ):
        if leg is not None:
            kind = kinds[1] if leg.limit_ticks else kinds[0]
            made.append(_follower(parent, leg, kind, new_client_id()))
    return made


def _follower(parent: Order, leg: Leg, kind: Kind, client_id: str) -> tuple[NewOrder, Extras]:
    order = NewOrder(
        symbol=parent.symbol,
        side=parent.side.opposite,
        kind=kind,
        client_id=client_id,
        lots=parent.lots,
        price_ticks=leg.limit_ticks,
        trigger_ticks=leg.trigger_ticks,
        trigger_by=TRIGGERS.get(leg.trigger_by, TriggerBy.LAST),
        stp=parent.stp,
        reduce_only=True,
        dies_with_position=True,
    )
    remembered = Extras(
        trigger_by=leg.trigger_by,
        reduce_only=True,
        related_id=parent.order_id,
    )
    return order, remembered


def at_once(follower: NewOrder, position_lots: int) -> NewOrder:
    """Return what closes the position now: its trigger has been passed already."""
    return NewOrder(
        symbol=follower.symbol,
        side=follower.side,
        kind=Kind.MARKET,
        client_id=follower.client_id,
        lots=abs(position_lots),
        stp=follower.stp,
        reduce_only=True,
    )
