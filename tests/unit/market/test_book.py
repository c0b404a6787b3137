"""The book: sequence rules, imbalance, and equality with a plain reference model."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.events import DepthChanged, DepthSnapshotted, Level
from obiterm.core.values import Symbol
from obiterm.market.book import Applied, Book, SequenceRule

SYMBOL = Symbol("BTCUSDT")


def snapshot(last_id: int, bids: list[Level], asks: list[Level]) -> DepthSnapshotted:
    return DepthSnapshotted(SYMBOL, last_id, bids, asks, 0, 0)


def change(
    first_id: int, last_id: int, bids: list[Level] | None = None, asks: list[Level] | None = None
) -> DepthChanged:
    return DepthChanged(SYMBOL, first_id, last_id, bids or [], asks or [], 0, 0)


def book_of(bids: list[Level], asks: list[Level], last_id: int = 100) -> Book:
    book = Book()
    assert book.snapshot(snapshot(last_id, bids, asks)) is Applied.APPLIED
    return book


# -- imbalance (SPEC §11) -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [(700, 300, 0.400), (701, 299, 0.402), (250, 750, -0.5), (1, 0, 1.0), (0, 1, -1.0)],
)
def test_imbalance_gives_the_worked_numbers(bid: int, ask: int, expected: float) -> None:
    book = book_of([(99, bid)], [(101, ask)])
    assert book.imbalance(20) == expected


def test_700_to_300_is_not_above_the_threshold_and_701_to_299_is() -> None:
    assert not book_of([(99, 700)], [(101, 300)]).imbalance(20) > 0.4
    assert book_of([(99, 701)], [(101, 299)]).imbalance(20) > 0.4


def test_an_empty_book_reads_zero_and_says_that_it_is_empty() -> None:
    book = book_of([], [])
    assert book.imbalance(20) == 0.0
    assert book.empty
    assert (book.best_bid_ticks, book.best_ask_ticks, book.micro_ticks()) == (0, 0, 0.0)
    assert book.largest_level(5) == (0, 0)
    assert not book.crossed
    one_sided = book_of([(99, 5)], [])
    assert one_sided.empty
    assert not one_sided.crossed


def test_imbalance_counts_only_the_nearest_levels_of_each_side() -> None:
    book = book_of([(99, 6), (98, 100), (97, 1)], [(101, 2), (102, 2), (103, 500)])
    assert book.imbalance(1) == (6 - 2) / 8
    assert book.imbalance(2) == (106 - 4) / 110
    assert book.imbalance(3) == (107 - 504) / 611
    with pytest.raises(ValueError, match="at least 1"):
        book.imbalance(0)


def test_imbalance_follows_every_change() -> None:
    book = book_of([(99, 10)], [(101, 10)])
    assert book.imbalance(5) == 0.0
    book.change(change(101, 101, bids=[(99, 30)]))
    assert book.imbalance(5) == 0.5
    book.reset()
    assert book.imbalance(5) == 0.0


def test_reads_best_levels_micro_price_and_walls() -> None:
    book = book_of([(98, 7), (99, 30)], [(103, 5), (101, 10)])
    assert book.top(1) == ([(99, 30)], [(101, 10)])
    assert book.top(9) == ([(99, 30), (98, 7)], [(101, 10), (103, 5)])
    assert book.top(0) == ([], [])
    assert book.micro_ticks() == (99 * 10 + 101 * 30) / 40
    assert book.largest_level(9) == (99, 30)
    assert len(book) == 4


# -- sequence (binance.md §8.1) --------------------------------------------------------------


def test_changes_before_the_snapshot_are_buffered_and_replayed() -> None:
    book = Book()
    assert book.change(change(95, 99, bids=[(90, 1)])) is Applied.BUFFERED
    assert book.change(change(100, 103, bids=[(99, 8)])) is Applied.BUFFERED
    assert book.change(change(104, 104, asks=[(101, 0)])) is Applied.BUFFERED
    assert book.snapshot(snapshot(101, [(99, 5)], [(101, 5), (102, 6)])) is Applied.APPLIED
    assert book.synced
    assert book.last_id == 104
    assert book.diffs_applied == 2
    assert book.top(5) == ([(99, 8)], [(102, 6)])


def test_a_snapshot_older_than_the_buffer_is_a_gap_but_the_next_one_fits() -> None:
    book = Book()
    book.change(change(105, 106, bids=[(99, 8)]))
    assert book.snapshot(snapshot(103, [(98, 5)], [(101, 5)])) is Applied.GAP
    assert not book.synced
    assert book.gaps == 0  # no message was lost, the snapshot was too early
    assert book.empty
    assert book.snapshot(snapshot(104, [(98, 5)], [(101, 5)])) is Applied.APPLIED
    assert book.last_id == 106
    assert book.best_bid_ticks == 99


def test_a_missing_message_unsyncs_until_a_new_snapshot_and_is_counted() -> None:
    book = book_of([(99, 5)], [(101, 5)])
    assert book.change(change(102, 103, bids=[(99, 9)])) is Applied.GAP
    assert not book.synced
    assert book.gaps == 1
    assert book.empty
    assert book.change(change(104, 104, bids=[(98, 1)])) is Applied.BUFFERED
    # The message that showed the gap was kept: a snapshot just before it is enough.
    assert book.snapshot(snapshot(101, [(99, 5)], [(101, 5)])) is Applied.APPLIED
    assert book.top(5) == ([(99, 9), (98, 1)], [(101, 5)])


def test_a_hole_in_the_buffer_is_found_at_replay() -> None:
    book = Book()
    book.change(change(101, 101, bids=[(99, 1)]))
    book.change(change(103, 103, bids=[(99, 3)]))
    assert book.snapshot(snapshot(100, [(99, 5)], [(101, 5)])) is Applied.GAP
    assert book.gaps == 1
    assert book.snapshot(snapshot(102, [(99, 2)], [(101, 5)])) is Applied.APPLIED
    assert book.best_bid_lots == 3


def test_old_news_is_ignored_and_an_overlap_is_applied() -> None:
    book = book_of([(99, 5)], [(101, 5)])
    assert book.change(change(95, 100, bids=[(99, 1)])) is Applied.IGNORED
    assert book.change(change(99, 102, bids=[(99, 7)])) is Applied.APPLIED
    assert book.snapshot(snapshot(101, [(50, 1)], [(60, 1)])) is Applied.IGNORED
    assert book.best_bid_lots == 7
    assert book.snapshot(snapshot(110, [(50, 1)], [(60, 1)])) is Applied.APPLIED
    assert book.best_bid_ticks == 50


def test_a_full_buffer_keeps_the_newest_and_a_late_snapshot_still_fits() -> None:
    book = Book(buffer_limit=3)
    for at in range(1, 8):
        book.change(change(at, at, bids=[(90 + at, at)]))
    assert book.snapshot(snapshot(3, [], [(101, 1)])) is Applied.GAP
    assert book.snapshot(snapshot(4, [(94, 4)], [(101, 1)])) is Applied.APPLIED
    assert book.last_id == 7
    assert book.top(9)[0] == [(97, 7), (96, 6), (95, 5), (94, 4)]


def test_a_crossed_book_is_seen_and_counted() -> None:
    book = book_of([(99, 5)], [(101, 5)])
    book.change(change(101, 101, bids=[(101, 1)]))
    assert (book.crossed, book.crossed_seen) == (True, 1)
    book.change(change(102, 102, bids=[(101, 0)]))
    assert (book.crossed, book.crossed_seen) == (False, 1)


def test_removing_a_level_that_is_not_there_changes_nothing() -> None:
    book = book_of([(99, 5)], [(101, 5)])
    assert book.change(change(101, 101, bids=[(42, 0)], asks=[(142, 0)])) is Applied.APPLIED
    assert book.top(9) == ([(99, 5)], [(101, 5)])


def test_the_rule_judges_by_ids_alone() -> None:
    rule = SequenceRule.BINANCE_SPOT
    assert rule.verdict(100, change(99, 100)) is Applied.IGNORED
    assert rule.verdict(100, change(101, 101)) is Applied.APPLIED
    assert rule.verdict(100, change(102, 102)) is Applied.GAP


# -- properties ------------------------------------------------------------------------------


@dataclass
class Reference:
    """The plainest possible book: two dicts."""

    bids: dict[int, int]
    asks: dict[int, int]

    def apply(self, event: DepthChanged) -> None:
        for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            for ticks, lots in levels:
                side.pop(ticks, None)
                if lots:
                    side[ticks] = lots

    def top(self, levels: int) -> tuple[list[Level], list[Level]]:
        return sorted(self.bids.items(), reverse=True)[:levels], sorted(self.asks.items())[:levels]


BIDS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=8)
ASKS = st.lists(st.tuples(st.integers(40, 99), st.integers(0, 9)), max_size=8)


@given(st.lists(st.tuples(BIDS, ASKS), max_size=30), st.integers(1, 25))
def test_any_changes_give_the_levels_of_a_plain_model(
    changes: list[tuple[list[Level], list[Level]]], levels: int
) -> None:
    book, reference = book_of([], [], last_id=0), Reference({}, {})
    for at, (bids, asks) in enumerate(changes, start=1):
        event = change(at, at, bids, asks)
        assert book.change(event) is Applied.APPLIED
        reference.apply(event)
        wanted_bids, wanted_asks = reference.top(levels)
        assert book.top(levels) == (wanted_bids, wanted_asks)
        assert (book.best_bid_ticks, book.best_bid_lots) == (wanted_bids or [(0, 0)])[0]
        assert (book.best_ask_ticks, book.best_ask_lots) == (wanted_asks or [(0, 0)])[0]
        bid, ask = sum(q for _, q in wanted_bids), sum(q for _, q in wanted_asks)
        assert book.imbalance(levels) == ((bid - ask) / (bid + ask) if bid + ask else 0.0)
        assert -1.0 <= book.imbalance(levels) <= 1.0


def test_levels_beyond_the_near_window_come_back_when_the_near_ones_go() -> None:
    book = book_of([(ticks, ticks) for ticks in range(1, 1001)], [(2000, 1)])
    for at, gone in enumerate(range(1000, 300, -50), start=101):
        book.change(change(at, at, bids=[(gone - i, 0) for i in range(50)]))
        assert (book.best_bid_ticks, book.best_bid_lots) == (gone - 50, gone - 50)
        assert book.top(40)[0] == [(gone - 50 - i, gone - 50 - i) for i in range(40)]


@pytest.mark.parametrize("first", [300, 20])
def test_changes_below_a_near_window_that_was_trimmed_keep_the_order(first: int) -> None:
    """``first`` levels: more and fewer than the window holds at the start."""
    low = [(2 * at, 1) for at in range(1, first)]
    book, reference = book_of(low, [(90_000, 1)]), Reference(dict(low), {90_000: 1})
    for at in range(101, 220):
        fresh = [(1_000 + (at - 101) * 5 + i, at) for i in range(5)]
        odd, even = 2 * ((at * 37) % 300) + 1, 2 * ((at * 53) % first)
        middle = 1_000 + (at * 29) % ((at - 100) * 5)
        event = change(at, at, bids=[*fresh, (odd, 7), (even, 0), (middle, 0)])
        book.change(event)
        reference.apply(event)
        for levels in (1, 150, 199, 300, 5_000):
            assert book.top(levels) == reference.top(levels)


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_a_deep_book_that_drifts_keeps_its_order(seed: int) -> None:
    """Hundreds of levels a side, so that the near window is trimmed and rebuilt."""
    pick = Random(seed).randint
    bids = {10_000 - i: 5 for i in range(1, 700)}
    asks = {10_000 + i: 5 for i in range(700)}
    book = book_of(list(bids.items()), list(asks.items()))
    reference = Reference(dict(bids), dict(asks))
    middle = 10_000
    for at in range(101, 160):
        middle += pick(-60, 60)
        new_bids = [(middle - pick(1, 500), pick(0, 3)) for _ in range(40)]
        new_asks = [(middle + pick(0, 500), pick(0, 3)) for _ in range(40)]
        gone_bids = [(ticks, 0) for ticks in reference.bids if ticks >= middle]
        gone_asks = [(ticks, 0) for ticks in reference.asks if ticks < middle]
        event = change(at, at, gone_bids + new_bids, gone_asks + new_asks)
        assert book.change(event) is Applied.APPLIED
        reference.apply(event)
        for levels in (1, 20, 150, 1000):
            assert book.top(levels) == reference.top(levels)
        assert not book.crossed


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=25),
    st.integers(0, 60),
    st.lists(st.integers(0, 30), max_size=6),
    st.data(),
)
def test_any_interleaving_of_snapshot_and_changes_ends_in_the_venues_book(
    sizes: list[int], snapshot_after: int, lost: list[int], data: st.DataObject
) -> None:
    """T48: changes before, around and after the snapshot; some are lost; never a wrong book."""
    venue, history = Reference({}, {}), []
    snapshots: list[DepthSnapshotted] = [snapshot(0, [], [])]
    last_id = 0
    for size in sizes:
        bids, asks = data.draw(BIDS), data.draw(ASKS)
        event = change(last_id + 1, last_id + size, bids, asks)
        last_id += size
        venue.apply(event)
        history.append(event)
        snapshots.append(snapshot(last_id, list(venue.bids.items()), list(venue.asks.items())))
    book = Book()
    for at, event in enumerate(history):
        if at == snapshot_after:
            book.snapshot(snapshots[data.draw(st.integers(0, len(snapshots) - 1))])
        if at not in lost:
            book.change(event)
        if book.synced:
            reached = next(s for s in snapshots if s.last_id == book.last_id)
            assert book.top(99) == Reference(dict(reached.bids), dict(reached.asks)).top(99)
    assert book.snapshot(snapshots[-1]) in (Applied.APPLIED, Applied.IGNORED)
    assert book.top(99) == venue.top(99)
