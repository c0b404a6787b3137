"""Spoofers: walls that are shown and pulled before anybody trades with them.

Each wall is labelled, so that a detector's opinion can be compared with the truth.
"""

from __future__ import annotations

from random import Random
from typing import Protocol

import msgspec

from obiterm.core.values import NS_PER_S, Side
from obiterm.exchange.matching import FifoBook

_PAUSE_S = (6.0, 20.0)
_SHOWN_S = (0.8, 3.5)
_SIZE = (20.0, 70.0)
"""Size of a wall in typical orders."""
_DEPTH = (4, 15)
"""Levels from the touch at which a wall appears."""
_FLEE_LEVELS = 2
STILL_SHOWN = -1


class Spoof(msgspec.Struct):
    """One spoofed wall."""

    symbol: str
    side: Side
    price_ticks: int
    lots: int
    order_ids: list[int]
    from_ns: int
    to_ns: int = STILL_SHOWN
    """When it was pulled, or ``STILL_SHOWN``."""


class _House(Protocol):
    book: FifoBook

    def add(self, side: Side, ticks: int, lots: int) -> int: ...

    def cancel(self, order_id: int) -> None: ...


class Spoofer:
    """Shows one wall at a time."""

    def __init__(
        self, house: _House, rng: Random, symbol: str, typical_lots: int, start_ns: int
    ) -> None:
        self._house = house
        self._rng = rng
        self._symbol = symbol
        self._typical_lots = typical_lots
        self._due_ns = start_ns + self._span_ns(_PAUSE_S)
        self._shown: Spoof | None = None
        self.spoofs: list[Spoof] = []
        """Every wall so far, oldest first; the last one may still be shown."""

    def step(self, now_ns: int) -> None:
        """Show, keep or pull the wall."""
        if self._shown is not None:
            if now_ns >= self._due_ns or self._is_close(self._shown):
                self._pull(self._shown, now_ns)
        elif now_ns >= self._due_ns:
            self._show(now_ns)

    def _show(self, now_ns: int) -> None:
        rng = self._rng
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        levels = self._house.book.levels(side, _DEPTH[1] + 1)
        if len(levels) <= _DEPTH[1]:
            return
        ticks = levels[rng.randint(*_DEPTH)][0]
        parts = rng.choice((1, 1, 3))
        lots = max(1, int(self._typical_lots * rng.uniform(*_SIZE)) // parts)
        ids = [self._house.add(side, ticks, lots) for _ in range(parts)]
        self._shown = Spoof(self._symbol, side, ticks, lots * parts, ids, now_ns)
        self.spoofs.append(self._shown)
        self._due_ns = now_ns + self._span_ns(_SHOWN_S)

    def _is_close(self, wall: Spoof) -> bool:
        levels = self._house.book.levels(wall.side, _FLEE_LEVELS)
        worst = levels[-1][0] if levels else 0
        return wall.price_ticks >= worst if wall.side is Side.BUY else wall.price_ticks <= worst

    def _pull(self, wall: Spoof, now_ns: int) -> None:
        for order_id in wall.order_ids:
            self._house.cancel(order_id)
        wall.to_ns = now_ns
        self._shown = None
        self._due_ns = now_ns + self._span_ns(_PAUSE_S)

    def _span_ns(self, bounds_s: tuple[float, float]) -> int:
        return int(self._rng.uniform(*bounds_s) * NS_PER_S)
