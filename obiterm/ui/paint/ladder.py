"""The ladder's grouping of the book and its window on it."""

from __future__ import annotations

import math
from collections.abc import Hashable

from obiterm.link.messages import Depth
from obiterm.ui.paint.steps import LADDER, coarser, finer

_INNER = 0.6
"""Share of the height in which the price may wander without a new centre."""

_FILLED = 0.6
"""Share of the rows around the price that must have a size under the chosen grouping."""


def bucket_book(depth: Depth, step: int) -> tuple[dict[int, int], dict[int, int]]:
    """Return lots by bucket: bids rounded down, asks rounded up, so that they never meet."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for ticks, lots in zip(depth.bid_ticks, depth.bid_lots, strict=True):
        bids[ticks // step] = bids.get(ticks // step, 0) + lots
    for ticks, lots in zip(depth.ask_ticks, depth.ask_lots, strict=True):
        asks[-(-ticks // step)] = asks.get(-(-ticks // step), 0) + lots
    return bids, asks


def auto_step(depth: Depth, rows: int) -> int:
    """Return the finest grouping under which most rows around the price are filled."""
    half = max(1, rows // 2)
    if not depth.bid_ticks or not depth.ask_ticks:
        return 1
    for step in LADDER:
        bids, asks = bucket_book(depth, step)
        best_bid, best_ask = depth.bid_ticks[0] // step, -(-depth.ask_ticks[0] // step)
        near = sum(best_bid - bucket < half for bucket in bids)
        near += sum(bucket - best_ask < half for bucket in asks)
        if near >= _FILLED * 2 * half or len(bids) + len(asks) < half:
            return step
    return LADDER[-1]


class LadderWindow:
    """Which prices are on the screen.

    Attributes:
        step: ticks per row; 0 before the first book.
        top: bucket of the highest row.
        rows: price rows, without the row of the price now.
        cursor: price under the cursor in ticks; 0 before the first book.
        placed: True once somebody has moved the cursor; before, it follows the best bid.
    """

    def __init__(self) -> None:
        self.market: Hashable = None
        self.step = 0
        self.top = 0
        self.rows = 0
        self.cursor = 0
        self.placed = False
        self._mid = math.nan
        self._held = False

    def update(self, market: Hashable, depth: Depth, mid_ticks: float, rows: int) -> None:
        """Follow a new book: a new market or height centres, else only a price that left."""
        if market != self.market:
            self.market, self.step, self.cursor = market, 0, 0
            self.placed = self._held = False
        self._mid = mid_ticks
        if not math.isfinite(mid_ticks):
            self.rows = rows
            return
        if not self.step:
            self.step = auto_step(depth, rows)
        moved = rows != self.rows
        self.rows = rows
        if not self.placed:
            best = depth.bid_ticks[0] if depth.bid_ticks else int(mid_ticks)
            self.cursor = best // self.step * self.step
        margin = 0.0 if self._held else rows * (1 - _INNER) / 2
        place = self.top - mid_ticks / self.step
        if moved or not margin <= place <= rows - margin:
            self.centre()

    def centre(self) -> None:
        """Put the price in the middle."""
        self._held = False
        if self.step and math.isfinite(self._mid):
            self.top = int(self._mid // self.step) + self.rows // 2

    def release(self) -> None:
        """Let the cursor follow the best bid again, with the price in the middle."""
        self.placed = False
        self.centre()

    def move(self, rows: int) -> None:
        """Move the cursor by rows, up is positive; the window follows the cursor."""
        if not self.step:
            return
        bucket = max(1, self.cursor // self.step + rows)
        self.cursor = bucket * self.step
        self.placed = True
        if bucket > self.top:
            self.top, self._held = bucket, True
        elif bucket <= self.top - self.rows:
            self.top, self._held = bucket + self.rows - 1, True

    def put(self, ticks: int) -> None:
        """Put the cursor on a price."""
        if self.step:
            self.cursor = ticks // self.step * self.step
            self.placed = True

    def regroup(self, inwards: bool) -> None:
        """Change the ticks per row and keep the price in the middle."""
        if self.step:
            self.step = finer(self.step) if inwards else coarser(self.step)
            self.cursor = self.cursor // self.step * self.step
            self.centre()

    def mid_row(self, best_bid: int | None, best_ask: int | None) -> int:
        """Return before which row the price now stands: above the best bid's bucket."""
        if best_bid is not None:
            row = self.top - best_bid
        elif best_ask is not None:
            row = self.top - best_ask + 1
        else:
            row = self.rows // 2
        return min(max(row, 0), self.rows)
