"""What an account knows of its conditional orders: one order to us, two at the venue (§10.4).

A stop is placed in the Algo service under ``clientAlgoId`` and gets an ``algoId``. When it
fires, a normal order with another id appears. Everything that happens to either is reported
under our one id; this is the place that links them. Shared by the sessions, the REST codec
and the request builders of one account. Bounded: the oldest orders that ended are forgotten.

Venue ids of the two books are kept apart: an order of the Algo service is ``algo-<id>``.
"""

from __future__ import annotations

import msgspec

from obiterm.core.events import OrderReported
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import (
    NS_PER_S,
    ClientOrderId,
    OrderKind,
    OrderState,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.binance.futures.order_fields import AlgoOrder

READS_LAG_NS = 10 * NS_PER_S
"""So long after its last sign of life "no such order" proves nothing about a conditional
order: the venue's reads lag under load (§10.4, §15)."""

_ALGO_MARK = "algo-"
_KEPT = 10_000


def kind_of(order_type: str) -> OrderKind:
    """Return the kind of a venue's order type; a trigger with a limit price is a LIMIT."""
    if order_type == "MARKET":
        return OrderKind.MARKET
    if order_type.endswith("_MARKET"):
        return OrderKind.STOP_MARKET
    return OrderKind.LIMIT


def algo_venue_id(algo_id: str) -> VenueOrderId:
    """Return the venue id under which an order of the Algo service is known to us."""
    return VenueOrderId(_ALGO_MARK + algo_id)


def read_algo_id(venue_id: VenueOrderId | None) -> str:
    """Return the ``algoId`` in a venue id; empty for an order of the matching engine."""
    if venue_id is None or not venue_id.startswith(_ALGO_MARK):
        return ""
    return venue_id.removeprefix(_ALGO_MARK)


class Conditional(msgspec.Struct):
    """One conditional order, through its trigger to its end."""

    symbol: Symbol
    client_id: ClientOrderId
    side: Side
    kind: OrderKind
    lots: int
    """0 while it closes a position whose size is not known yet."""
    price_ticks: int
    trigger_ticks: int
    algo_id: str = ""
    order_id: str = ""
    """Id of the normal order, once it fired."""
    filled_lots: int = 0
    state: OrderState = OrderState.SENT
    seen_ns: int = 0
    """Our time of the venue's last word on it."""
    created_ns: int = 0
    reduce_only: bool = False

    @property
    def venue_id(self) -> VenueOrderId:
        """The id of what lives at the venue now."""
        if self.order_id:
            return VenueOrderId(self.order_id)
        return algo_venue_id(self.algo_id) if self.algo_id else VenueOrderId("")

    @property
    def fired(self) -> bool:
        """True once a normal order stands for it."""
        return bool(self.order_id)

    def told(self, state: OrderState, filled_lots: int, received_ns: int) -> None:
        """Take the venue's word. An end stays an end, unless it is a fill; fills only grow."""
        self.filled_lots = max(self.filled_lots, filled_lots)
        self.lots = max(self.lots, self.filled_lots)
        self.seen_ns = max(self.seen_ns, received_ns)
        if not self.state.is_final or state is OrderState.FILLED:
            self.state = state

    def report(
        self, event_ns: int, received_ns: int, *, code: str = "", text: str = ""
    ) -> OrderReported:
        """Return what is known of it now as an event under our id."""
        state = self.state
        if state is OrderState.OPEN and self.filled_lots:
            state = OrderState.PARTIAL
        return OrderReported(
            symbol=self.symbol,
            client_id=self.client_id,
            venue_id=self.venue_id,
            state=state,
            side=self.side,
            kind=self.kind,
            lots=self.lots,
            filled_lots=self.filled_lots,
            price_ticks=self.price_ticks,
            trigger_ticks=self.trigger_ticks,
            event_ns=event_ns,
            received_ns=received_ns,
            code=code,
            text=text,
        )


class Home(msgspec.Struct, frozen=True):
    """The book that an order lives in now, and its id there."""

    is_algo: bool
    algo_id: str = ""
    """Empty when only our id is known."""
    order_id: VenueOrderId | None = None


class ConditionalOrders:
    """All conditional orders of one account that we were told of."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._by_client: dict[ClientOrderId, Conditional] = {}
        self._by_algo: dict[str, Conditional] = {}
        self._by_order: dict[str, Conditional] = {}
        self._plain: dict[ClientOrderId, None] = {}

    def __len__(self) -> int:
        return len(self._by_client)

    # ── what we send ────────────────────────────────────────────────────────

    def sending(self, order: AlgoOrder) -> None:
        """Remember a conditional order that is on its way, before any answer."""
        if not order.client_id or order.client_id in self._by_client:
            return
        self.add(
            Conditional(
                symbol=order.symbol,
                client_id=order.client_id,
                side=order.side,
                kind=kind_of(order.type),
                lots=order.lots,
                price_ticks=order.price_ticks,
                trigger_ticks=order.trigger_ticks,
                reduce_only=order.reduce_only or order.close_position,
            )
        )

    def sending_plain(self, order: ApprovedOrder) -> None:
        """Remember that an id of ours is no conditional order."""
        self._plain[order.intent.client_id] = None
        if len(self._plain) > self._kept:
            del self._plain[next(iter(self._plain))]

    # ── what the venue tells ────────────────────────────────────────────────

    def add(self, order: Conditional) -> None:
        """Know one more."""
        self._by_client[order.client_id] = order
        self._index(order)
        if len(self._by_client) > self._kept:
            self._forget_one()

    def name(self, order: Conditional, algo_id: str) -> None:
        """Take the id that the Algo service gave."""
        if algo_id and not order.algo_id:
            order.algo_id = algo_id
            self._index(order)

    def fire(self, order: Conditional, order_id: str) -> None:
        """Link the normal order that it became."""
        if order_id and order_id != "0" and not order.order_id:
            order.order_id = order_id
            self._index(order)

    # ── looking up ──────────────────────────────────────────────────────────

    def of_client(self, client_id: str) -> Conditional | None:
        """Return the order of our id."""
        return self._by_client.get(ClientOrderId(client_id))

    def of_algo(self, algo_id: str) -> Conditional | None:
        """Return the order of an id of the Algo service."""
        return self._by_algo.get(algo_id)

    def of_order(self, order_id: str) -> Conditional | None:
        """Return the conditional order that a normal order stands for."""
        return self._by_order.get(order_id)

    def find(self, client_id: ClientOrderId, venue_id: VenueOrderId | None) -> Conditional | None:
        """Return an order by either id; None when it is a normal one or unknown."""
        known = self._by_client.get(client_id)
        if known is not None or venue_id is None:
            return known
        algo_id = read_algo_id(venue_id)
        return self._by_algo.get(algo_id) if algo_id else self._by_order.get(str(venue_id))

    def home(self, client_id: ClientOrderId, venue_id: VenueOrderId | None) -> Home:
        """Return where an order lives: a stop that fired is a normal order."""
        stop = self.find(client_id, venue_id)
        if stop is not None:
            order_id = stop.venue_id if stop.fired else None
            return Home(not stop.fired, stop.algo_id, order_id)
        algo_id = read_algo_id(venue_id)
        return Home(bool(algo_id), algo_id, None if algo_id else venue_id)

    def may_have_fired(self, client_id: str, symbol: Symbol, side: Side, lots: int) -> bool:
        """Tell whether an unknown normal order may be one of ours that just fired.

        The venue does not say under which client id that order appears (§10.4).
        """
        if client_id in self._plain:
            return False
        return any(
            order.symbol == symbol
            and order.side is side
            and order.lots in (0, lots)
            and not order.fired
            and not order.state.is_final
            for order in self._by_client.values()
        )

    # ── inside ──────────────────────────────────────────────────────────────

    def _index(self, order: Conditional) -> None:
        if order.algo_id:
            self._by_algo[order.algo_id] = order
        if order.order_id:
            self._by_order[order.order_id] = order

    def _forget_one(self) -> None:
        """Forget the oldest that ended; live ones the venue bounds by itself (200)."""
        for client_id, order in self._by_client.items():
            if order.state.is_final:
                del self._by_client[client_id]
                self._by_algo.pop(order.algo_id, None)
                self._by_order.pop(order.order_id, None)
                return
