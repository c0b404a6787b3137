"""A stream with a bad day, through the session, into a book (T48)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.events import DepthChanged, DepthSnapshotted, Level
from obiterm.core.values import NS_PER_S
from obiterm.market.book import Applied, Book, SequenceRule
from obiterm.venues.bybit import Category, MarketSession
from tests.unit.venues_bybit.payloads import BTC, PERP

TOPIC = "orderbook.50.BTCUSDT"


@dataclass
class Venue:
    """A book of its own, told in frames."""

    number: int = 700
    sides: dict[str, dict[int, int]] = field(default_factory=lambda: {"b": {}, "a": {}})

    def frame(self, kind: str, levels: dict[str, list[Level]]) -> bytes:
        data: dict[str, object] = {
            side: [[str(BTC.price(t)), str(BTC.quantity(q))] for t, q in changed]
            for side, changed in levels.items()
        }
        data |= {"s": "BTCUSDT", "u": self.number, "seq": 1}
        told = {"topic": TOPIC, "type": kind, "ts": 1, "data": data, "cts": 1}
        return json.dumps(told, separators=(",", ":")).encode()

    def snapshot(self, number: int) -> bytes:
        self.number = number
        return self.frame("snapshot", {side: [*held.items()] for side, held in self.sides.items()})

    def change(self, bids: list[Level], asks: list[Level]) -> bytes:
        self.number += 1
        for side, levels in (("b", bids), ("a", asks)):
            for ticks, lots in levels:
                self.sides[side].pop(ticks, None)
                if lots:
                    self.sides[side][ticks] = lots
        return self.frame("delta", {"b": bids, "a": asks})

    def levels(self) -> tuple[list[Level], list[Level]]:
        return sorted(self.sides["b"].items(), reverse=True), sorted(self.sides["a"].items())


class Client:
    """The session and a book that follow what arrives; a gap is mended as the engine does it."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.session = MarketSession(Category.LINEAR, {PERP: BTC})
        self.book = Book(SequenceRule.BYBIT)
        self.now_ns = 0
        self.connect()

    def connect(self) -> None:
        self.book.reset()
        self.answer(self.session.connect_frames(self.now_ns))
        self.take(self.venue.snapshot(self.venue.number))

    def answer(self, frames: list[bytes]) -> None:
        for frame in frames:
            asked = json.loads(frame)
            told = {"success": True, "ret_msg": "", "op": asked["op"], "req_id": asked["req_id"]}
            self.take(json.dumps(told).encode())

    def take(self, frame: bytes) -> None:
        for event in self.session.receive(frame, 0):
            if isinstance(event, DepthSnapshotted):
                outcome = self.book.snapshot(event)
            else:
                assert isinstance(event, DepthChanged)
                outcome = self.book.change(event)
            if outcome in (Applied.GAP, Applied.BUFFERED):
                self.mend()

    def mend(self) -> None:
        frames = self.session.resubscribe(PERP, self.now_ns)
        if frames:
            self.answer(frames)
            self.take(self.venue.snapshot(self.venue.number))


BIDS = st.lists(st.tuples(st.integers(1, 49), st.integers(0, 9)), max_size=5)
ASKS = st.lists(st.tuples(st.integers(51, 99), st.integers(0, 9)), max_size=5)
FATES = ["ok", "ok", "ok", "lose", "twice", "swap", "restart", "reconnect"]
STEPS = st.lists(st.tuples(BIDS, ASKS, st.sampled_from(FATES)), max_size=40)


@given(STEPS)
def test_t48_lost_doubled_swapped_and_restarted_streams_end_as_the_venues_book(
    steps: list[tuple[list[Level], list[Level], str]],
) -> None:
    venue = Venue()
    client = Client(venue)
    held: bytes | None = None
    for bids, asks, fate in steps:
        client.now_ns += 61 * NS_PER_S
        frame = venue.change(bids, asks)
        if fate == "reconnect":
            held = None
            client.connect()
            continue
        if fate == "restart":
            held = None
            client.take(venue.snapshot(1))
            continue
        if fate == "lose":
            continue
        if fate == "swap" and held is None:
            held = frame
            continue
        client.take(frame)
        if fate == "twice":
            client.take(frame)
        if held is not None:
            client.take(held)
            held = None
        if client.book.synced:
            assert client.book.top(99) == venue.levels()
    client.now_ns += 61 * NS_PER_S
    for _ in range(2):  # the last frame may have been lost: the next one shows it
        client.take(venue.change([], []))
    assert client.book.synced
    assert client.book.top(99) == venue.levels()


@given(STEPS)
def test_a_stream_whose_numbers_have_holes_is_followed_in_the_end(
    steps: list[tuple[list[Level], list[Level], str]],
) -> None:
    """Should the venue number its frames with holes, the book is mended three times at most."""
    venue = Venue()
    client = Client(venue)
    for at, (bids, asks, _) in enumerate(steps):
        client.now_ns += 10 * NS_PER_S
        venue.number += at % 3
        client.take(venue.change(bids, asks))
        if client.book.synced:
            assert client.book.top(99) == venue.levels()
    assert client.book.gaps <= 3
