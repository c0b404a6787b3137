"""Intents and contexts for the risk gate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.limits import RiskLimits
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    MarketKind,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TradingState,
)
from obiterm.trading.risk import OpenOrder, RiskContext, RiskGate

SYMBOL = Symbol("BTCUSDT")
D = Decimal
SPOT = Instrument(
    "binance",
    SYMBOL,
    MarketKind.SPOT,
    "BTC",
    "USDT",
    tick_size=D("0.01"),
    lot_size=D("0.001"),
    max_lots=100_000,
    market_max_lots=50_000,
    max_price_ticks=10**7,
    min_notional=D(5),
    max_open_orders=10,
)
PERP = msgspec.structs.replace(SPOT, kind=MarketKind.PERP)
LIMITS = RiskLimits(
    max_order_notional=D(1_000),
    max_position_notional=D(2_000),
    max_exposure_notional=D(5_000),
    max_open_orders=5,
    max_orders_per_10s=3,
    price_collar_bps=D(100),
    max_daily_loss=D(100),
    max_spread_bps=D(20),
    max_book_age_ms=2_000,
    max_clock_offset_ms=1_000,
)
ENTRY, EXIT, STOP = OrderRole.ENTRY, OrderRole.EXIT, OrderRole.STOP
MANUAL, PANIC, TAKE_PROFIT = OrderRole.MANUAL, OrderRole.PANIC, OrderRole.TAKE_PROFIT
BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET, STOP_MARKET = OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_MARKET


def intent(
    side: Side = BUY,
    lots: int = 1_000,
    kind: OrderKind = LIMIT,
    role: OrderRole = ENTRY,
    owner: str = "surf",
    **terms: Any,
) -> OrderIntent:
    """One order; 1,000 lots at 10,000 ticks are 1 BTC at 100 USDT."""
    if kind is LIMIT:
        terms.setdefault("price_ticks", 10_000)
    if kind is STOP_MARKET:
        terms.setdefault("trigger_ticks", 9_900)
    return OrderIntent(
        client_id=ClientOrderId("c"),
        symbol=SYMBOL,
        side=side,
        kind=kind,
        lots=lots,
        role=role,
        owner=owner,
        **terms,
    )


def context(**changes: Any) -> RiskContext:
    known: dict[str, Any] = {
        "instrument": SPOT,
        "trading_state": TradingState.ACTIVE,
        "armed": True,
        "environment": Environment.SIM,
        "bid_ticks": 10_000,
        "ask_ticks": 10_002,
        "last_ticks": 10_001,
        "book_tradable": True,
        "book_age_ns": 0,
        "position_lots": 0,
        "net_lots": 0,
        "exposure_quote": D(0),
        "open_orders": [],
        "available_quote": D(10_000),
        "sellable_lots": 0,
        "day_pnl_quote": D(0),
        "clock_offset_ns": 0,
        "equity_quote": D(10_000),
    }
    return RiskContext(**(known | changes))


def resting(
    side: Side,
    price_ticks: int = 0,
    lots_left: int = 100,
    kind: OrderKind = LIMIT,
    role: OrderRole = ENTRY,
    owner: str = "surf",
    symbol: Symbol = SYMBOL,
) -> OpenOrder:
    return OpenOrder(symbol, owner, side, kind, role, price_ticks, lots_left)


def judge(order: OrderIntent, ctx: RiskContext) -> str:
    """Return the name of the limit that stops an order; empty when it passes."""
    outcome = RiskGate(LIMITS).check(order, ctx, 1)
    if isinstance(outcome, ApprovedOrder):
        assert outcome.intent is order
        return ""
    assert outcome.intent is order
    assert outcome.reason
    assert "\n" not in outcome.reason
    return outcome.limit


HOLDING = {"position_lots": 1_000, "net_lots": 1_000, "sellable_lots": 999}
