"""Make our book-keeping of an order from the venue's word, after a restart or a lost reply."""

from __future__ import annotations

from collections.abc import Iterable

from obiterm.core.events import Filled, OrderReported
from obiterm.core.orders import LiveOrder, OrderIntent
from obiterm.core.values import OrderKind, OrderState
from obiterm.trading.ids import IdParts, read_client_id, short_name
from obiterm.trading.order_states import TrackedOrder

MANUAL = "manual"
PANIC = "panic"


class Adopter:
    """Knows the owners of an account by the short names that stand in order ids."""

    def __init__(self, owners: Iterable[str]) -> None:
        self._owners: dict[str, str] = {}
        for owner in (*owners, MANUAL, PANIC):
            other = self._owners.setdefault(short_name(owner), owner)
            if other != owner:
                raise ValueError(f"{owner!r} and {other!r} have the same short name")

    def from_report(self, event: OrderReported) -> TrackedOrder | None:
        """Return an order that only the venue knew; ``None`` when it is foreign."""
        return self._made(event, event.price_ticks, event.trigger_ticks)

    def from_list(self, live: LiveOrder) -> TrackedOrder | None:
        """Return an order of the venue's open list; ``None`` when it is foreign."""
        return self._made(live, live.price_ticks, live.trigger_ticks, live.reduce_only)

    def from_fill(self, fill: Filled) -> TrackedOrder | None:
        """Return a stand-in for an order of which only a fill is known.

        Its size is that of the fill until the venue tells the order itself.
        """
        parts = read_client_id(fill.client_id)
        if parts is None:
            return None
        order = self._tracked(
            OrderIntent(
                client_id=fill.client_id,
                symbol=fill.symbol,
                side=fill.side,
                kind=OrderKind.LIMIT,
                lots=fill.lots,
                role=parts.role,
                owner=self._owner(parts),
                tag=parts.tag,
                price_ticks=fill.price_ticks,
            )
        )
        order.venue_id = fill.venue_id
        return order

    def _made(
        self,
        told: OrderReported | LiveOrder,
        price_ticks: int,
        trigger_ticks: int,
        reduce_only: bool = False,
    ) -> TrackedOrder | None:
        parts = read_client_id(told.client_id)
        if parts is None:
            return None
        return self._tracked(
            OrderIntent(
                client_id=told.client_id,
                symbol=told.symbol,
                side=told.side,
                kind=told.kind,
                lots=told.lots,
                role=parts.role,
                owner=self._owner(parts),
                tag=parts.tag,
                price_ticks=price_ticks,
                trigger_ticks=trigger_ticks,
                reduce_only=reduce_only,
            )
        )

    def _owner(self, parts: IdParts) -> str:
        """Return the owner; what belongs to a strategy that is gone is a human's to see to."""
        return self._owners.get(parts.owner, MANUAL)

    @staticmethod
    def _tracked(intent: OrderIntent) -> TrackedOrder:
        return TrackedOrder(intent=intent, state=OrderState.UNKNOWN)


def as_live(event: OrderReported) -> LiveOrder:
    """Return a report of an order that rests, as the open list would tell it."""
    return LiveOrder(
        symbol=event.symbol,
        client_id=event.client_id,
        venue_id=event.venue_id,
        side=event.side,
        kind=event.kind,
        lots=event.lots,
        filled_lots=event.filled_lots,
        price_ticks=event.price_ticks,
        trigger_ticks=event.trigger_ticks,
        created_ns=event.event_ns,
    )
