"""Compare what a strategy wants to have with what rests, and say what to do.

The same comparison serves a running strategy, a restart (orders found at the
venue are compared like any other) and a preview of changed parameters.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from obiterm.core.values import OrderKind, OrderRole, OrderState
from obiterm.strategies.base import Wish
from obiterm.trading.order_states import TrackedOrder

_SETTLED = frozenset({OrderState.OPEN, OrderState.PARTIAL})
_PROTECTIVE = frozenset({OrderRole.STOP, OrderRole.TAKE_PROFIT})


class Difference(msgspec.Struct, frozen=True):
    """What has to change so that the venue holds what is wished."""

    keep: tuple[TrackedOrder, ...]
    cancel: tuple[TrackedOrder, ...]
    place: tuple[Wish, ...]
    waiting: tuple[Wish, ...]
    """Wishes that cannot go out yet: an order under the same tag, or coins, are still bound."""


def compare(wishes: Iterable[Wish], live: Iterable[TrackedOrder]) -> Difference:
    """Return the difference between ``wishes`` and the live orders of one owner.

    ``live`` holds only orders that are not final. An order whose outcome or cancel
    is pending blocks its tag, so that an intent has at most one live order (T7).
    """
    wanted = _effective(wishes)
    by_tag = {order.intent.tag: order for order in live}
    exiting = any(wish.role is OrderRole.EXIT for wish in wanted)
    keep: list[TrackedOrder] = []
    cancel: list[TrackedOrder] = []
    place: list[Wish] = []
    waiting: list[Wish] = []
    tags = set()
    for wish in wanted:
        tags.add(wish.tag)
        order = by_tag.get(wish.tag)
        if order is None:
            blocked = exiting and any(o.intent.tag != wish.tag for o in by_tag.values())
            (waiting if blocked else place).append(wish)
        elif order.state not in _SETTLED:
            waiting.append(wish)
        elif satisfies(order, wish):
            keep.append(order)
        else:
            cancel.append(order)
            waiting.append(wish)
    cancel.extend(
        order for tag, order in by_tag.items() if tag not in tags and order.state in _SETTLED
    )
    return Difference(tuple(keep), tuple(cancel), tuple(place), tuple(waiting))


def satisfies(order: TrackedOrder, wish: Wish) -> bool:
    """Return whether a resting order already is what ``wish`` asks for."""
    intent = order.intent
    if intent.side is not wish.side or intent.kind is not wish.kind:
        return False
    if intent.lots - order.filled_lots != wish.lots:
        return False
    if wish.kind is OrderKind.STOP_MARKET:
        return abs(intent.trigger_ticks - wish.trigger_ticks) <= wish.tolerance_ticks
    return abs(intent.price_ticks - wish.price_ticks) <= wish.tolerance_ticks


def _effective(wishes: Iterable[Wish]) -> list[Wish]:
    """Drop protective wishes while an exit is wanted: both would sell the same coins (T45)."""
    wanted = list(wishes)
    if any(wish.role is OrderRole.EXIT for wish in wanted):
        return [wish for wish in wanted if wish.role not in _PROTECTIVE]
    return wanted
