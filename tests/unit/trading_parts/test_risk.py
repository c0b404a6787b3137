"""The risk gate: what passes, what does not, and that there is no way around it."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import obiterm
from obiterm.core.instruments import Instrument
from obiterm.core.limits import RiskLimits
from obiterm.core.orders import ApprovedOrder, OrderIntent, RefusedOrder
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    ClientOrderId,
    Environment,
    MarketKind,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TradingState,
)
from obiterm.trading.risk import OpenOrder, RiskContext, RiskGate, approve_panic_close

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


# -- no way around ---------------------------------------------------------------------------


def test_only_the_gate_makes_approved_orders() -> None:
    made = re.compile(r"\bApprovedOrder\(")
    inherited = re.compile(r"class ApprovedOrder\(")
    package = Path(obiterm.__file__).parent
    places = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if made.search(line) and not inherited.search(line)
    }
    assert places == {"trading/risk.py"}


def test_the_panic_path_gets_only_reducing_closes_past_the_limits() -> None:
    close = intent(SELL, 10**9, MARKET, PANIC, owner="panic", reduce_only=True)
    assert approve_panic_close(close, 7) == ApprovedOrder(intent=close, approved_ns=7)
    for other in (
        intent(SELL, 1, MARKET, PANIC, owner="panic"),
        intent(SELL, 1, MARKET, EXIT, reduce_only=True),
    ):
        with pytest.raises(ValueError, match="panic path"):
            approve_panic_close(other, 7)


def test_an_ordinary_entry_passes() -> None:
    approved = RiskGate(LIMITS).check(intent(), context(), 42)
    assert isinstance(approved, ApprovedOrder)
    assert approved.approved_ns == 42


# -- limits of what opens ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "changes", "limit"),
    [
        (intent(lots=0), {}, "order_form"),
        (intent(price_ticks=0), {}, "order_form"),
        (intent(kind=STOP_MARKET, trigger_ticks=0), {}, "order_form"),
        (intent(), {"armed": False}, "armed"),
        (intent(), {"book_tradable": False}, "book_tradable"),
        (intent(), {"book_age_ns": 2_001 * NS_PER_MS}, "max_book_age_ms"),
        (intent(), {"bid_ticks": 9_970}, "max_spread_bps"),
        (intent(), {"clock_offset_ns": -1_001 * NS_PER_MS}, "max_clock_offset_ms"),
        (intent(), {"day_pnl_quote": D(-100)}, "max_daily_loss"),
        (intent(lots=10_001), {}, "max_order_notional"),
        (intent(), {"net_lots": 19_001}, "max_position_notional"),
        (intent(), {"exposure_quote": D("4900.01")}, "max_exposure_notional"),
        (intent(), {"available_quote": D("99.99")}, "available"),
        (intent(), {"open_orders": [resting(BUY, 1)] * 5}, "max_open_orders"),
        (intent(price_ticks=10_102), {}, "price_collar_bps"),
        (intent(kind=MARKET), {"last_ticks": 9_800}, "price_collar_bps"),
        (intent(lots=49), {}, "min_order"),
        (intent(price_ticks=10**7 + 1), {}, "price_filter"),
        (intent(kind=MARKET, lots=50_001), {}, "max_order"),
        (intent(lots=100_001), {}, "max_order"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_limit_stops_an_entry_and_is_named(
    order: OrderIntent, changes: dict[str, Any], limit: str
) -> None:
    assert judge(order, context(**changes)) == limit


@pytest.mark.parametrize(
    ("order", "changes"),
    [
        (intent(), {"book_age_ns": 2_000 * NS_PER_MS}),
        (intent(), {"clock_offset_ns": 1_000 * NS_PER_MS}),
        (intent(), {"day_pnl_quote": D("-99.99")}),
        (intent(lots=10_000), {}),
        (intent(), {"net_lots": 19_000}),
        (intent(), {"exposure_quote": D(4_900)}),
        (intent(), {"available_quote": D(100)}),
        (intent(), {"open_orders": [resting(BUY, 1)] * 4}),
        (intent(price_ticks=10_101), {}),
        (intent(lots=50), {}),
        (intent(price_ticks=5_000), {}),
    ],
)
def test_exactly_at_a_limit_still_passes(order: OrderIntent, changes: dict[str, Any]) -> None:
    assert judge(order, context(**changes)) == ""


def test_a_refusal_tells_the_limits_value_and_the_attempt() -> None:
    outcome = RiskGate(LIMITS).check(intent(lots=20_000), context(), 1)
    assert isinstance(outcome, RefusedOrder)
    assert outcome.reason == "order at most 1000.00 USDT: 2000.00 USDT"


def test_open_entries_count_towards_position() -> None:
    orders = [resting(BUY, 9_990, lots_left=9_500), resting(BUY, 9_990, 9_501)]
    assert judge(intent(), context(open_orders=orders[:1])) == ""
    assert judge(intent(), context(open_orders=orders)) == "max_position_notional"
    cover = [resting(BUY, lots_left=50_000, kind=STOP_MARKET, role=STOP)]
    assert judge(intent(), context(instrument=PERP, open_orders=cover)) == ""
    elsewhere = [resting(BUY, 1, 10**6, symbol=Symbol("ETHUSDT"))]
    assert judge(intent(), context(open_orders=elsewhere)) == ""


def test_the_instruments_own_limit_of_open_orders_counts_per_symbol() -> None:
    few = msgspec.structs.replace(SPOT, max_open_orders=2)
    ctx = context(instrument=few, open_orders=[resting(BUY, 1)] * 2)
    assert judge(intent(), ctx) == "max_open_orders"
    elsewhere = [resting(BUY, 1, symbol=Symbol("ETHUSDT"))] * 2
    assert judge(intent(), context(instrument=few, open_orders=elsewhere)) == ""


def test_the_order_rate_is_counted_over_ten_seconds() -> None:
    gate, ctx = RiskGate(LIMITS), context()
    for at in (0, 1, 2):
        assert isinstance(gate.check(intent(), ctx, at * NS_PER_S), ApprovedOrder)
    refused = gate.check(intent(), ctx, 9 * NS_PER_S)
    assert isinstance(refused, RefusedOrder)
    assert refused.limit == "max_orders_per_10s"
    close = intent(SELL, 999, MARKET, EXIT)
    assert isinstance(gate.check(close, context(**HOLDING), 9 * NS_PER_S), ApprovedOrder)
    assert isinstance(gate.check(intent(), ctx, 10 * NS_PER_S), RefusedOrder)
    assert isinstance(gate.check(intent(), ctx, 12 * NS_PER_S), ApprovedOrder)


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
