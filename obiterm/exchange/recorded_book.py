"""The recorded public book: snapshot, then diffs by the venue's rules (binance.md §8.1)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from obiterm.core.values import Side

NO_TOUCH = (-1, 0, 0, 0, 0)


class RecordedSide:
    """Sizes by price of one side; prices sorted upwards."""

    __slots__ = ("is_bid", "prices", "sizes")

    def __init__(self, side: Side) -> None:
        self.is_bid = side is Side.BUY
        self.sizes: dict[int, int] = {}
        self.prices: list[int] = []

    def set(self, ticks: int, lots: int) -> None:
        """Set the absolute size of a level; 0 removes it, known or not."""
        if lots:
            if ticks not in self.sizes:
                insort(self.prices, ticks)
            self.sizes[ticks] = lots
        elif ticks in self.sizes:
            del self.sizes[ticks]
            del self.prices[bisect_left(self.prices, ticks)]

    def best_first(self) -> Iterator[int]:
        """Yield prices from the best one on."""
        return reversed(self.prices) if self.is_bid else iter(self.prices)

    def top(self, limit: int) -> list[tuple[int, int]]:
        """Return up to ``limit`` levels, best first."""
        if limit <= 0:
            return []
        prices = self.prices[: -limit - 1 : -1] if self.is_bid else self.prices[:limit]
        return [(ticks, self.sizes[ticks]) for ticks in prices]


class RecordedBook:
    """What the recording shows to the public.

    Best prices come in messages of their own, ahead of the next diff. They do not
    change the levels (``levels`` stays what the diffs say), but ``size_at`` and
    ``visible`` follow whichever is newer.
    """

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        self.bids = RecordedSide(Side.BUY)
        self.asks = RecordedSide(Side.SELL)
        self.gaps = 0
        """Diffs whose first id did not follow the last one: holes in the recording."""
        self._synced = False
        self._touch = NO_TOUCH

    def side(self, side: Side) -> RecordedSide:
        """Return the half on which orders of ``side`` rest."""
        return self.bids if side is Side.BUY else self.asks

    def accepts(self, first_id: int, last_id: int) -> bool:
        """Tell whether a diff is newer than the book, and count a gap before it."""
        if last_id <= self.last_id:
            return False
        if first_id > self.last_id + 1 or (self._synced and first_id != self.last_id + 1):
            self.gaps += 1
        self._synced = True
        self.last_id = last_id
        return True

    def set_touch(self, update_id: int, bid: tuple[int, int], ask: tuple[int, int]) -> bool:
        """Take in best prices; return False for old ones."""
        if update_id <= self._touch[0] or update_id <= self.last_id:
            return False
        self._touch = (update_id, *bid, *ask)
        return True

    @property
    def update_id(self) -> int:
        """Id of the newest thing known about the touch."""
        return max(self.last_id, self._touch[0])

    def touch(self, side: Side) -> tuple[int, int] | None:
        """Return the best level from a message newer than the levels, else ``None``."""
        update_id, bid, bid_lots, ask, ask_lots = self._touch
        if update_id <= self.last_id:
            return None
        return (bid, bid_lots) if side is Side.BUY else (ask, ask_lots)

    def visible(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield ``(ticks, lots)`` best first, from the newest information."""
        half = self.side(side)
        touch = self.touch(side)
        if touch is None:
            for ticks in half.best_first():
                yield ticks, half.sizes[ticks]
            return
        yield touch
        sign = side.sign
        for ticks in half.best_first():
            if (touch[0] - ticks) * sign > 0:
                yield ticks, half.sizes[ticks]

    def best(self, side: Side) -> tuple[int, int]:
        """Return the best level from the newest information; ``(0, 0)`` if there is none."""
        return next(self.visible(side), (0, 0))

    def size_at(self, side: Side, ticks: int) -> int:
        """Return the size at a price from the newest information."""
        touch = self.touch(side)
        if touch is not None:
            distance = (touch[0] - ticks) * side.sign
            if distance <= 0:
                return touch[1] if distance == 0 else 0
        return self.side(side).sizes.get(ticks, 0)
