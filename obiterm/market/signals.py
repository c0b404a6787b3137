"""Signals beside the book's imbalance: trade flow, walls, spread (SPEC §4)."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from statistics import median

import msgspec

from obiterm.core.events import Level
from obiterm.core.values import Side


class FlowImbalance:
    """Signed traded volume over all traded volume, both fading with time.

    A trade weighs 1/e after ``window_ns``. Between trades the value fades towards 0 by
    the same law, so that silence is no signal.
    """

    __slots__ = ("_last_ns", "_signed", "_total", "_window_ns")

    def __init__(self, window_ns: int) -> None:
        if window_ns <= 0:
            raise ValueError(f"window_ns must be positive, not {window_ns}")
        self._window_ns = window_ns
        self._signed = 0.0
        self._total = 0.0
        self._last_ns = 0

    def add(self, side: Side, lots: int, at_ns: int) -> None:
        """Take one trade by its aggressor. A trade older than the last one counts as now."""
        fade = exp((self._last_ns - at_ns) / self._window_ns) if at_ns > self._last_ns else 1.0
        self._last_ns = max(self._last_ns, at_ns)
        self._total = self._total * fade + lots
        self._signed = self._signed * fade + (lots if side is Side.BUY else -lots)

    def value(self, now_ns: int) -> float:
        """Return -1 (all sold) … 1 (all bought); 0 before the first trade."""
        if not self._total:
            return 0.0
        fade = exp((self._last_ns - now_ns) / self._window_ns) if now_ns > self._last_ns else 1.0
        return max(-1.0, min(1.0, self._signed / self._total * fade))


class Wall(msgspec.Struct, frozen=True):
    """A level that stands out of its side."""

    side: Side
    ticks: int
    lots: int
    distance_ticks: int
    """From the best price of its side."""
    ratio: float
    """Its size over the median size of the levels looked at."""


def find_wall(side: Side, levels: Sequence[Level], min_ratio: float = 5.0) -> Wall | None:
    """Return the biggest of ``levels`` (best first) if it is ``min_ratio`` times the median.

    Fewer than three levels have no wall. Of equal ones the nearest.
    """
    if len(levels) < 3:
        return None
    ticks, lots = max(levels, key=lambda level: level[1])
    ratio = lots / median(size for _, size in levels)
    if ratio < min_ratio:
        return None
    return Wall(side, ticks, lots, abs(ticks - levels[0][0]), ratio)


def spread_bps(bid_ticks: int, ask_ticks: int) -> float:
    """Return the spread over the mid in basis points; 0 when a side is missing."""
    if bid_ticks <= 0 or ask_ticks <= 0:
        return 0.0
    return (ask_ticks - bid_ticks) * 20_000 / (ask_ticks + bid_ticks)
