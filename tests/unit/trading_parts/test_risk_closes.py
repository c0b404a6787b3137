"""The risk gate: closes, trading states, orders by hand, own orders that must not meet."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.orders import OrderIntent, RefusedOrder
from obiterm.core.values import (
    Environment,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TradingState,
)
from obiterm.trading.risk import OpenOrder, RiskContext, RiskGate
from tests.unit.trading_parts.risk_cases import (
    BUY,
    ENTRY,
    EXIT,
    HOLDING,
    LIMIT,
    LIMITS,
    MANUAL,
    MARKET,
    PANIC,
    PERP,
    SELL,
    SPOT,
    STOP,
    STOP_MARKET,
    TAKE_PROFIT,
    D,
    context,
    intent,
    judge,
    resting,
)

# -- closes pass -----------------------------------------------------------------------------

WORST: dict[str, Any] = {
    "armed": False,
    "environment": Environment.LIVE,
    "trading_state": TradingState.REDUCING,
    "book_tradable": False,
    "book_age_ns": 10**15,
    "bid_ticks": 5_000,
    "ask_ticks": 20_000,
    "clock_offset_ns": 10**12,
    "day_pnl_quote": D(-(10**6)),
    "exposure_quote": D(10**9),
    "available_quote": D(0),
    "open_orders": [resting(BUY, 10_000, owner="manual")] * 50,
    **HOLDING,
}


@pytest.mark.parametrize(
    "order",
    [
        intent(SELL, 999, MARKET, EXIT),
        intent(SELL, 999, STOP_MARKET, STOP),
        intent(SELL, 999, LIMIT, TAKE_PROFIT, price_ticks=20_000),
        intent(SELL, 999, MARKET, PANIC, owner="panic"),
        intent(SELL, 999, MARKET, ENTRY, reduce_only=True),
    ],
    ids=["exit", "stop", "tp", "panic", "reduce-only"],
)
def test_a_close_passes_whatever_else_is_wrong(order: OrderIntent) -> None:
    assert judge(order, context(**WORST)) == ""


def test_a_close_larger_than_any_order_limit_passes() -> None:
    held = {"position_lots": 40_000, "net_lots": 40_000, "sellable_lots": 40_000}
    assert judge(intent(SELL, 40_000, MARKET, EXIT), context(**held)) == ""


def test_dust_is_told_as_dust() -> None:
    held = {"position_lots": 49, "net_lots": 49, "sellable_lots": 49}
    assert judge(intent(SELL, 49, MARKET, EXIT), context(**held)) == "dust"
    small = msgspec.structs.replace(SPOT, min_lots=60)
    assert judge(intent(SELL, 49, MARKET, EXIT), context(instrument=small, **held)) == "dust"
    perp = context(instrument=PERP, **held)
    assert judge(intent(SELL, 49, MARKET, EXIT, reduce_only=True), perp) == ""


@pytest.mark.parametrize("role", [EXIT, STOP, PANIC, TAKE_PROFIT, ENTRY, MANUAL])
def test_nothing_sells_more_than_is_there(role: OrderRole) -> None:
    assert judge(intent(SELL, 1_000, MARKET, role), context(**HOLDING)) == "oversell"
    assert judge(intent(BUY, 1_000, MARKET, EXIT), context(**HOLDING)) == "oversell"


def test_coins_that_a_resting_stop_binds_cannot_be_sold_again() -> None:
    """T45: the exit goes out when the stop is gone."""
    stop = resting(SELL, lots_left=999, kind=STOP_MARKET, role=STOP)
    order = intent(SELL, 999, MARKET, EXIT)
    assert judge(order, context(open_orders=[stop], **HOLDING)) == "oversell"
    foreign = resting(SELL, lots_left=999, kind=STOP_MARKET, role=STOP, owner="other")
    assert judge(order, context(open_orders=[foreign], **HOLDING)) == ""
    by_hand = intent(SELL, 999, LIMIT, MANUAL, owner="manual", price_ticks=10_002)
    mine = resting(SELL, 10_050, lots_left=500, role=MANUAL, owner="manual")
    # The venue's free coins are told for orders by hand; what rests is not in them.
    assert judge(by_hand, context(open_orders=[mine], **HOLDING)) == ""


def test_a_perpetual_closes_against_its_position_only() -> None:
    short = context(instrument=PERP, position_lots=-500, net_lots=-500)
    assert judge(intent(BUY, 500, MARKET, EXIT, reduce_only=True), short) == ""
    assert judge(intent(BUY, 501, MARKET, EXIT, reduce_only=True), short) == "oversell"
    assert judge(intent(SELL, 100, STOP_MARKET, STOP), short) == "oversell"
    assert judge(intent(SELL, 100), short) == ""


# -- trading states --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "order", "limit"),
    [
        (TradingState.REDUCING, intent(), "trading_state"),
        (TradingState.REDUCING, intent(role=MANUAL, owner="manual"), "trading_state"),
        (TradingState.REDUCING, intent(SELL, 999, MARKET, EXIT), ""),
        (TradingState.REDUCING, intent(SELL, 999, role=MANUAL, owner="manual"), ""),
        (TradingState.HALTED, intent(), "trading_state"),
        (TradingState.HALTED, intent(SELL, 999, MARKET, EXIT), "trading_state"),
        (TradingState.HALTED, intent(SELL, 999, STOP_MARKET, STOP), "trading_state"),
        (TradingState.HALTED, intent(role=MANUAL, owner="manual"), "trading_state"),
        (TradingState.HALTED, intent(SELL, 999, MARKET, PANIC, owner="panic"), ""),
        (TradingState.HALTED, intent(SELL, 999, role=MANUAL, owner="manual"), ""),
        (TradingState.HALTED, intent(SELL, 999, MARKET, EXIT, owner="manual"), ""),
        (TradingState.HALTED, intent(SELL, 1_000, MARKET, PANIC, owner="panic"), "trading_state"),
    ],
)
def test_states_let_through_only_what_shrinks(
    state: TradingState, order: OrderIntent, limit: str
) -> None:
    assert judge(order, context(trading_state=state, **HOLDING)) == limit


# -- orders by hand ----------------------------------------------------------------------------


def test_a_reduction_by_hand_passes_all_but_collar_and_own_orders() -> None:
    worst = WORST | {"bid_ticks": 10_000, "ask_ticks": 10_002, "open_orders": []}
    order = intent(SELL, 999, role=MANUAL, owner="manual")
    assert judge(order, context(**worst)) == ""
    cheap = intent(SELL, 999, role=MANUAL, owner="manual", price_ticks=9_000)
    assert judge(cheap, context(**worst)) == "price_collar_bps"
    worst["open_orders"] = [resting(BUY, 10_000)]
    assert judge(order, context(**worst)) == "self_cross"


# -- own orders never meet (R15) ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "other", "meets"),
    [
        (intent(price_ticks=10_010), resting(SELL, 10_010, owner="manual"), True),
        (intent(price_ticks=10_009), resting(SELL, 10_010, owner="manual"), False),
        (intent(kind=MARKET), resting(SELL, 10_102), True),
        (intent(kind=MARKET), resting(SELL, 10_103), False),
        (intent(price_ticks=10_000), resting(SELL, kind=MARKET, role=EXIT), True),
        (intent(price_ticks=10_010), resting(SELL, kind=STOP_MARKET, role=STOP), False),
        (intent(price_ticks=10_010), resting(BUY, 10_010), False),
        (intent(price_ticks=10_010), resting(SELL, 1, symbol=Symbol("ETHUSDT")), False),
        (intent(SELL, 99, price_ticks=10_000), resting(BUY, 10_000, owner="other"), True),
        (intent(SELL, 99, price_ticks=10_001), resting(BUY, 10_000, owner="other"), False),
    ],
)
def test_own_orders_never_meet(order: OrderIntent, other: OpenOrder, meets: bool) -> None:
    ctx = context(open_orders=[other], sellable_lots=5_000)
    assert judge(order, ctx) == ("self_cross" if meets else "")


# -- property --------------------------------------------------------------------------------

CONTEXTS = st.builds(
    context,
    trading_state=st.sampled_from(TradingState),
    armed=st.booleans(),
    book_tradable=st.booleans(),
    net_lots=st.integers(0, 30_000),
    sellable_lots=st.integers(0, 30_000),
    exposure_quote=st.decimals(0, 6_000, places=2),
    available_quote=st.decimals(0, 6_000, places=2),
    day_pnl_quote=st.decimals(-200, 200, places=2),
    open_orders=st.lists(
        st.builds(
            resting,
            side=st.sampled_from(Side),
            price_ticks=st.integers(9_500, 10_500),
            lots_left=st.integers(1, 20_000),
            owner=st.sampled_from(["surf", "manual"]),
        ),
        max_size=6,
    ),
)
INTENTS = st.builds(
    intent,
    side=st.sampled_from(Side),
    lots=st.integers(-1, 40_000),
    kind=st.sampled_from(OrderKind),
    role=st.sampled_from(OrderRole),
)


@given(INTENTS, CONTEXTS)
def test_whatever_passes_is_within_the_limits(order: OrderIntent, ctx: RiskContext) -> None:
    outcome = RiskGate(LIMITS).check(order, ctx, 1)
    if isinstance(outcome, RefusedOrder):
        return
    assert order.lots > 0
    if order.side is SELL:
        assert order.lots <= ctx.sellable_lots
    else:
        assert ctx.trading_state is TradingState.ACTIVE
        assert ctx.armed
        assert ctx.book_tradable
        price = order.price_ticks or order.trigger_ticks or ctx.ask_ticks
        notional = SPOT.notional(price, order.lots)
        assert D(5) <= notional <= min(D(1_000), ctx.available_quote)
        assert notional + ctx.exposure_quote <= D(5_000)
        assert SPOT.notional(price, ctx.net_lots + order.lots) <= D(2_000)
        asks = [o.price_ticks for o in ctx.open_orders if o.side is SELL]
        assert order.kind is STOP_MARKET or all(price < ask for ask in asks)
