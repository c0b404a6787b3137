"""Flow, walls, spread; candles without gaps; average true range."""

from __future__ import annotations

from math import exp, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.events import CandleClosed, Traded
from obiterm.core.values import NS_PER_S, Side, Symbol
from obiterm.market.candles import Atr, CandleBuilder
from obiterm.market.signals import FlowImbalance, find_wall, spread_bps

SYMBOL = Symbol("BTCUSDT")
MINUTE_NS = 60 * NS_PER_S


def trade(seconds: float, ticks: int, lots: int = 1, side: Side = Side.BUY) -> Traded:
    at_ns = int(seconds * NS_PER_S)
    return Traded(SYMBOL, 0, ticks, lots, side, at_ns, at_ns + 5)


def candle(open_s: int, high: int, low: int, close: int) -> CandleClosed:
    return CandleClosed(SYMBOL, 60, open_s * NS_PER_S, close, high, low, close, 1, 0)


# -- flow ------------------------------------------------------------------------------------


def test_flow_is_signed_volume_over_volume_and_fades() -> None:
    flow = FlowImbalance(10 * NS_PER_S)
    assert flow.value(0) == 0.0
    flow.add(Side.BUY, 3, NS_PER_S)
    assert flow.value(NS_PER_S) == 1.0
    flow.add(Side.SELL, 1, NS_PER_S)
    assert flow.value(NS_PER_S) == pytest.approx(0.5)
    assert flow.value(11 * NS_PER_S) == pytest.approx(0.5 * exp(-1))


def test_old_trades_weigh_less_than_new_ones() -> None:
    flow = FlowImbalance(NS_PER_S)
    flow.add(Side.BUY, 100, 0)
    flow.add(Side.SELL, 100, 3 * NS_PER_S)
    assert flow.value(3 * NS_PER_S) == pytest.approx((exp(-3) - 1) / (exp(-3) + 1))
    with pytest.raises(ValueError, match="positive"):
        FlowImbalance(0)


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 10**12), st.integers(0, 10**12)),
        max_size=40,
    ),
    st.integers(0, 10**13),
)
def test_flow_stays_within_one(trades: list[tuple[Side, int, int]], now_ns: int) -> None:
    flow = FlowImbalance(10 * NS_PER_S)
    for side, lots, at_ns in trades:
        flow.add(side, lots, at_ns)
        assert -1.0 <= flow.value(now_ns) <= 1.0


# -- walls and spread --------------------------------------------------------------------------


def test_a_wall_stands_out_of_its_side() -> None:
    bids = [(99, 4), (98, 6), (95, 60), (94, 5)]
    wall = find_wall(Side.BUY, bids)
    assert wall is not None
    assert (wall.ticks, wall.lots, wall.distance_ticks) == (95, 60, 4)
    assert wall.ratio == pytest.approx(60 / 5.5)
    assert find_wall(Side.BUY, bids, min_ratio=20) is None
    assert find_wall(Side.BUY, bids[:2]) is None


def test_spread_is_over_the_mid() -> None:
    assert spread_bps(9_999, 10_001) == pytest.approx(2.0)
    assert spread_bps(0, 10_001) == 0.0


# -- candles -----------------------------------------------------------------------------------


def test_the_first_candle_is_incomplete_and_not_given_out() -> None:
    builder = CandleBuilder(SYMBOL, 60)
    assert builder.add(trade(30, 100)) == []
    assert builder.add(trade(61, 105)) == []
    (closed,) = builder.add(trade(125, 90))
    assert (closed.open_ns, closed.close_ticks, closed.lots) == (MINUTE_NS, 105, 1)


def test_a_candle_has_open_high_low_close_and_volume() -> None:
    builder = CandleBuilder(SYMBOL, 60)
    builder.add(trade(1, 50))
    for seconds, ticks, lots in ((60, 100, 1), (70, 110, 2), (80, 95, 3), (119.9, 101, 4)):
        builder.add(trade(seconds, ticks, lots))
    (closed,) = builder.add(trade(120, 7))
    assert (closed.open_ticks, closed.high_ticks, closed.low_ticks, closed.close_ticks) == (
        100,
        110,
        95,
        101,
    )
    assert closed.lots == 10
    assert closed.received_ns == 120 * NS_PER_S + 5


def test_minutes_without_trades_carry_the_last_close() -> None:
    builder = CandleBuilder(SYMBOL, 60)
    builder.add(trade(10, 100))
    builder.add(trade(60, 100))
    builder.add(trade(61, 108))
    closed = builder.add(trade(60 * 5 + 1, 90))
    assert [c.open_ns // MINUTE_NS for c in closed] == [1, 2, 3, 4]
    assert [c.lots for c in closed] == [2, 0, 0, 0]
    assert {(c.open_ticks, c.high_ticks, c.low_ticks, c.close_ticks) for c in closed[1:]} == {
        (108, 108, 108, 108)
    }


def test_time_alone_closes_a_candle_a_second_after_its_end() -> None:
    builder = CandleBuilder(SYMBOL, 60)
    assert builder.advance(10**18, 0) == []
    builder.add(trade(30, 100))
    builder.add(trade(65, 101))
    assert builder.advance(120 * NS_PER_S, 0) == []
    (closed,) = builder.advance(121 * NS_PER_S, 7)
    assert (closed.open_ns, closed.close_ticks, closed.received_ns) == (MINUTE_NS, 101, 7)
    assert builder.advance(122 * NS_PER_S, 8) == []
    assert builder.add(trade(119, 55)) == []
    assert builder.late_trades == 1


@given(st.lists(st.tuples(st.integers(0, 3600), st.integers(1, 500)), min_size=1, max_size=60))
def test_candles_have_no_gaps_and_hold_their_bounds(points: list[tuple[int, int]]) -> None:
    builder = CandleBuilder(SYMBOL, 60)
    closed: list[CandleClosed] = []
    for seconds, ticks in sorted(points):
        closed += builder.add(trade(seconds, ticks))
    starts = [c.open_ns for c in closed]
    assert starts == list(range(starts[0], starts[-1] + 1, MINUTE_NS)) if starts else True
    assert all(c.low_ticks <= min(c.open_ticks, c.close_ticks) for c in closed)
    assert all(c.high_ticks >= max(c.open_ticks, c.close_ticks) for c in closed)
    whole = {s // 60 for s, _ in points} - {min(s for s, _ in points) // 60}
    last = max(s for s, _ in points) // 60
    wanted = sum(1 for s, _ in points if s // 60 in whole and s // 60 != last)
    assert sum(c.lots for c in closed) == wanted


# -- average true range ------------------------------------------------------------------------


def test_atr_is_wilders() -> None:
    atr = Atr(2)
    assert isnan(atr.value)
    assert isnan(atr.add(candle(0, 12, 8, 10)))  # only a close to start from
    assert isnan(atr.add(candle(60, 15, 11, 12)))  # 15 - 10 = 5
    assert atr.add(candle(120, 13, 12, 13)) == pytest.approx(3.0)  # (5 + 1) / 2
    assert atr.add(candle(180, 20, 20, 20)) == pytest.approx(5.0)  # 3 + (7 - 3) / 2
    with pytest.raises(ValueError, match="period"):
        Atr(0)
