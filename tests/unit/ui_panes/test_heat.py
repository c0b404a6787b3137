"""The heat map's model: brightness, grouping, window, time."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.link.messages import Column, Depth, Frame, History
from obiterm.ui.paint.heat import COLUMN_NS, KEEP, VOID, HeatColumn, HeatModel
from obiterm.ui.paint.heatscale import auto_bucket, exact_step, held_step, high_size, step_of
from obiterm.ui.paint.steps import LADDER, coarser, finer, step_at_least
from tests.ui_support.market import START_NS, MadeUpMarket


def test_size_to_colour_follows_the_formula() -> None:
    for size in (1, 3, 10, 35, 70, 100, 250):
        wanted = math.floor(16 * (size / 100) ** 0.62 - 0.9)
        assert step_of(size, 100) == min(max(wanted, 0), 15)
    assert step_of(0, 100) == 0
    assert step_of(100, 0) == 0
    assert step_of(100, 100) == 15


@given(st.floats(0.001, 1e9), st.floats(0.001, 1e9), st.floats(0.001, 1e9))
def test_a_larger_size_is_never_darker(small: float, large: float, ref: float) -> None:
    small, large = sorted((small, large))
    assert 0 <= step_of(small, ref) <= step_of(large, ref) <= 15


@given(st.floats(0, 1e6), st.floats(1, 1e6), st.integers(0, 15))
def test_a_held_step_is_the_old_one_or_the_right_one(size: float, ref: float, old: int) -> None:
    held = held_step(size, ref, old)
    assert held in (old, step_of(size, ref))
    if held == old:
        assert old - 1 < exact_step(size, ref) < old + 2 or step_of(size, ref) == old


def test_the_reference_is_a_high_size_not_the_highest() -> None:
    assert high_size([1.0] * 60 + [50.0] * 3 + [10_000.0]) == 50.0
    assert high_size([0.0, 0.0]) == 0.0


def test_the_ladder_of_groupings() -> None:
    assert LADDER[:6] == (1, 2, 5, 10, 20, 50)
    assert [step_at_least(ticks) for ticks in (0, 1, 1.2, 3, 11, 62)] == [1, 1, 2, 5, 20, 100]
    assert [coarser(step) for step in (1, 2, 5, 10)] == [2, 5, 10, 20]
    assert [finer(step) for step in (1, 2, 5, 10)] == [1, 1, 2, 5]


def test_the_first_grouping_is_useful() -> None:
    wide = Depth([6_183_700, 6_150_000], [1, 1], [6_183_800, 6_220_000], [1, 1])
    assert auto_bucket(wide, 50, 6_183_763, math.nan) == 100
    assert auto_bucket(wide, 50, 6_183_763, 2_500.0) == 100
    assert auto_bucket(wide, 50, 6_183_763, 90_000.0) == 500
    narrow = Depth([14_827], [1], [14_829], [1])
    assert auto_bucket(narrow, 50, 14_828, math.nan) == 1


_prices = st.lists(st.integers(1, 4_000), min_size=1, max_size=80, unique=True)


@given(_prices, st.integers(1, 500), st.integers(1, 60))
def test_grouped_sizes_add_up_to_the_book(ticks: list[int], bucket: int, seed: int) -> None:
    ordered = sorted(ticks)
    cut = len(ordered) // 2
    bids, asks = ordered[:cut][::-1], ordered[cut:]
    depth = Depth(bids, [seed + t % 7 for t in bids], asks, [seed + t % 5 for t in asks])
    column = HeatColumn(0, depth, math.nan, 0.0, [])
    low, count = 0, 4_000 // bucket + 2
    grouped_bids, grouped_asks = column.sizes(bucket, low, count)
    assert sum(grouped_bids) == sum(depth.bid_lots)
    assert sum(grouped_asks) == sum(depth.ask_lots)


def _at(frame: Frame, mid: int, slot: int) -> Frame:
    """Return a frame with a small book around ``mid`` at the start of a slot."""
    bids = [mid - 1 - number for number in range(400)]
    asks = [mid + 1 + number for number in range(400)]
    depth = Depth(bids, [100] * 400, asks, [100] * 400)
    market = msgspec.structs.replace(
        frame.market, bid_ticks=mid - 1, ask_ticks=mid + 1, last_ticks=mid, atr_ticks=math.nan
    )
    return msgspec.structs.replace(
        frame, market=market, depth=depth, published_ns=START_NS + slot * COLUMN_NS, orders=[]
    )


@pytest.fixture
def frame() -> Frame:
    return MadeUpMarket().frame()


def _model(frame: Frame, mid: int = 10_000) -> HeatModel:
    model = HeatModel()
    model.resize(50)
    model.add(_at(frame, mid, 0))
    return model


def test_the_window_moves_only_when_the_price_leaves_the_inner_part(frame: Frame) -> None:
    model = _model(frame)
    top = model.top
    reach = int(50 * 0.3) - 1
    for slot, mid in enumerate((10_000, 10_000 + reach, 10_000 - reach, 10_000), 1):
        model.add(_at(frame, mid * model.bucket // model.bucket, slot))
        assert model.top == top
    model.add(_at(frame, 10_000 + 3 * reach, 6))
    model.add(_at(frame, 10_000 + 3 * reach, 7))
    assert model.top == 10_000 + 3 * reach + 25
    middle = model.top - model.half_rows // 2
    assert abs(middle - (10_000 + 3 * reach)) <= 1


def test_four_columns_a_second_whatever_the_frame_rate(frame: Frame) -> None:
    market = MadeUpMarket()
    model = HeatModel()
    model.resize(50)
    closed = sum(model.add(market.frame()) for _ in range(101))
    assert closed in (39, 40)
    slots = [column.slot for column in model.columns]
    assert slots == list(range(slots[0], slots[0] + len(slots)))


def test_a_short_hole_repeats_and_a_long_one_stays_empty(frame: Frame) -> None:
    model = _model(frame)
    model.add(_at(frame, 10_000, 2))
    assert len(model.columns) == 2
    assert model.columns[1].values == model.columns[0].values
    model.add(_at(frame, 10_000, 12))
    hole = model.columns[3:12]
    assert len(model.columns) == 12
    assert all(column.values == b"" and column.line is None for column in hole)


def test_a_clock_that_goes_back_starts_a_new_map(frame: Frame) -> None:
    model = _model(frame)
    model.add(_at(frame, 10_000, 1))
    model.add(_at(frame, 10_000, -100))
    assert model.columns == []


def test_columns_are_bounded(frame: Frame) -> None:
    model = _model(frame)
    for slot in range(1, KEEP + 40):
        model.add(_at(frame, 10_000, slot))
    assert len(model.columns) == KEEP


def test_zoom_groups_the_past_again(frame: Frame) -> None:
    model = _model(frame)
    for slot in range(1, 6):
        model.add(_at(frame, 10_000, slot))
    before = [column.values for column in model.columns]
    model.zoom(inwards=False)
    assert model.bucket == 2
    assert [column.values for column in model.columns] != before
    assert {column.line for column in model.columns} == {(5_000, 5_000)}
    model.zoom(inwards=True)
    assert model.bucket == 1
    model.zoom(inwards=True)
    assert model.bucket == 1


def test_what_the_book_does_not_reach_is_not_painted_as_empty(frame: Frame) -> None:
    model = HeatModel()
    model.resize(20)
    small = Depth([999, 998], [5, 5], [1_001, 1_002], [5, 5])
    one = msgspec.structs.replace(_at(frame, 1_000, 0), depth=small)
    model.add(one)
    model.add(_at(frame, 1_000, 1))
    column = model.columns[0]
    assert column.value(997) == VOID
    assert column.value(998) < 16
    assert 16 <= column.value(1_002) < 32
    assert column.value(1_003) == VOID


def test_the_price_line_has_no_holes(frame: Frame) -> None:
    model = _model(frame)
    for slot, mid in enumerate((10_000, 10_012, 10_003), 1):
        model.add(_at(frame, mid, slot))
    model.add(_at(frame, 10_003, 4))
    lines = [column.line for column in model.columns]
    assert lines == [(10_000, 10_000), (10_000, 10_000), (10_001, 10_012), (10_003, 10_011)]


def _column(frame: Frame, slot: int) -> Column:
    return Column(START_NS + slot * COLUMN_NS, _at(frame, 10_000, 0).depth, 10_000.0, 0.1, [])


def test_history_comes_before_what_was_seen_and_never_twice(frame: Frame) -> None:
    model = _model(frame)
    for slot in range(1, 4):
        model.add(_at(frame, 10_000, slot))
    first = [_column(frame, slot) for slot in range(-40, -20)]
    second = [_column(frame, slot) for slot in range(-20, 4)]
    assert not model.load(History("bybit", "BTCUSDT", first, last=False))
    assert model.load(History("bybit", "BTCUSDT", second, last=True))
    slots = [column.slot - START_NS // COLUMN_NS for column in model.columns]
    assert slots == list(range(-40, 3))
    assert all(column.values for column in model.columns)


def test_history_of_the_next_market_waits_for_its_first_frame(frame: Frame) -> None:
    model = _model(frame)
    model.add(_at(frame, 10_000, 1))
    past = [_column(frame, slot) for slot in range(-9, 0)]
    assert not model.load(History("bybit", "SOLUSDT", past, last=True))
    model.add(_at(frame, 10_000, 2))
    assert len(model.columns) == 2
    market = msgspec.structs.replace(frame.market, symbol="SOLUSDT")
    model.add(msgspec.structs.replace(_at(frame, 10_000, 3), market=market))
    assert model.market == ("bybit", "SOLUSDT")
    assert len(model.columns) == 9
