"""Queue places inside a recorded book, as the decision record 0002 states them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import Side
from obiterm.exchange.api import Stp
from obiterm.exchange.matching import HOUSE, Match, Resting, Taker, quote_lots, sweep
from obiterm.exchange.queue_model import QueuedBook
from obiterm.exchange.recorded_book import RecordedBook

MS = 1_000_000
BIDS = {100: 50, 99: 30, 98: 70}
ASKS = {101: 40, 102: 60, 105: 10}


def make_book() -> QueuedBook:
    public = RecordedBook(10)
    for ticks, lots in BIDS.items():
        public.bids.set(ticks, lots)
    for ticks, lots in ASKS.items():
        public.asks.set(ticks, lots)
    return QueuedBook(public)


def join(book: QueuedBook, order_id: int, ticks: int, lots: int, side: Side = Side.BUY) -> Resting:
    order = Resting(order_id, "me", side, ticks, lots)
    book.rest(order)
    return order


def show(book: QueuedBook, side: Side, ticks: int, lots: int, at_ms: int) -> None:
    """Let a diff set one level."""
    book.public.last_id += 1
    changed = book.public.size_at(side, ticks) != lots
    book.public.side(side).set(ticks, lots)
    book.on_level(side, ticks, changed=changed, time_ns=at_ms * MS)


def lots_of(matches: list[Match]) -> list[tuple[int, int]]:
    return [(match.maker.order_id, match.lots) for match in matches]


def test_an_order_waits_behind_what_was_shown() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    assert book.ahead_of(1) == 50
    assert lots_of(book.on_trade(100, 30, Side.SELL, 0)) == []
    assert book.ahead_of(1) == 20
    assert lots_of(book.on_trade(100, 24, Side.SELL, 0)) == [(1, 4)]
    assert lots_of(book.on_trade(100, 100, Side.SELL, 0)) == [(1, 6)]
    assert book.ahead_of(1) is None


def test_a_new_price_has_nobody_ahead() -> None:
    book = make_book()
    join(book, 1, 97, 10)
    assert book.ahead_of(1) == 0


def test_a_trade_through_the_price_fills_whole() -> None:
    book = make_book()
    join(book, 1, 100, 500)
    join(book, 2, 99, 500)
    assert lots_of(book.on_trade(99, 31, Side.SELL, 0)) == [(1, 500), (2, 1)]


def test_trades_of_the_other_aggressor_and_behind_the_price_do_nothing() -> None:
    book = make_book()
    join(book, 1, 99, 10)
    assert book.on_trade(100, 50, Side.SELL, 0) == []
    assert book.on_trade(99, 50, Side.BUY, 0) == []
    assert book.ahead_of(1) == 30


def test_cancels_count_as_behind_until_the_level_is_smaller_than_what_was_ahead() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    show(book, Side.BUY, 100, 80, 0)
    assert book.ahead_of(1) == 50
    show(book, Side.BUY, 100, 60, 0)
    assert book.ahead_of(1) == 50
    show(book, Side.BUY, 100, 20, 0)
    assert book.ahead_of(1) == 20
    show(book, Side.BUY, 100, 90, 0)
    assert book.ahead_of(1) == 20


def test_a_level_that_shrank_just_before_its_print_counts_once() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    show(book, Side.BUY, 100, 20, 1_000)
    assert book.on_trade(100, 30, Side.SELL, 1_050 * MS) == []
    assert book.ahead_of(1) == 20


def test_a_shrink_long_ago_was_a_cancel() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    show(book, Side.BUY, 100, 20, 1_000)
    assert lots_of(book.on_trade(100, 25, Side.SELL, 1_300 * MS)) == [(1, 5)]


def test_two_orders_at_one_price_fill_in_their_own_order() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    show(book, Side.BUY, 100, 70, 0)
    join(book, 2, 100, 10)
    assert (book.ahead_of(1), book.ahead_of(2)) == (50, 70)
    assert lots_of(book.on_trade(100, 55, Side.SELL, 0)) == [(1, 5)]
    # 55 traded: 50 before us, 5 ours, so 20 recorded lots are left before the second.
    assert book.ahead_of(2) == 20
    assert lots_of(book.on_trade(100, 30, Side.SELL, 0)) == [(1, 5), (2, 5)]


def test_best_prices_move_us_and_hide_levels_that_are_gone() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    join(book, 2, 99, 10)
    assert book.public.set_touch(11, (99, 12), (101, 40))
    book.on_touch(Side.BUY, changed=True, time_ns=0)
    assert (book.ahead_of(1), book.ahead_of(2)) == (0, 12)
    assert book.best(Side.BUY) == (99, 12)
    assert book.levels(Side.BUY, 1) == [(100, 50)]
    assert not book.public.set_touch(11, (98, 1), (101, 40))


def test_a_quote_that_reaches_us_trades_with_us_at_our_price() -> None:
    book = make_book()
    order = join(book, 1, 100, 15)
    show(book, Side.SELL, 100, 6, 0)
    assert lots_of(book.on_book()) == [(1, 6)]
    assert order.lots == 9
    assert book.on_book() == []
    show(book, Side.SELL, 99, 50, 0)
    assert lots_of(book.on_book()) == [(1, 9)]


def test_taken_size_is_gone_until_the_level_is_shown_anew() -> None:
    book = make_book()
    taker = Taker(9, "me", Side.BUY, 102, 1_000)
    swept = sweep(book, taker)
    assert [(s.maker.ticks, s.lots) for s in swept.steps if isinstance(s, Match)] == [
        (101, 40),
        (102, 60),
    ]
    assert next(book.walk(Side.BUY, 102), None) is None
    assert book.levels(Side.SELL, 2) == [(101, 40), (102, 60)]
    show(book, Side.SELL, 101, 40, 0)
    assert quote_lots(book, taker).lots == 0
    show(book, Side.SELL, 101, 45, 0)
    assert quote_lots(book, taker).lots == 45


def test_what_we_took_is_no_longer_ahead_of_us() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    sweep(book, Taker(9, "other", Side.SELL, 100, 20))
    assert book.ahead_of(1) == 30
    join(book, 2, 100, 10)
    assert book.ahead_of(2) == 30


def test_a_taker_meets_recorded_size_and_our_orders_by_place() -> None:
    book = make_book()
    join(book, 1, 101, 5, Side.SELL)
    show(book, Side.SELL, 101, 55, 0)
    join(book, 2, 101, 5, Side.SELL)
    join(book, 3, 103, 5, Side.SELL)
    pieces = [(m.ticks, m.order_id, m.lots) for m in book.walk(Side.BUY, 0)]
    assert pieces == [
        (101, 0, 40),
        (101, 1, 5),
        (101, 0, 15),
        (101, 2, 5),
        (102, 0, 60),
        (103, 3, 5),
        (105, 0, 10),
    ]
    swept = sweep(book, Taker(9, "me", Side.BUY, 101, 70, Stp.EXPIRE_TAKER))
    assert swept.taker_expired
    assert swept.left_lots == 30


def test_removing_an_order_forgets_its_place() -> None:
    book = make_book()
    join(book, 1, 100, 10)
    assert book.remove(1) is not None
    assert book.remove(1) is None
    assert book.on_trade(90, 500, Side.SELL, 0) == []


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(95, 100), st.integers(1, 60)),
        st.tuples(st.just("level"), st.integers(95, 100), st.integers(0, 90)),
        st.tuples(st.just("trade"), st.integers(95, 100), st.integers(1, 90)),
        st.tuples(st.just("take"), st.integers(95, 100), st.integers(1, 90)),
    ),
    max_size=50,
)


@given(EVENTS)
def test_nobody_ever_falls_back_or_fills_more_than_it_has(
    events: list[tuple[str, int, int]],
) -> None:
    book = make_book()
    sizes: dict[int, int] = {}
    filled: dict[int, int] = {}
    places: dict[int, int] = {}
    for number, (what, ticks, lots) in enumerate(events, start=1):
        matches: list[Match] = []
        if what == "join":
            join(book, number, ticks, lots)
            sizes[number] = lots
        elif what == "level":
            show(book, Side.BUY, ticks, lots, number * 40)
        elif what == "trade":
            matches = book.on_trade(ticks, lots, Side.SELL, number * 40 * MS)
        else:
            steps = sweep(book, Taker(10_000, HOUSE, Side.SELL, ticks, lots)).steps
            matches = [step for step in steps if isinstance(step, Match) and step.maker.order_id]
        for match in matches:
            order_id = match.maker.order_id
            filled[order_id] = filled.get(order_id, 0) + match.lots
        for order_id, size in sizes.items():
            ahead = book.ahead_of(order_id)
            assert (ahead is None) == (filled.get(order_id, 0) == size)
            if ahead is not None:
                assert 0 <= ahead <= places.get(order_id, ahead)
                places[order_id] = ahead


def test_gaps_in_the_recording_are_counted_and_old_diffs_dropped() -> None:
    public = RecordedBook(100)
    assert not public.accepts(90, 100)
    assert public.accepts(99, 104)
    assert public.accepts(105, 110)
    assert public.gaps == 0
    assert public.accepts(112, 120)
    assert public.gaps == 1


@pytest.mark.parametrize("side", list(Side))
def test_an_empty_side_has_no_best(side: Side) -> None:
    assert RecordedBook(1).best(side) == (0, 0)
