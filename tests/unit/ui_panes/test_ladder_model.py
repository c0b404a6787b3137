"""The ladder's grouping and its window on the book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from obiterm.link.messages import Depth
from obiterm.ui.paint.ladder import LadderWindow, auto_step, bucket_book
from obiterm.ui.paint.steps import LADDER

_books = st.tuples(
    st.integers(2_000, 1_000_000),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 10**6)), min_size=1, max_size=50),
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 10**6)), min_size=1, max_size=50),
)


def _depth(book: tuple[int, int, list[tuple[int, int]], list[tuple[int, int]]]) -> Depth:
    mid, spread, below, above = book
    sides: list[tuple[list[int], list[int]]] = []
    for start, sign, levels in ((mid, -1, below), (mid + spread, 1, above)):
        ticks, lots, place = [], [], start
        for step, size in levels:
            ticks.append(place)
            lots.append(size)
            place += sign * step
        sides.append((ticks, lots))
    return Depth(*sides[0], *sides[1])


@given(_books, st.sampled_from(LADDER[:12]))
def test_grouped_rows_add_up_to_the_book_and_sides_never_meet(
    book: tuple[int, int, list[tuple[int, int]], list[tuple[int, int]]], step: int
) -> None:
    depth = _depth(book)
    bids, asks = bucket_book(depth, step)
    assert sum(bids.values()) == sum(depth.bid_lots)
    assert sum(asks.values()) == sum(depth.ask_lots)
    assert max(bids) < min(asks) or step > 1
    assert max(bids) * step <= depth.bid_ticks[0]
    assert min(asks) * step >= depth.ask_ticks[0]
    if max(bids) == min(asks):
        assert depth.bid_ticks[0] == depth.ask_ticks[0]


@given(_books)
def test_the_first_grouping_fills_most_rows(
    book: tuple[int, int, list[tuple[int, int]], list[tuple[int, int]]],
) -> None:
    depth = _depth(book)
    step = auto_step(depth, 20)
    assert step in LADDER
    if step > 1:
        finer_step = LADDER[LADDER.index(step) - 1]
        bids, asks = bucket_book(depth, finer_step)
        assert len(bids) + len(asks) >= 10


def _window(mid: float = 10_000.5, rows: int = 20) -> LadderWindow:
    window = LadderWindow()
    bids = [int(mid) - number for number in range(60)]
    asks = [int(mid) + 1 + number for number in range(60)]
    window.update("X", Depth(bids, [5] * 60, asks, [5] * 60), mid, rows)
    return window


def _move(window: LadderWindow, mid: float) -> None:
    depth = Depth([int(mid)], [5], [int(mid) + 1], [5])
    window.update("X", depth, mid, window.rows)


def test_the_window_moves_only_when_the_price_leaves_the_inner_part() -> None:
    window = _window()
    assert window.step == 1
    top = window.top
    for mid in (10_000.5, 10_004.5, 9_996.5):
        _move(window, mid)
        assert window.top == top
    _move(window, 10_007.5)
    assert window.top == 10_007 + 10


def test_the_cursor_follows_the_best_bid_until_it_is_moved() -> None:
    window = _window()
    assert window.cursor == 10_000
    _move(window, 10_003.5)
    assert window.cursor == 10_003
    window.move(2)
    assert window.cursor == 10_005
    _move(window, 10_001.5)
    assert window.cursor == 10_005
    window.release()
    _move(window, 10_001.5)
    assert window.cursor == 10_001


def test_the_window_follows_a_cursor_that_leaves_it_and_waits_there() -> None:
    window = _window()
    window.move(25)
    assert window.cursor == 10_025
    assert window.top == 10_025
    _move(window, 10_006.5)
    assert window.top == 10_025
    _move(window, 9_990.5)
    assert window.top == 10_000


def test_a_change_of_grouping_keeps_the_cursor_on_a_row() -> None:
    window = _window()
    window.put(10_007)
    for _ in range(3):
        window.regroup(inwards=False)
        assert window.cursor % window.step == 0
    assert window.step == 10
    window.regroup(inwards=True)
    assert window.step == 5
    assert window.top - window.rows < window.cursor // 5 <= window.top


def test_another_market_starts_anew() -> None:
    window = _window()
    window.move(5)
    depth = Depth([500], [1], [501], [1])
    window.update("Y", depth, 500.5, 20)
    assert window.cursor == 500
    assert not window.placed


def test_where_the_price_stands_between_rows() -> None:
    window = _window()
    assert window.mid_row(10_000, 10_001) == window.top - 10_000
    assert window.mid_row(None, 10_001) == window.top - 10_000
    assert window.mid_row(None, None) == 10
    assert window.mid_row(99_999, None) == 0
