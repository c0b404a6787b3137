"""One order book stream: what its listeners believe, and what they must be told (§8.1)."""

from __future__ import annotations

import msgspec

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.bybit.numbers import ms
from obiterm.exchange.bybit.office import BackOffice
from obiterm.exchange.bybit.topics import DEPTHS, Topic

_REPEAT_NS = 3_000 * NS_PER_MS
Levels = dict[int, int]


class BookTopic:
    """The best ``depth`` levels of a book as they were last published.

    A level that leaves the window is deleted, one that comes into it is set, so that
    applying deltas always gives the window. Depth 1 sends snapshots only.
    """

    def __init__(self, office: BackOffice, topic: Topic, now_ns: int) -> None:
        self.topic = topic
        self._office = office
        self._scale = topic.scale
        self._every_ns = DEPTHS[topic.scale.category][topic.depth] * NS_PER_MS
        self._due_ns = now_ns + self._every_ns
        self._sent_ns = self._changed_ns = now_ns
        self.seq, bids, asks = self._peek()
        self.update = self.seq
        self._bids: Levels = dict(bids)
        self._asks: Levels = dict(asks)

    def _peek(self) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        return self._office.venue.peek(self._scale.spec.symbol, self.topic.depth)

    def snapshot(self, now_ns: int) -> bytes:
        """Write the window as it was last published; deltas go on from it."""
        bids = sorted(self._bids.items(), reverse=True)
        return self._frame("snapshot", bids, sorted(self._asks.items()), now_ns)

    def poll(self, now_ns: int) -> bytes | None:
        """Return the next frame if one is due and something changed."""
        if now_ns < self._due_ns:
            return None
        self._due_ns = now_ns + self._every_ns
        seq, bids, asks = self._peek()
        is_top = self.topic.depth == 1
        if seq == self.seq:
            if is_top and now_ns - self._sent_ns >= _REPEAT_NS:
                self._sent_ns = now_ns
                return self.snapshot(now_ns)
            return None
        self.seq = seq
        new_bids, new_asks = dict(bids), dict(asks)
        bid_changes, ask_changes = _changes(self._bids, new_bids), _changes(self._asks, new_asks)
        self._bids, self._asks = new_bids, new_asks
        if not (bid_changes or ask_changes):
            return None
        self.update += 1
        self._sent_ns = self._changed_ns = now_ns
        if is_top:
            return self.snapshot(now_ns)
        return self._frame("delta", bid_changes, ask_changes, now_ns)

    def _frame(
        self, kind: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now_ns: int
    ) -> bytes:
        return msgspec.json.encode(
            {
                "topic": self.topic.name,
                "type": kind,
                "ts": ms(now_ns),
                "data": {
                    "s": self._scale.symbol,
                    "b": self._scale.levels(bids),
                    "a": self._scale.levels(asks),
                    "u": self.update,
                    "seq": self.seq,
                },
                "cts": ms(self._changed_ns),
            }
        )


def _changes(before: Levels, after: Levels) -> list[tuple[int, int]]:
    changed = [(ticks, lots) for ticks, lots in after.items() if before.get(ticks) != lots]
    return changed + [(ticks, 0) for ticks in before if ticks not in after]
