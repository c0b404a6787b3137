"""Size to brightness (design/TUI.md §2) and the reference size behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from obiterm.link.messages import Depth
from obiterm.ui.paint.palette import RAMP_STEPS
from obiterm.ui.paint.steps import step_at_least

_EXPONENT = 0.62
_OFFSET = 0.9
_HOLD = 0.7
"""A cell keeps its step until the size has left it by this much of a step."""

_PERCENTILE = 0.97
_SMOOTHING = 0.0125
"""Share of a new column in the reference: 20 s at four columns a second."""

_VIEW_SHARE = 0.0005
"""Least price range of the whole map, as a share of the price."""
_VIEW_MOST = 0.003
_VIEW_ATRS = 2.0


def exact_step(size: float, ref: float) -> float:
    """Return ``16 × (size / ref)^0.62 − 0.9``."""
    if size <= 0 or ref <= 0:
        return -1.0
    return float(RAMP_STEPS * (size / ref) ** _EXPONENT - _OFFSET)


def step_of(size: float, ref: float) -> int:
    """Return the step of the ramp for a size, clamped to the ramp."""
    return min(max(math.floor(exact_step(size, ref)), 0), RAMP_STEPS - 1)


def held_step(size: float, ref: float, before: int) -> int:
    """Return the step, staying on the column before where the size has hardly changed.

    Without it, a size on the edge of a step flickers and no two columns are the same,
    which costs most of the bytes of the map.
    """
    exact = exact_step(size, ref)
    if before - _HOLD <= exact < before + 1 + _HOLD:
        return before
    return min(max(math.floor(exact), 0), RAMP_STEPS - 1)


def high_size(sizes: Sequence[float]) -> float:
    """Return a high percentile of the sizes that are not zero; 0 if there is none."""
    seen = sorted(size for size in sizes if size > 0)
    return seen[min(len(seen) - 1, int(_PERCENTILE * len(seen)))] if seen else 0.0


def smooth_ref(ref: float, high: float, columns: int) -> float:
    """Move the reference towards the newest high size; fast while there are few columns."""
    if high <= 0:
        return ref
    return ref + (high - ref) * max(_SMOOTHING, 1 / (columns + 1))


def auto_bucket(depth: Depth, half_rows: int, mid_ticks: float, atr_ticks: float) -> int:
    """Return ticks per half row so that the visible range is useful.

    Two average ranges of a minute where they are known, between 5 and 30 bps of the price
    and never more than the book that is there.
    """
    wanted = mid_ticks * _VIEW_SHARE
    if math.isfinite(atr_ticks):
        wanted = min(max(wanted, _VIEW_ATRS * atr_ticks), mid_ticks * _VIEW_MOST)
    if depth.bid_ticks and depth.ask_ticks:
        wanted = min(wanted, depth.ask_ticks[-1] - depth.bid_ticks[-1])
    return step_at_least(wanted / max(1, half_rows))
