"""The risk gate: no way around it, and each limit at its edge."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import obiterm
from obiterm.core.orders import ApprovedOrder, OrderIntent, RefusedOrder
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    Symbol,
)
from obiterm.trading.risk import RiskGate, approve_panic_close
from tests.unit.trading_parts.risk_cases import (
    BUY,
    EXIT,
    HOLDING,
    LIMITS,
    MARKET,
    PANIC,
    PERP,
    SELL,
    SPOT,
    STOP,
    STOP_MARKET,
    D,
    context,
    intent,
    judge,
    resting,
)

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
