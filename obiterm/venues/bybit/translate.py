"""Orders and executions of Bybit as events, with exact numbers (bybit.md §5.6, §6.1, §9).

Rows of markets that the account does not trade here belong to somebody else and are left
out: their ticks and lots are unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import (
    CancelRefused,
    Filled,
    FundingPaid,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    MarketKind,
    OrderKind,
    OrderState,
    RefusalKind,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.bybit.errors import WOULD_TAKE, classify, hint_for, refusal_kind
from obiterm.venues.bybit.known_orders import KnownOrders
from obiterm.venues.bybit.messages import ExecutionRow, OrderRow, Text
from obiterm.venues.bybit.symbols import known_category, symbol_of
from obiterm.venues.bybit.trade_ids import trade_id
from obiterm.venues.common.refusals import Verdict
from obiterm.venues.common.scale import decimal, exact_lots, lots_down, near_ticks

_STATES = {
    "New": OrderState.OPEN,
    "Created": OrderState.OPEN,
    "Untriggered": OrderState.OPEN,
    "Triggered": OrderState.OPEN,
    "Active": OrderState.OPEN,
    "PartiallyFilled": OrderState.PARTIAL,
    "PendingCancel": OrderState.CANCELLING,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "PartiallyFilledCanceled": OrderState.CANCELLED,
    "Deactivated": OrderState.CANCELLED,
    "Rejected": OrderState.REJECTED,
}
"""A state that is not here is UNKNOWN: the venue adds values, the kernel asks."""

_NO_FILL = frozenset({"EC_NoImmediateQtyToFill", "EC_CancelForNoFullFill"})
_NO_REASON = frozenset({"", "UNKNOWN", "EC_NoError", "EC_PerCancelRequest"})
_BY_SELF = "CancelBySmp"
_REFUSALS = {
    WOULD_TAKE: RefusalKind.WOULD_TAKE,
    _BY_SELF: RefusalKind.SELF_TRADE,
    "EC_BySelfMatch": RefusalKind.SELF_TRADE,
}
_OWN_CANCEL = frozenset({"", "UNKNOWN", "CancelByUser"})

FUNDING = "Funding"
FILLS = frozenset(
    {"Trade", "AdlTrade", "BustTrade", "BlockTrade", "MovePosition", "FutureSpread", "Delivery", ""}
)
"""Kinds of executions that change a position. ``Funding`` is a payment (T35); ``Settle``,
``CorporateAction`` and values to come are neither: the position is asked for instead."""

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_QUOTE = "quoteCoin"


class Translator:
    """Turns rows of one account into events.

    Attributes:
        doubt: why positions should be read again, else empty: an execution was neither a
            fill nor funding. Whoever acts on it clears it.
    """

    def __init__(
        self, instruments: Mapping[Symbol, Instrument], known: KnownOrders | None = None
    ) -> None:
        self.doubt = ""
        self.known = known or KnownOrders()
        self._instruments = instruments

    def instrument(self, category: Text, name: str) -> Instrument | None:
        """Return the instrument of a row; None when it is not traded here."""
        found = known_category(category)
        return None if found is None else self._instruments.get(symbol_of(found, name))

    def order(self, row: OrderRow, category: Text, received_ns: int) -> OrderReported | None:
        """Return the state of one order; ``category`` is the page's, a row's own wins."""
        instrument = self.instrument(row.category or category, row.symbol)
        if instrument is None:
            return None
        client_id = self._client_id(row)
        state, code = _end(row)
        kind = _kind(row)
        filled = lots_down(instrument, row.cum_exec_qty or "0", "cumExecQty")
        is_waiting = row.order_status == "Untriggered"
        if instrument.kind is MarketKind.SPOT and kind is OrderKind.STOP_MARKET:
            (self.known.mark_spot_stop if is_waiting else self.known.unmark_spot_stop)(client_id)
        return OrderReported(
            symbol=instrument.symbol,
            client_id=client_id,
            venue_id=VenueOrderId(row.order_id),
            state=state,
            side=side_of(row.side),
            kind=kind,
            lots=_ordered_lots(instrument, row, filled),
            filled_lots=filled,
            price_ticks=_ticks(instrument, row.price, "price") if kind is OrderKind.LIMIT else 0,
            trigger_ticks=_ticks(instrument, row.trigger_price, "triggerPrice"),
            event_ns=time_ns(row.updated_time or row.created_time),
            received_ns=received_ns,
            code=code,
            refusal=_REFUSALS.get(code, RefusalKind.ORDER),
        )

    def live_orders(self, rows: Iterable[OrderRow], category: Text) -> list[LiveOrder]:
        """Return the open orders on the symbols we know, everybody's."""
        live: list[LiveOrder] = []
        for row in rows:
            told = self.order(row, category, 0)
            if told is None or told.state.is_final:
                continue
            live.append(
                LiveOrder(
                    symbol=told.symbol,
                    client_id=told.client_id,
                    venue_id=told.venue_id,
                    side=told.side,
                    kind=told.kind,
                    lots=told.lots,
                    filled_lots=told.filled_lots,
                    price_ticks=told.price_ticks,
                    trigger_ticks=told.trigger_ticks,
                    created_ns=time_ns(row.created_time),
                    reduce_only=bool(row.reduce_only),
                    post_only=row.time_in_force == "PostOnly",
                )
            )
        return live

    def execution(
        self, row: ExecutionRow, category: Text, received_ns: int
    ) -> Filled | FundingPaid | None:
        """Return the fill or the payment of one execution; None for what is neither."""
        instrument = self.instrument(row.category or category, row.symbol)
        if instrument is None:
            return None
        kind = row.exec_type or ""
        if kind == FUNDING:
            return _funding(instrument, row, received_ns)
        if kind not in FILLS:
            self.doubt = f"execution of kind {kind} on {instrument.symbol}"
            return None
        venue_id = VenueOrderId(row.order_id or "")
        client_id = ClientOrderId(row.order_link_id or "") or self.known.client_id(venue_id)
        self.known.learn(venue_id, client_id)
        fee = decimal(row.exec_fee or "0", "execFee")
        return Filled(
            symbol=instrument.symbol,
            client_id=client_id,
            venue_id=venue_id,
            trade_id=trade_id(row.exec_id),
            side=side_of(row.side),
            price_ticks=near_ticks(instrument, row.exec_price or "", "execPrice"),
            lots=exact_lots(instrument, row.exec_qty or "", "execQty"),
            fee=fee,
            fee_asset=row.fee_currency or _fee_asset(instrument, row),
            is_maker=bool(row.is_maker),
            event_ns=time_ns(row.exec_time),
            received_ns=received_ns,
        )

    def _client_id(self, row: OrderRow) -> ClientOrderId:
        venue_id = VenueOrderId(row.order_id)
        client_id = ClientOrderId(row.order_link_id or "") or self.known.client_id(venue_id)
        self.known.learn(venue_id, client_id)
        return client_id


class Failure(msgspec.Struct, frozen=True):
    """A failed request: HTTP status (0 = no answer), the venue's code and words."""

    status: int
    code: int
    msg: str

    @property
    def verdict(self) -> Verdict:
        """What the failure means."""
        return classify(self.status, self.code, self.msg)

    @property
    def refusal(self) -> RefusalKind:
        """Why an order was refused by it."""
        return refusal_kind(self.status, self.code, self.msg)

    @property
    def shown_code(self) -> str:
        """The venue's code, else the HTTP status, as text."""
        return str(self.code or self.status or "")

    @property
    def hint(self) -> str:
        """What the user can do about it; may be empty."""
        return hint_for(self.code, self.msg)


def place_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> OrderRefused | OrderOutcomeLost:
    """Return what a failed placement means: refused, or nobody knows."""
    if failure.verdict is Verdict.UNKNOWN:
        words = f"{failure.shown_code} {failure.msg}".strip()
        return OrderOutcomeLost(symbol, client_id, words, received_ns)
    return OrderRefused(
        symbol, client_id, failure.shown_code, failure.msg, received_ns, failure.refusal
    )


def cancel_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> CancelRefused:
    """Return what a failed or unanswered cancel or amendment means: ask for the order's state."""
    return CancelRefused(symbol, client_id, failure.shown_code, failure.msg, received_ns)


def query_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> OrderOutcomeLost:
    """Return what a failed query means: still unknown."""
    words = f"query: {failure.shown_code} {failure.msg}".strip()
    return OrderOutcomeLost(symbol, client_id, words, received_ns)


def not_found(symbol: Symbol, client_id: ClientOrderId, received_ns: int) -> OrderNotFound:
    """Return what it means that neither the open orders nor the history hold an order."""
    return OrderNotFound(symbol, client_id, received_ns)


def side_of(text: str) -> Side:
    """Read a side of an order or an execution."""
    side = _SIDES.get(text)
    if side is None:
        raise DataError(f"side = {text!r} is neither Buy nor Sell")
    return side


def time_ns(text: Text) -> int:
    """Read a time in ms; 0 when there is none."""
    if not text:
        return 0
    if not text.isdigit():
        raise DataError(f"time = {text!r} is no number of milliseconds")
    return int(text) * NS_PER_MS


def _end(row: OrderRow) -> tuple[OrderState, str]:
    """Return the state of an order and, where it did not end by its fill, the venue's reason.

    A maker's order that would take was refused, though the venue took the request; one that
    may not rest and found nothing expired; one that met an own order expired by that (R15).
    A refusal after a part was filled is an end like a cancel: the part stays.
    """
    state = _STATES.get(row.order_status, OrderState.UNKNOWN)
    if state is OrderState.FILLED:
        return state, ""
    reason = row.reject_reason or ""
    cause = row.cancel_type or ""
    code = "" if reason in _NO_REASON else reason
    code = code or ("" if cause in _OWN_CANCEL else cause)
    is_empty = not _number(row.cum_exec_qty, "cumExecQty")
    if state is OrderState.REJECTED and not is_empty:
        return OrderState.CANCELLED, code
    if state is OrderState.CANCELLED:
        if cause == _BY_SELF:
            return OrderState.EXPIRED, cause
        if reason in _NO_FILL:
            return OrderState.EXPIRED, reason
        if reason == WOULD_TAKE and is_empty:
            return OrderState.REJECTED, reason
    return state, code if state.is_final else ""


def _kind(row: OrderRow) -> OrderKind:
    """Return the kind; a stop stays one after it was triggered, whatever it became."""
    if row.order_type == "Limit":
        return OrderKind.LIMIT
    is_stop = _number(row.trigger_price, "triggerPrice") > 0
    return OrderKind.STOP_MARKET if is_stop else OrderKind.MARKET


def _ordered_lots(instrument: Instrument, row: OrderRow, filled: int) -> int:
    """Return the size in lots; a spot market order by value tells quote, only its fill is known.

    The unit is left out by some programs: the venue then takes a spot market buy by value
    (T49). Ours always tell it.
    """
    is_spot_market = instrument.kind is MarketKind.SPOT and row.order_type == "Market"
    by_value = row.market_unit == _QUOTE or (not row.market_unit and row.side == "Buy")
    if is_spot_market and by_value:
        return filled
    return lots_down(instrument, row.qty or "0", "qty")


def _funding(instrument: Instrument, row: ExecutionRow, received_ns: int) -> FundingPaid:
    """Return a funding payment; the venue writes what was paid as a positive fee (§6.1)."""
    return FundingPaid(
        symbol=instrument.symbol,
        payment_id=row.exec_id,
        amount=-decimal(row.exec_fee or "0", "execFee"),
        asset=row.fee_currency or instrument.settle,
        event_ns=time_ns(row.exec_time),
        received_ns=received_ns,
    )


def _fee_asset(instrument: Instrument, row: ExecutionRow) -> str:
    """Return the coin of a fee whose row does not tell it (§14).

    Perpetuals: the settle coin. Spot: a buy pays in base, a sell in quote; a maker that is
    paid a rebate gets it the other way round.
    """
    if instrument.kind is MarketKind.PERP:
        return instrument.settle
    is_rebate = bool(row.is_maker) and _number(row.fee_rate, "feeRate") < 0
    takes_base = (row.side == "Buy") is not is_rebate
    return instrument.base if takes_base else instrument.quote


def _number(text: Text, field: str) -> Decimal:
    return decimal(text or "0", field)


def _ticks(instrument: Instrument, text: Text, field: str) -> int:
    return near_ticks(instrument, text or "0", field) if text else 0
