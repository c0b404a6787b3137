"""Candles against sums over the prints they are made of."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import Side
from obiterm.exchange.api import PublicTrade
from obiterm.exchange.candles import INTERVALS_MS, MINUTE_MS, Tape

from .conftest import SPEC

NS_PER_MINUTE = MINUTE_MS * 1_000_000
START = 28_333_333 * NS_PER_MINUTE
PRINTS = st.lists(
    st.tuples(
        st.integers(0, 90_000), st.integers(1, 500), st.integers(1, 99), st.sampled_from(Side)
    ),
    min_size=1,
    max_size=60,
)


def trade(number: int, at_ns: int, ticks: int, lots: int, side: Side) -> PublicTrade:
    return PublicTrade("BTCUSDT", number, ticks, lots, side, at_ns, 1, 2)


@given(PRINTS, st.sampled_from(sorted(INTERVALS_MS.values())))
def test_candles_are_what_the_prints_say(
    prints: list[tuple[int, int, int, Side]], interval_ms: int
) -> None:
    tape = Tape(SPEC)
    trades, at_ns = [], START
    for number, (gap_ms, ticks, lots, side) in enumerate(prints):
        at_ns += gap_ms * 1_000_000
        trades.append(trade(number, at_ns, ticks, lots, side))
        tape.add(trades[-1])
    candles = tape.candles(interval_ms)
    assert candles[-1].close_ticks == trades[-1].price_ticks
    steps = {b.open_ms - a.open_ms for a, b in itertools.pairwise(candles)}
    assert steps <= {interval_ms}
    unit = SPEC.tick_size * SPEC.lot_size
    previous_close = candles[0].open_ticks
    for candle in candles:
        inside = [
            t
            for t in trades
            if t.time_ns // 1_000_000 // interval_ms * interval_ms == candle.open_ms
        ]
        assert candle.trades == len(inside)
        assert candle.lots == sum(t.lots for t in inside)
        assert candle.quote == unit * sum(t.lots * t.price_ticks for t in inside)
        assert candle.taker_buy_lots == sum(t.lots for t in inside if t.aggressor is Side.BUY)
        if inside:
            first, last = inside[0], inside[-1]
            assert (candle.first_trade_id, candle.last_trade_id) == (first.trade_id, last.trade_id)
            prices = [t.price_ticks for t in inside]
            assert (candle.open_ticks, candle.high_ticks) == (prices[0], max(prices))
            assert (candle.low_ticks, candle.close_ticks) == (min(prices), prices[-1])
        else:
            assert candle.open_ticks == candle.close_ticks == previous_close
        previous_close = candle.close_ticks


def test_a_quiet_minute_repeats_the_close_and_the_first_print_opens_it() -> None:
    tape = Tape(SPEC)
    tape.add(trade(1, START, 100, 5, Side.BUY))
    tape.roll(START + 3 * NS_PER_MINUTE)
    assert [c.lots for c in tape.candles(MINUTE_MS)] == [5, 0, 0, 0]
    tape.add(trade(2, START + 3 * NS_PER_MINUTE + 5, 120, 1, Side.SELL))
    last = tape.candles(MINUTE_MS)[-1]
    assert (last.open_ticks, last.low_ticks, last.high_ticks) == (120, 120, 120)


def test_average_price_weighs_five_minutes_by_volume() -> None:
    tape = Tape(SPEC)
    tape.add(trade(1, START, 1_000, 100, Side.BUY))
    for minute, (ticks, lots) in enumerate([(100, 1), (200, 3)], start=1):
        tape.add(trade(1 + minute, START + minute * NS_PER_MINUTE, ticks, lots, Side.BUY))
    tape.roll(START + 5 * NS_PER_MINUTE)
    assert tape.average_price() == Decimal("1.75")
    tape.roll(START + 20 * NS_PER_MINUTE)
    assert tape.average_price() == Decimal(2)


def test_an_interval_that_is_no_whole_minute_is_an_error() -> None:
    with pytest.raises(ValueError, match="1500 ms"):
        Tape(SPEC).candles(1_500)


def test_prints_are_the_newest_oldest_first() -> None:
    tape = Tape(SPEC)
    for number in range(10):
        tape.add(trade(number, START + number, 100, 1, Side.BUY))
    assert [t.trade_id for t in tape.trades(3)] == [7, 8, 9]
    assert tape.trades(0) == []
