"""Every venue's book, from bytes to levels, under whatever a network does (T48).

One machine plays all venues: the true book moves, the stream tells it late and in bundles,
frames are lost, doubled, swapped and repeated, snapshots come before and after what they
belong to, connections break. A book that says it is in step equals the venue's at that number,
and every book is in step again as soon as nothing disturbs it.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from obiterm.core.events import DepthChanged, DepthSnapshotted
from obiterm.market.book import Applied, Book
from tests.unit.market.depth_streams import DIALECTS, BybitStream, Dialect, Venue

OFFSETS = st.integers(1, 12)
LOTS = st.sampled_from([0, 0, 1, 2, 7, 1000])
CHANGES = st.lists(
    st.tuples(st.sampled_from("ba"), OFFSETS, LOTS, st.integers(1, 4)), min_size=1, max_size=4
)


class BookOfAVenue(RuleBasedStateMachine):
    """One market: the venue, the wire, the product's session and book."""

    name: ClassVar[str] = "binance"

    def __init__(self) -> None:
        super().__init__()
        self.dialect: Dialect = DIALECTS[self.name]()
        self.venue = Venue()
        self.wire: deque[bytes] = deque()
        self.delivered: list[bytes] = []
        self.answers: deque[DepthSnapshotted] = deque()
        self.book = Book(self.dialect.rule, buffer_limit=50)

    # -- the venue ------------------------------------------------------------------------

    @rule(changes=CHANGES)
    def the_market_moves(self, changes: list[tuple[str, int, int, int]]) -> None:
        for side, offset, lots, width in changes:
            self.venue.change(side, offset, lots, width)

    @rule()
    def the_stream_tells(self) -> None:
        self.wire.append(self.dialect.update(self.venue))

    @precondition(lambda self: isinstance(self.dialect, BybitStream))
    @rule(number=st.integers(1, 3))
    def the_venue_counts_anew(self, number: int) -> None:
        """Its service restarted: the stream goes on with a snapshot of a small number."""
        self.venue.restart(number)
        self.forget()
        assert isinstance(self.dialect, BybitStream)
        self.wire.append(self.dialect._snapshot(self.venue))
        self.arrive(self.wire.popleft())

    # -- the network ----------------------------------------------------------------------

    @precondition(lambda self: self.wire)
    @rule()
    def a_frame_arrives(self) -> None:
        self.arrive(self.wire.popleft())

    @precondition(lambda self: self.wire)
    @rule()
    def a_frame_arrives_twice(self) -> None:
        frame = self.wire.popleft()
        self.arrive(frame)
        self.arrive(frame)

    @precondition(lambda self: self.wire)
    @rule()
    def a_frame_is_lost(self) -> None:
        self.wire.popleft()

    @precondition(lambda self: len(self.wire) > 1)
    @rule()
    def two_frames_change_places(self) -> None:
        self.wire[0], self.wire[1] = self.wire[1], self.wire[0]

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def an_old_frame_comes_again(self, data: st.DataObject) -> None:
        self.arrive(data.draw(st.sampled_from(self.delivered)))

    @rule()
    def the_connection_breaks(self) -> None:
        """The buffer of the old connection is gone, an answer under way may still come."""
        self.forget()
        self.book.reset()
        self.wire.extend(self.dialect.connect(self.venue))

    # -- the product ----------------------------------------------------------------------

    @precondition(lambda self: not self.book.synced)
    @rule()
    def a_snapshot_is_asked_for(self) -> None:
        self.ask()

    @precondition(lambda self: self.answers)
    @rule()
    def an_answer_comes(self) -> None:
        """It may be older than what the book holds, or than its buffer."""
        self.take(self.answers.popleft())

    @invariant()
    def a_book_in_step_is_the_venues(self) -> None:
        if self.book.synced:
            assert self.book.top(100) == self.venue.history[self.book.last_id]
        else:
            assert self.book.top(100) == ([], [])

    def teardown(self) -> None:
        """Left alone, the book finds into step: nothing needs a restart."""
        while self.wire:
            self.arrive(self.wire.popleft())
        for _ in range(4):
            self.wire.append(self.dialect.update(self.venue))
            self.arrive(self.wire.popleft())
            if not self.book.synced:
                self.ask()
            while self.answers or self.wire:
                if self.answers:
                    self.take(self.answers.popleft())
                else:
                    self.arrive(self.wire.popleft())
        assert self.book.synced
        assert self.book.last_id == self.venue.last_id
        assert self.book.top(100) == self.venue.levels()

    # -- inside ---------------------------------------------------------------------------

    @initialize()
    def connect(self) -> None:
        self.wire.extend(self.dialect.connect(self.venue))

    def forget(self) -> None:
        """A socket does not hand over what another one carried."""
        self.wire.clear()
        self.delivered.clear()

    def ask(self) -> None:
        answer = self.dialect.resync(self.venue)
        if isinstance(answer, DepthSnapshotted):
            self.answers.append(answer)
        else:
            self.wire.extend(answer)

    def arrive(self, frame: bytes) -> None:
        self.delivered = [*self.delivered[-5:], frame]
        for event in self.dialect.receive(frame):
            if isinstance(event, DepthSnapshotted):
                self.take(event)
            else:
                assert isinstance(event, DepthChanged)
                self.book.change(event)

    def take(self, snapshot: DepthSnapshotted) -> None:
        outcome = self.book.snapshot(snapshot)
        assert outcome is not Applied.BUFFERED


@pytest.mark.parametrize("name", DIALECTS)
def test_t48_a_book_in_step_equals_the_venues(name: str) -> None:
    machine = type("BookOf", (BookOfAVenue,), {"name": name})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=80, stateful_step_count=40, deadline=None)
    )
