"""Orders on their way out: wished, approved, refused."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)


class OrderIntent(msgspec.Struct, frozen=True, tag=True):
    """An order that somebody (a strategy, a human, the panic path) wants.

    ``client_id`` is made by the kernel from the run's prefix and a counter.
    """

    client_id: ClientOrderId
    symbol: Symbol
    side: Side
    kind: OrderKind
    lots: int
    role: OrderRole
    owner: str
    """Strategy instance name, ``manual`` or ``panic``."""
    tag: str = ""
    """The owner's own name for this order, e.g. ``entry``; at most one live order per tag."""
    price_ticks: int = 0
    """Limit price; 0 for market and stop orders."""
    trigger_ticks: int = 0
    """Trigger price of a stop; else 0."""
    post_only: bool = False
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC


class ApprovedOrder(msgspec.Struct, frozen=True, tag=True):
    """An intent that passed the risk gate. Only ``trading.risk`` may construct it."""

    intent: OrderIntent
    approved_ns: int


class RehearsedOrder(msgspec.Struct, frozen=True, tag=True):
    """An intent that walks the order path so that the path is quick, and never leaves.

    A type of its own: nothing that writes to a venue takes it (``require_approved``).
    """

    intent: OrderIntent
    approved_ns: int


BuildableOrder = ApprovedOrder | RehearsedOrder
"""What can be put into a venue's words; only the first may be sent."""


def require_approved(order: ApprovedOrder) -> None:
    """Raise ``TypeError`` for anything but an approved order, whatever type checkers were told."""
    if type(order) is not ApprovedOrder:
        raise TypeError(f"{type(order).__name__} is no approved order: nothing was sent")


class RefusedOrder(msgspec.Struct, frozen=True, tag=True):
    """An intent that did not pass, with the limit that stopped it."""

    intent: OrderIntent
    limit: str
    """Name of the limit, e.g. ``max_order_notional``."""
    reason: str
    """One line with the limit's value and the attempt."""


class LiveOrder(msgspec.Struct, frozen=True):
    """The venue's word on one order that rests there."""

    symbol: Symbol
    client_id: ClientOrderId
    venue_id: VenueOrderId
    side: Side
    kind: OrderKind
    lots: int
    filled_lots: int
    price_ticks: int
    trigger_ticks: int
    created_ns: int
    reduce_only: bool = False
    post_only: bool = False


class ListedOrder(msgspec.Struct, frozen=True):
    """One open order of the account on any market, in the venue's own figures."""

    symbol: Symbol
    name: str
    """Our id, or the venue's where the order has none of ours."""
    side: str
    quantity: str


class ListedPosition(msgspec.Struct, frozen=True):
    """One open perpetual position of the account on any market."""

    symbol: Symbol
    quantity: Decimal
    """Signed: negative short."""
    leg: str = ""
    """``LONG`` or ``SHORT`` in hedge mode."""
