"""The sequence rule of Binance futures, and equality with a plain reference (T48)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.events import DepthChanged, DepthSnapshotted, Level
from obiterm.core.values import Symbol
from obiterm.market.book import Applied, Book, SequenceRule

SYMBOL = Symbol("BTCUSDT-PERP")
RULE = SequenceRule.BINANCE_FUTURES


def snapshot(last_id: int, bids: list[Level], asks: list[Level]) -> DepthSnapshotted:
    return DepthSnapshotted(SYMBOL, last_id, bids, asks, 0, 0)


def change(previous_id: int, first_id: int, last_id: int, *bids: Level) -> DepthChanged:
    return DepthChanged(SYMBOL, first_id, last_id, list(bids), [], 0, 0, previous_id)


@pytest.mark.parametrize(
    ("previous_id", "first_id", "last_id", "expected"),
    [
        (100, 105, 110, Applied.APPLIED),  # in step: numbers between belong to other markets
        (90, 95, 110, Applied.APPLIED),  # first after a snapshot: it spans it
        (90, 103, 110, Applied.APPLIED),  # nothing of this market happened in between
        (90, 95, 100, Applied.IGNORED),  # the snapshot holds it
        (80, 85, 90, Applied.IGNORED),
        (101, 103, 110, Applied.GAP),  # the message that ended at 101 is missing
        (101, 99, 110, Applied.GAP),
        (-1, 101, 110, Applied.GAP),  # does not say what came before
    ],
)
def test_a_message_continues_the_one_before(
    previous_id: int, first_id: int, last_id: int, expected: Applied
) -> None:
    assert RULE.verdict(100, change(previous_id, first_id, last_id)) is expected


def test_a_gap_unsyncs_and_a_newer_snapshot_heals() -> None:
    book = Book(RULE)
    book.snapshot(snapshot(100, [(99, 1)], [(101, 1)]))
    assert book.change(change(100, 105, 110, (98, 2))) is Applied.APPLIED
    assert book.change(change(115, 118, 120, (97, 3))) is Applied.GAP
    assert (book.synced, book.gaps) == (False, 1)
    assert book.change(change(120, 121, 130, (96, 4))) is Applied.BUFFERED
    assert book.snapshot(snapshot(112, [(99, 1)], [(101, 1)])) is Applied.GAP
    assert book.snapshot(snapshot(119, [(99, 1)], [(101, 1)])) is Applied.APPLIED
    assert book.last_id == 130
    assert book.top(9)[0] == [(99, 1), (97, 3), (96, 4)]


class Feed:
    """A market of the venue: ids shared with others, messages, and its true book."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.last_id = 1000
        self.levels: dict[int, int] = {}
        self.messages: list[DepthChanged] = []

    def step(self) -> None:
        previous = self.last_id
        first = previous + self._random.randint(1, 5)
        self.last_id = first + self._random.randint(0, 5)
        changed: dict[int, int] = {}
        for _ in range(self._random.randint(1, 3)):
            changed[self._random.randint(1, 20)] = self._random.randint(0, 4)
        for ticks, lots in changed.items():
            if lots:
                self.levels[ticks] = lots
            else:
                self.levels.pop(ticks, None)
        self.messages.append(change(previous, first, self.last_id, *changed.items()))

    def snapshot(self) -> DepthSnapshotted:
        bids = sorted(self.levels.items(), reverse=True)
        return snapshot(self.last_id, bids, [(1000, 1)])


@given(seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_t48_any_interleaving_ends_in_the_true_book(seed: int) -> None:
    """Deltas before the snapshot, gaps, duplicates, reordering: a book that says it is in
    step equals the venue's, and one that is not says so and heals by a snapshot."""
    random = Random(seed)
    feed, book = Feed(random), Book(RULE, buffer_limit=50)
    reference: dict[int, list[Level]] = {}
    for _ in range(40):
        feed.step()
        reference[feed.last_id] = sorted(feed.levels.items(), reverse=True)
        fate = random.random()
        if fate < 0.1:
            continue  # lost
        book.change(feed.messages[-1])
        if fate < 0.2:
            book.change(feed.messages[-1])  # twice
        if fate < 0.3:
            book.change(random.choice(feed.messages))  # an old one again
        if not book.synced and random.random() < 0.3:
            book.snapshot(feed.snapshot())
        if book.synced:
            assert book.top(100)[0] == reference[book.last_id]
    book.snapshot(feed.snapshot())
    assert book.synced
    assert book.last_id == feed.last_id
    assert book.top(100)[0] == reference[feed.last_id]
