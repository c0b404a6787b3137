"""Each filter of binance.md §6.1 at its edge."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, MarketSpec, NewOrder, Refusal, Why
from obiterm.exchange.filters import Standing, check

SPEC = MarketSpec(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.00001"),
    min_lots=10,
    max_lots=900_000,
    market_max_lots=500_000,
    min_price_ticks=100,
    max_price_ticks=20_000_000,
    max_notional=Decimal(500_000),
    multiplier_up=Decimal("1.5"),
    multiplier_down=Decimal("0.5"),
    max_open_orders=3,
    max_algo_orders=2,
    max_position=Decimal(5),
)
AVERAGE = Decimal(60_000)
NOTHING = Standing(open_orders=0, algo_orders=0, position=Decimal(0))
LIMIT = NewOrder("BTCUSDT", Side.BUY, Kind.LIMIT, "c", lots=1_000, price_ticks=6_000_000)
STOP = NewOrder("BTCUSDT", Side.SELL, Kind.STOP_MARKET, "c", lots=1_000, trigger_ticks=5_900_000)
MARKET = NewOrder("BTCUSDT", Side.BUY, Kind.MARKET, "c", lots=1_000)


def broken(
    request: NewOrder, standing: Standing = NOTHING, changes: dict[str, object] | None = None
) -> str:
    """Return the filter that the changed request breaks, or an empty text."""
    changed = msgspec.structs.replace(request, **(changes or {}))
    try:
        check(SPEC, changed, AVERAGE, standing)
    except Refusal as refusal:
        return refusal.detail if refusal.why is Why.FILTER else refusal.why.value
    return ""


@pytest.mark.parametrize(
    ("request_", "changes", "name"),
    [
        (LIMIT, {}, ""),
        (STOP, {}, ""),
        (MARKET, {}, ""),
        (LIMIT, {"price_ticks": 99}, "PRICE_FILTER"),
        (LIMIT, {"price_ticks": 20_000_001}, "PRICE_FILTER"),
        (STOP, {"trigger_ticks": 99}, "PRICE_FILTER"),
        (LIMIT, {"price_ticks": 9_000_000}, ""),
        (LIMIT, {"price_ticks": 9_000_001}, "PERCENT_PRICE_BY_SIDE"),
        (LIMIT, {"price_ticks": 3_000_000}, ""),
        (LIMIT, {"price_ticks": 2_999_999}, "PERCENT_PRICE_BY_SIDE"),
        (LIMIT, {"lots": 9, "price_ticks": 8_000_000}, "LOT_SIZE"),
        (LIMIT, {"lots": 900_001}, "LOT_SIZE"),
        (MARKET, {"lots": 500_000}, ""),
        (MARKET, {"lots": 500_001}, "MARKET_LOT_SIZE"),
        (STOP, {"lots": 500_001}, "MARKET_LOT_SIZE"),
        (LIMIT, {"lots": 10, "price_ticks": 5_000_000}, ""),
        (LIMIT, {"lots": 10, "price_ticks": 4_999_999}, "NOTIONAL"),
        (LIMIT, {"lots": 833_334, "side": Side.SELL}, "NOTIONAL"),
        (MARKET, {"lots": 10}, ""),
        (MARKET, {"lots": 0, "quote_qty": Decimal("4.99")}, "NOTIONAL"),
        (MARKET, {"lots": 0, "quote_qty": Decimal(5)}, ""),
        (LIMIT, {"lots": 500_000}, ""),
        (LIMIT, {"lots": 500_001}, "MAX_POSITION"),
        (LIMIT, {"lots": 500_001, "side": Side.SELL}, ""),
    ],
)
def test_edges(request_: NewOrder, changes: dict[str, object], name: str) -> None:
    assert broken(request_, NOTHING, changes) == name


def test_counts_of_open_and_conditional_orders() -> None:
    full = Standing(open_orders=3, algo_orders=0, position=Decimal(0))
    algo = Standing(open_orders=2, algo_orders=2, position=Decimal(0))
    assert broken(LIMIT, full) == "MAX_NUM_ORDERS"
    assert broken(STOP, algo) == "MAX_NUM_ALGO_ORDERS"
    assert broken(LIMIT, algo) == ""
    assert broken(LIMIT, Standing(0, 0, Decimal("4.991"))) == "MAX_POSITION"
