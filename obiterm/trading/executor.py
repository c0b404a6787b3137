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
    is pending blocks its tag, so that an intent has at most one live order (T7); of
    several under one tag, as a storm or a restart can leave them, one stays (T51).
    """
    wanted = _effective(wishes)
    live = list(live)
    if not live:
        return Difference((), (), tuple(wanted), ())
    by_tag: dict[str, list[TrackedOrder]] = {}
    for order in live:
        by_tag.setdefault(order.intent.tag, []).append(order)
    keep: list[TrackedOrder] = []
    cancel: list[TrackedOrder] = []
    place: list[Wish] = []
    waiting: list[Wish] = []
    tags = set()
    for wish in wanted:
        tags.add(wish.tag)
        orders = by_tag.get(wish.tag)
        if orders is None:
            (waiting if _binds_coins(wish, by_tag) else place).append(wish)
            continue
        settled = [order for order in orders if order.state in _SETTLED]
        fitting = next((order for order in settled if satisfies(order, wish)), None)
        cancel.extend(order for order in settled if order is not fitting)
        if fitting is None:
            waiting.append(wish)
        else:
            keep.append(fitting)
    for tag, orders in by_tag.items():
        if tag not in tags:
            cancel.extend(order for order in orders if order.state in _SETTLED)
    return Difference(tuple(keep), tuple(cancel), tuple(place), tuple(waiting))


def _binds_coins(wish: Wish, by_tag: dict[str, list[TrackedOrder]]) -> bool:
    """Return whether an exit has to wait for orders that would sell the same coins (T45)."""
    return wish.role is OrderRole.EXIT and any(
        order.intent.side is wish.side
        for tag, orders in by_tag.items()
        if tag != wish.tag
        for order in orders
    )


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
