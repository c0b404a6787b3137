"""The venue's filters (binance.md §6.1), on integer ticks and lots.

Off-grid decimals never get here: the wire dialect refuses them when it turns
decimals into ticks and lots. A breach raises ``Refusal`` with ``Why.FILTER``
and the filter's name as detail.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.words import Kind, MarketSpec, NewOrder, Refusal, Why

MARKET_KINDS = frozenset({Kind.MARKET, Kind.STOP_MARKET, Kind.TAKE_PROFIT_MARKET})
PRICED_KINDS = frozenset(
    {Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LIMIT, Kind.TAKE_PROFIT_LIMIT},
)
STOP_KINDS = frozenset({Kind.STOP_MARKET, Kind.STOP_LIMIT})
ALGO_KINDS = STOP_KINDS | {Kind.TAKE_PROFIT_MARKET, Kind.TAKE_PROFIT_LIMIT}


class Standing(msgspec.Struct, frozen=True):
    """What an account already has on a symbol."""

    open_orders: int
    algo_orders: int
    position: Decimal
    """Free + locked + open buys of the base asset."""


def check(spec: MarketSpec, request: NewOrder, average: Decimal, standing: Standing) -> None:
    """Raise ``Refusal`` for the first filter that ``request`` breaks.

    ``average`` is the five-minute price in quote that prices orders without one.
    """
    check_prices(spec, request, average)
    if request.quote_qty is None:
        check_lots(spec, request.kind, request.lots)
    check_notional(spec, request, average)
    check_counts(spec, request, standing)


def check_perpetual(spec: MarketSpec, request: NewOrder, mark: Decimal, standing: Standing) -> None:
    """Raise ``Refusal`` for the first filter that an order of a perpetual breaks.

    Prices are bounded by the mark, buys above and sells below (``PERCENT_PRICE``,
    binance.md §9.1). What only reduces may be smaller than ``MIN_NOTIONAL``.
    """
    if request.kind in ALGO_KINDS:
        _within(request.trigger_ticks, spec.min_price_ticks, spec.max_price_ticks, "PRICE_FILTER")
    if request.kind in PRICED_KINDS:
        _within(request.price_ticks, spec.min_price_ticks, spec.max_price_ticks, "PRICE_FILTER")
    if request.kind in (Kind.LIMIT, Kind.LIMIT_MAKER):
        _check_band(spec, request, mark)
    if request.quote_qty is None and request.close_fraction is None:
        check_lots(spec, request.kind, request.lots)
    if not request.reduces and _notional(spec, request, mark) < spec.min_notional:
        raise Refusal(Why.FILTER, "MIN_NOTIONAL")
    check_counts(spec, request, standing)


def _check_band(spec: MarketSpec, request: NewOrder, mark: Decimal) -> None:
    price = spec.tick_size * request.price_ticks
    if request.side is Side.BUY and price > mark * (1 + spec.mark_band):
        raise Refusal(Why.FILTER, "PERCENT_PRICE_UP")
    if request.side is Side.SELL and price < mark * (1 - spec.mark_band):
        raise Refusal(Why.FILTER, "PERCENT_PRICE_DOWN")


def check_prices(spec: MarketSpec, request: NewOrder, average: Decimal) -> None:
    """Apply PRICE_FILTER to price and trigger, PERCENT_PRICE_BY_SIDE to the price."""
    if request.kind in PRICED_KINDS:
        _within(request.price_ticks, spec.min_price_ticks, spec.max_price_ticks, "PRICE_FILTER")
        price = spec.tick_size * request.price_ticks
        low, high = average * spec.multiplier_down, average * spec.multiplier_up
        if not low <= price <= high:
            raise Refusal(Why.FILTER, "PERCENT_PRICE_BY_SIDE")
    if request.kind in ALGO_KINDS:
        _within(request.trigger_ticks, spec.min_price_ticks, spec.max_price_ticks, "PRICE_FILTER")


def check_lots(spec: MarketSpec, kind: Kind, lots: int) -> None:
    """Apply LOT_SIZE, and MARKET_LOT_SIZE to orders that take at any price."""
    _within(lots, spec.min_lots, spec.max_lots, "LOT_SIZE")
    if kind in MARKET_KINDS and lots > spec.market_max_lots:
        raise Refusal(Why.FILTER, "MARKET_LOT_SIZE")


def check_notional(spec: MarketSpec, request: NewOrder, average: Decimal) -> None:
    """Apply NOTIONAL: the minimum to every order, the maximum not to market orders."""
    notional = _notional(spec, request, average)
    if notional < spec.min_notional:
        raise Refusal(Why.FILTER, "NOTIONAL")
    if request.kind not in MARKET_KINDS and notional > spec.max_notional:
        raise Refusal(Why.FILTER, "NOTIONAL")


def check_counts(spec: MarketSpec, request: NewOrder, standing: Standing) -> None:
    """Apply MAX_NUM_ORDERS, MAX_NUM_ALGO_ORDERS and MAX_POSITION."""
    if standing.open_orders >= spec.max_open_orders:
        raise Refusal(Why.FILTER, "MAX_NUM_ORDERS")
    if request.kind in ALGO_KINDS and standing.algo_orders >= spec.max_algo_orders:
        raise Refusal(Why.FILTER, "MAX_NUM_ALGO_ORDERS")
    if spec.max_position is not None and request.side is Side.BUY:
        bought = spec.lot_size * request.lots
        if standing.position + bought > spec.max_position:
            raise Refusal(Why.FILTER, "MAX_POSITION")


def _notional(spec: MarketSpec, request: NewOrder, average: Decimal) -> Decimal:
    if request.quote_qty is not None:
        return request.quote_qty
    if request.kind in PRICED_KINDS:
        price = spec.tick_size * request.price_ticks
    elif request.kind in ALGO_KINDS:
        price = spec.tick_size * request.trigger_ticks
    else:
        price = average
    return price * spec.lot_size * request.lots


def _within(value: int, low: int, high: int, name: str) -> None:
    if not low <= value <= high:
        raise Refusal(Why.FILTER, name)
