"""The book where snapshots come in the stream (bybit.md §8.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.events import DepthChanged, DepthSnapshotted, Level
from obiterm.core.values import Symbol
from obiterm.market.book import Applied, Book, SequenceRule

SYMBOL = Symbol("BTCUSDT")


def snapshot(
    last_id: int, bids: list[Level], asks: list[Level], max_levels: int = 0
) -> DepthSnapshotted:
    return DepthSnapshotted(SYMBOL, last_id, bids, asks, 0, 0, max_levels)


def change(
    number: int, bids: list[Level] | None = None, asks: list[Level] | None = None
) -> DepthChanged:
    return DepthChanged(SYMBOL, number, number, bids or [], asks or [], 0, 0)


def book_of(bids: list[Level], asks: list[Level], last_id: int = 100, most: int = 0) -> Book:
    book = Book(SequenceRule.BYBIT)
    assert book.snapshot(snapshot(last_id, bids, asks, most)) is Applied.APPLIED
    return book


@pytest.mark.parametrize("number", [1, 99, 100, 5_000])
def test_every_snapshot_replaces_the_book_whatever_its_number(number: int) -> None:
    book = book_of([(99, 5)], [(101, 5)])
    assert book.snapshot(snapshot(number, [(50, 1)], [(60, 2)])) is Applied.APPLIED
    assert (book.last_id, book.top(9)) == (number, ([(50, 1)], [(60, 2)]))
    assert book.change(change(number + 1, bids=[(51, 7)])) is Applied.APPLIED
    assert book.best_bid_ticks == 51


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (101, Applied.APPLIED),
        (100, Applied.IGNORED),
        (102, Applied.GAP),
        (99, Applied.GAP),
        (2, Applied.GAP),
    ],
)
def test_changes_count_up_by_one(number: int, outcome: Applied) -> None:
    book = book_of([(99, 5)], [(101, 5)])
    assert book.change(change(number, bids=[(98, 1)])) is outcome
    assert book.synced is (outcome is not Applied.GAP)
    assert book.gaps == (outcome is Applied.GAP)


def test_what_came_before_a_snapshot_is_older_than_it() -> None:
    book = Book(SequenceRule.BYBIT)
    assert book.change(change(7_000, bids=[(90, 1)])) is Applied.BUFFERED
    assert book.change(change(7_001, bids=[(91, 1)])) is Applied.BUFFERED
    assert book.snapshot(snapshot(1, [(99, 5)], [(101, 5)])) is Applied.APPLIED
    assert book.top(9) == ([(99, 5)], [(101, 5)])
    assert book.change(change(2, bids=[(98, 2)])) is Applied.APPLIED


def test_a_crossed_book_is_a_gap_that_no_number_showed() -> None:
    book = book_of([(99, 5)], [(101, 5)])
    assert book.change(change(101, bids=[(101, 1)])) is Applied.GAP
    assert (book.gaps, book.crossed_seen, book.synced) == (1, 1, False)
    assert not book.crossed
    assert book.snapshot(snapshot(102, [(101, 1)], [(102, 5)])) is Applied.APPLIED
    assert book.best_bid_ticks == 101


def test_levels_pushed_out_of_the_window_are_forgotten() -> None:
    book = book_of([(99, 5), (98, 5)], [(101, 5), (102, 5)], most=2)
    book.change(change(101, bids=[(100, 1)], asks=[(103, 9)]))
    assert book.top(9) == ([(100, 1), (99, 5)], [(101, 5), (102, 5)])
    book.change(change(102, bids=[(100, 0)]))
    assert book.top(9)[0] == [(99, 5)], "98 may have changed unseen while it was out of sight"


def test_without_a_window_every_level_is_kept() -> None:
    book = book_of([(99, 5)], [(101, 5)])
    book.change(change(101, bids=[(ticks, 1) for ticks in range(1, 90)]))
    assert len(book) == 91


@dataclass
class Venue:
    """A stream with a book of its own, cut down to a window, numbered from anywhere."""

    window: int
    number: int = 0
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)

    def visible(self) -> tuple[list[Level], list[Level]]:
        bids = sorted(self.bids.items(), reverse=True)[: self.window]
        return bids, sorted(self.asks.items())[: self.window]

    def snapshot(self, number: int) -> DepthSnapshotted:
        self.number = number
        return snapshot(number, *self.visible(), self.window)

    def change(self, bids: list[Level], asks: list[Level], deletes: bool) -> DepthChanged:
        """Set levels; tell what entered and left the window, the leaving ones if ``deletes``."""
        before = [dict(side) for side in self.visible()]
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for ticks, lots in levels:
                side.pop(ticks, None)
                if lots:
                    side[ticks] = lots
        told: list[list[Level]] = []
        for then, now, whole in zip(before, self.visible(), (self.bids, self.asks), strict=True):
            present = dict(now)
            set_levels = [(t, q) for t, q in now if then.get(t) != q]
            gone = [(t, 0) for t in then if t not in present and (deletes or t not in whole)]
            told.append(gone + set_levels)
        self.number += 1
        return change(self.number, *told)


BIDS = st.lists(st.tuples(st.integers(1, 49), st.integers(0, 9)), max_size=8)
ASKS = st.lists(st.tuples(st.integers(51, 99), st.integers(0, 9)), max_size=8)
STEPS = st.lists(
    st.tuples(BIDS, ASKS, st.sampled_from(["ok", "ok", "ok", "lose", "twice", "restart", "late"])),
    max_size=40,
)


@given(STEPS, st.integers(1, 6), st.booleans())
def test_t48_any_interleaving_gives_the_venues_window_or_says_that_it_does_not(
    steps: list[tuple[list[Level], list[Level], str]], window: int, deletes: bool
) -> None:
    """Lost, doubled and late messages, restarts and new subscriptions, with and without
    deletes of levels that leave the window: a book in step equals the venue's."""
    venue, book = Venue(window), Book(SequenceRule.BYBIT)
    book.snapshot(venue.snapshot(500))
    late: DepthChanged | None = None
    for bids, asks, fate in steps:
        told = venue.change(bids, asks, deletes)
        if fate == "restart":
            book.snapshot(venue.snapshot(1))
            late = None  # a socket does not reorder: nothing from before comes after
            continue
        if fate == "lose":
            continue
        if fate == "late":
            late = told
            continue
        book.change(told)
        if fate == "twice":
            assert book.change(told) is not Applied.APPLIED
        if late is not None:
            book.change(late)
            late = None
        if book.synced:
            assert book.top(99) == venue.visible()
        else:
            book.snapshot(venue.snapshot(venue.number + 1_000))
            late = None
            assert book.top(99) == venue.visible()
