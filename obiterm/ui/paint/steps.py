"""The 1-2-5 ladder of price groupings."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

LADDER: tuple[int, ...] = tuple(
    int(str(lead) + "0" * zeros) for zeros in range(10) for lead in (1, 2, 5)
)
"""Every grouping in ticks: 1, 2, 5, 10 … 5,000,000,000."""


def step_at_least(ticks: float) -> int:
    """Return the smallest grouping that is not below ``ticks``, at most the largest."""
    return LADDER[min(bisect_left(LADDER, ticks), len(LADDER) - 1)]


def coarser(step: int) -> int:
    """Return the next larger grouping."""
    return LADDER[min(bisect_right(LADDER, step), len(LADDER) - 1)]


def finer(step: int) -> int:
    """Return the next smaller grouping, never below one tick."""
    return LADDER[max(bisect_left(LADDER, step) - 1, 0)]
