"""User data events of Binance futures as our events (binance.md §11.3)."""

from __future__ import annotations

from obiterm.core.events import AccountEvent, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, ClientOrderId, OrderState, VenueOrderId
from obiterm.venues.binance.futures.conditional import Conditional, kind_of
from obiterm.venues.binance.futures.messages import AlgoReply
from obiterm.venues.binance.futures.order_fields import POST_ONLY
from obiterm.venues.binance.futures.stream_messages import (
    AlgoUpdate,
    OrderTradeUpdate,
    OrderUpdate,
)
from obiterm.venues.binance.futures.translate import (
    WOULD_TAKE,
    Translator,
    algo_state,
    lots_or_0,
    refusal_of,
    side_of,
    state_of,
    would_take,
)
from obiterm.venues.common.scale import decimal, exact_lots, lots_down, near_ticks

_CLOSED_BY_VENUE = frozenset({"NEW_INSURANCE", "NEW_ADL"})
"""Status of a liquidation that the insurance fund or other traders take over."""

_TRADES = frozenset({"TRADE", "CALCULATED"})
"""Executions that may carry a fill; CALCULATED is a liquidation."""

REASONS = {
    "1": "self-trade prevented",
    "2": "rest of an immediate order",
    "3": "rest of an immediate order, self-trade prevented",
    "4": "a better reduce-only order came, or it would have reversed the position",
    "5": "liquidation",
    "6": "its position is gone",
    "7": "delisted",
    "8": "its stop fired",
    "9": "rest of a market order",
}
"""Meaning of ``er`` (§11.3)."""

_STOP_FIRED = "8"
"""The waiting order ended because it fired: what it became lives on."""


class StreamTranslator(Translator):
    """Turns user data events of one account into ours."""

    def order_update(self, update: OrderTradeUpdate, received_ns: int) -> list[AccountEvent]:
        """Return the fill, if there is one, and then the order's state."""
        told = update.order
        instrument = self.instrument(told.symbol)
        if instrument is None:
            return []
        event_ns = update.transaction_ms * NS_PER_MS
        report = self._report(told, instrument, event_ns, received_ns)
        fill = _fill(told, report, instrument)
        return [report] if fill is None else [fill, report]

    def algo_update(self, update: AlgoUpdate, received_ns: int) -> list[AccountEvent]:
        """Return the state of a conditional order, linked to the order that it became."""
        told = update.order
        instrument = self.instrument(told.symbol)
        if instrument is None:
            return []
        reply = AlgoReply(
            algo_id=told.algo_id,
            client_algo_id=told.client_id,
            symbol=told.symbol,
            side=told.side,
            order_type=told.type,
            quantity=told.quantity,
            price=told.price,
            trigger_price=told.trigger_price,
            close_position=told.close_position,
            reduce_only=told.reduce_only,
            actual_order_id=told.order_id,
        )
        stop = self._of_stream(reply, received_ns)
        if stop is None:
            return []
        executed = lots_or_0(instrument, told.executed, "aq")
        stop.told(algo_state(told.status, stop, executed), executed, received_ns)
        ended = stop.state in (OrderState.REJECTED, OrderState.EXPIRED)
        text = told.reason if ended else ""
        event_ns = update.transaction_ms * NS_PER_MS
        return [stop.report(event_ns, received_ns, text=text)]

    def _report(
        self, told: OrderUpdate, instrument: Instrument, event_ns: int, received_ns: int
    ) -> OrderReported:
        lots = lots_down(instrument, told.quantity, "q")
        filled = lots_down(instrument, told.filled_quantity, "z")
        state = _order_state(told.status, lots, filled)
        reason = "" if str(told.expiry_reason) == "0" else str(told.expiry_reason)
        text = REASONS.get(reason, "")
        if reason == _STOP_FIRED and state is OrderState.EXPIRED:
            state = OrderState.OPEN
        if not reason and would_take(state, told.time_in_force, filled):
            reason, text = POST_ONLY, WOULD_TAKE
        stop = self.conditional_of(str(told.order_id), told.client_id)
        if stop is not None:
            stop.lots = stop.lots or lots
            stop.told(state, filled, received_ns)
            return stop.report(event_ns, received_ns, code=reason, text=text)
        return OrderReported(
            symbol=instrument.symbol,
            client_id=ClientOrderId(told.client_id),
            venue_id=VenueOrderId(str(told.order_id)),
            state=state,
            side=side_of(told.side),
            kind=kind_of(told.original_type or told.type),
            lots=lots,
            filled_lots=filled,
            price_ticks=near_ticks(instrument, told.price, "p"),
            trigger_ticks=near_ticks(instrument, told.stop_price, "sp"),
            event_ns=event_ns,
            received_ns=received_ns,
            code=reason,
            text=text,
            refusal=refusal_of(told.status, reason),
        )

    def _of_stream(self, reply: AlgoReply, received_ns: int) -> Conditional | None:
        known = self.conditionals.of_client(reply.client_algo_id)
        if known is None:
            return self.learn(reply, received_ns)
        self.conditionals.name(known, str(reply.algo_id))
        self.conditionals.fire(known, str(reply.actual_order_id or ""))
        return known


def _order_state(status: str, lots: int, filled: int) -> OrderState:
    if status in _CLOSED_BY_VENUE:
        return OrderState.FILLED if filled >= lots else OrderState.OPEN
    return state_of(status)


def _fill(told: OrderUpdate, report: OrderReported, instrument: Instrument) -> Filled | None:
    """Return the execution in an update; None when it carries none."""
    if told.execution not in _TRADES or told.trade_id <= 0:
        return None
    lots = exact_lots(instrument, told.last_quantity, "l")
    if not lots:
        return None
    return Filled(
        symbol=instrument.symbol,
        client_id=report.client_id,
        venue_id=VenueOrderId(str(told.order_id)),
        trade_id=told.trade_id,
        side=report.side,
        price_ticks=near_ticks(instrument, told.last_price, "L"),
        lots=lots,
        fee=decimal(told.commission or "0", "n"),
        fee_asset=told.commission_asset or "",
        is_maker=told.is_maker,
        event_ns=report.event_ns,
        received_ns=report.received_ns,
    )
