"""Orders of Binance futures as events, with exact numbers (binance.md §10, §11.3).

Replies of REST and the WebSocket API; ``stream_translate`` adds the stream. All report a
conditional order under our one id. Orders on markets that the account does not trade are
left out: their ticks and lots are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.core.errors import DataError
from obiterm.core.events import AccountEvent, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderState,
    RefusalKind,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.binance.futures.conditional import Conditional, ConditionalOrders, kind_of
from obiterm.venues.binance.futures.messages import AlgoReply, OrderReply, TradeRow
from obiterm.venues.binance.futures.order_fields import POST_ONLY
from obiterm.venues.binance.futures.symbols import by_name
from obiterm.venues.common.scale import decimal, exact_lots, lots_down, near_ticks

_STATES = {
    "NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTIAL,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
_ALGO_STATES = {
    "NEW": OrderState.OPEN,
    "TRIGGERING": OrderState.OPEN,
    "TRIGGERED": OrderState.OPEN,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
}
_FINISHED = "FINISHED"

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}

WOULD_TAKE = "post-only order would have taken"
SELF_TRADE_REASONS = frozenset({"1", "3"})
"""Values of ``er`` of an order that met one of our own (§11.3)."""
_MET_OWN = "EXPIRED_IN_MATCH"


class Translator:
    """Turns payloads of one account into events."""

    def __init__(
        self, instruments: Mapping[Symbol, Instrument], conditionals: ConditionalOrders
    ) -> None:
        self.conditionals = conditionals
        self._by_name = by_name(instruments)

    def instrument(self, name: str) -> Instrument | None:
        """Return the instrument of a venue's name; None when the account does not trade it."""
        return self._by_name.get(name)

    # ── replies ─────────────────────────────────────────────────────────────

    def order(self, reply: OrderReply, received_ns: int) -> list[AccountEvent]:
        """Return the state in an order reply; nothing when it tells none."""
        instrument = self.instrument(reply.symbol)
        if instrument is None or not reply.status:
            return []
        state = state_of(reply.status)
        filled = lots_down(instrument, reply.executed_qty, "executedQty")
        event_ns = (reply.update_time or reply.time) * NS_PER_MS
        order_id = str(reply.order_id)
        stop = self.conditional_of(order_id, reply.client_order_id)
        if stop is not None:
            stop.told(state, filled, received_ns)
            return [stop.report(event_ns, received_ns)]
        crossed = would_take(state, reply.time_in_force, filled)
        return [
            OrderReported(
                symbol=instrument.symbol,
                client_id=ClientOrderId(reply.client_order_id),
                venue_id=VenueOrderId(order_id),
                state=state,
                side=side_of(reply.side),
                kind=kind_of(reply.orig_type or reply.type),
                lots=lots_down(instrument, reply.orig_qty, "origQty"),
                filled_lots=filled,
                price_ticks=near_ticks(instrument, reply.price, "price"),
                trigger_ticks=near_ticks(instrument, reply.stop_price, "stopPrice"),
                event_ns=event_ns,
                received_ns=received_ns,
                code=POST_ONLY if crossed else "",
                text=WOULD_TAKE if crossed else "",
                refusal=refusal_of(reply.status, POST_ONLY if crossed else ""),
            )
        ]

    def algo(self, reply: AlgoReply, received_ns: int) -> list[AccountEvent]:
        """Return the state of a conditional order; nothing when the market is unknown."""
        stop = self.learn(reply, received_ns)
        if stop is None:
            return []
        event_ns = (reply.update_time or reply.create_time) * NS_PER_MS
        return [stop.report(event_ns, received_ns)]

    def algo_cancelled(self, reply: AlgoReply, received_ns: int) -> list[AccountEvent]:
        """Return the end of a conditional order that was cancelled before it fired."""
        stop = self.conditionals.of_algo(str(reply.algo_id))
        stop = stop or self.conditionals.of_client(reply.client_algo_id)
        if stop is None:
            return []
        self.conditionals.name(stop, str(reply.algo_id))
        stop.told(OrderState.CANCELLED, 0, received_ns)
        return [stop.report(received_ns, received_ns)]

    def learn(self, reply: AlgoReply, received_ns: int) -> Conditional | None:
        """Take a conditional order as the venue tells it, with the order that it became."""
        instrument = self.instrument(reply.symbol)
        if instrument is None or not reply.client_algo_id:
            return None
        stop = self.conditionals.of_client(reply.client_algo_id)
        if stop is None:
            stop = Conditional(
                symbol=instrument.symbol,
                client_id=ClientOrderId(reply.client_algo_id),
                side=side_of(reply.side),
                kind=kind_of(reply.kind),
                lots=lots_or_0(instrument, reply.quantity, "quantity"),
                price_ticks=_ticks(instrument, reply.price, "price"),
                trigger_ticks=_ticks(instrument, reply.trigger_price, "triggerPrice"),
                created_ns=reply.create_time * NS_PER_MS,
                reduce_only=reply.reduce_only or reply.close_position,
            )
            self.conditionals.add(stop)
        self.conditionals.name(stop, str(reply.algo_id))
        self.conditionals.fire(stop, str(reply.actual_order_id or ""))
        stop.told(algo_state(reply.algo_status, stop, 0), 0, received_ns)
        return stop

    def live_orders(
        self, replies: list[OrderReply], algos: list[AlgoReply], received_ns: int
    ) -> list[LiveOrder]:
        """Return the open orders of both books on the markets we know, everybody's.

        A conditional order that fired is listed once, as the normal order under our id.
        """
        stops = [self.learn(reply, received_ns) for reply in algos]
        live = [order for order in map(self._live, replies) if order is not None]
        normal = {order.client_id for order in live}
        live += [
            _live_stop(stop)
            for stop in stops
            if stop is not None and not stop.state.is_final and stop.client_id not in normal
        ]
        return live

    def trades(
        self,
        rows: list[TradeRow],
        client_ids: Mapping[VenueOrderId, ClientOrderId],
        received_ns: int,
    ) -> list[Filled]:
        """Return rows of userTrades as fills.

        The venue leaves the client id out: it comes from a conditional order that fired,
        else from ``client_ids``, and is empty for orders that are in neither.
        """
        fills: list[Filled] = []
        for row in rows:
            instrument = self.instrument(row.symbol)
            if instrument is None:
                continue
            venue_id = VenueOrderId(str(row.order_id))
            stop = self.conditionals.of_order(venue_id)
            known = stop.client_id if stop is not None else client_ids.get(venue_id)
            fills.append(
                Filled(
                    symbol=instrument.symbol,
                    client_id=known or ClientOrderId(""),
                    venue_id=venue_id,
                    trade_id=row.id,
                    side=side_of(row.side),
                    price_ticks=near_ticks(instrument, row.price, "price"),
                    lots=exact_lots(instrument, row.qty, "qty"),
                    fee=decimal(row.commission, "commission"),
                    fee_asset=row.commission_asset,
                    is_maker=row.maker,
                    event_ns=row.time * NS_PER_MS,
                    received_ns=received_ns,
                )
            )
        return fills

    # ── inside ──────────────────────────────────────────────────────────────

    def conditional_of(self, order_id: str, client_id: str) -> Conditional | None:
        """Return the conditional order that a normal order stands for, and link the two.

        Others report that the normal order carries the same client id; the venue promises
        nothing, so the id that ``ALGO_UPDATE`` tells counts as well.
        """
        stop = self.conditionals.of_order(order_id)
        if stop is None:
            stop = self.conditionals.of_client(client_id)
            if stop is not None:
                self.conditionals.fire(stop, order_id)
        return stop

    def _live(self, reply: OrderReply) -> LiveOrder | None:
        instrument = self.instrument(reply.symbol)
        if instrument is None:
            return None
        stop = self.conditional_of(str(reply.order_id), reply.client_order_id)
        return LiveOrder(
            symbol=instrument.symbol,
            client_id=stop.client_id if stop else ClientOrderId(reply.client_order_id),
            venue_id=VenueOrderId(str(reply.order_id)),
            side=side_of(reply.side),
            kind=stop.kind if stop else kind_of(reply.orig_type or reply.type),
            lots=lots_down(instrument, reply.orig_qty, "origQty"),
            filled_lots=lots_down(instrument, reply.executed_qty, "executedQty"),
            price_ticks=near_ticks(instrument, reply.price, "price"),
            trigger_ticks=(
                stop.trigger_ticks
                if stop
                else near_ticks(instrument, reply.stop_price, "stopPrice")
            ),
            created_ns=reply.time * NS_PER_MS,
            reduce_only=reply.reduce_only or reply.close_position,
            post_only=reply.time_in_force == POST_ONLY,
        )


def side_of(text: str) -> Side:
    """Read a side; raise ``DataError`` for anything but BUY and SELL."""
    side = _SIDES.get(text)
    if side is None:
        raise DataError(f"side = {text!r} is neither BUY nor SELL")
    return side


def state_of(status: str) -> OrderState:
    """Read a status; UNKNOWN for values that the venue added."""
    return _STATES.get(status, OrderState.UNKNOWN)


def would_take(state: OrderState, time_in_force: str, filled: int) -> bool:
    """Tell whether a post-only order ended because it would have taken (§10.1)."""
    return state is OrderState.EXPIRED and time_in_force == POST_ONLY and not filled


def refusal_of(status: str, reason: str) -> RefusalKind:
    """Say why an order ended unfilled; ``reason`` is ``er`` or ``POST_ONLY`` (§11.3)."""
    if reason == POST_ONLY:
        return RefusalKind.WOULD_TAKE
    met_own = status == _MET_OWN or reason in SELF_TRADE_REASONS
    return RefusalKind.SELF_TRADE if met_own else RefusalKind.ORDER


def algo_state(status: str, stop: Conditional, executed: int) -> OrderState:
    """Return the state of a conditional order.

    FINISHED does not say whether the normal order filled or was cancelled: filled to its
    size it is known, else what the normal order's own events said stands, else it is
    UNKNOWN and must be asked for.
    """
    if status != _FINISHED:
        return _ALGO_STATES.get(status, OrderState.UNKNOWN)
    if stop.state.is_final:
        return stop.state
    filled = max(executed, stop.filled_lots)
    return OrderState.FILLED if filled and filled >= stop.lots else OrderState.UNKNOWN


def _live_stop(stop: Conditional) -> LiveOrder:
    return LiveOrder(
        symbol=stop.symbol,
        client_id=stop.client_id,
        venue_id=stop.venue_id,
        side=stop.side,
        kind=stop.kind,
        lots=stop.lots,
        filled_lots=stop.filled_lots,
        price_ticks=stop.price_ticks,
        trigger_ticks=stop.trigger_ticks,
        created_ns=stop.created_ns,
        reduce_only=stop.reduce_only,
    )


def lots_or_0(instrument: Instrument, text: str | None, field: str) -> int:
    """Return the lots of a quantity that may be missing or empty."""
    return lots_down(instrument, text, field) if text else 0


def _ticks(instrument: Instrument, text: str | None, field: str) -> int:
    return near_ticks(instrument, text, field) if text else 0
