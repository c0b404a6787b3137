"""Rules of time at Backpack (backpack.md §3): measure, apply, and when not to trade (R14).

The venue refuses a request that is older than its window (5 s unless told, at most 60 s),
with ``Request has expired``. Its time is bare milliseconds, rounded down.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from obiterm.core.values import NS_PER_MS, NS_PER_S

RESYNC_NS = 300 * NS_PER_S
"""Measure again after this long, and at once when a request was refused as expired."""

_SAFE_SHARE = 2
"""Part of the window that the uncertainty may take: 1 / this."""


class ClockSample(msgspec.Struct, frozen=True):
    """One question for the venue's time. ``offset_ns`` is its clock minus ours."""

    offset_ns: int
    round_trip_ns: int


def sample(venue_ms: int, before_ns: int, after_ns: int) -> ClockSample:
    """Compare the venue's time with ours around the question, Unix ns."""
    middle_ns = (before_ns + after_ns) // 2
    offset_ns = venue_ms * NS_PER_MS + NS_PER_MS // 2 - middle_ns
    return ClockSample(offset_ns, after_ns - before_ns)


def best(samples: Iterable[ClockSample]) -> ClockSample:
    """Return the sample with the shortest way: its offset is known most exactly."""
    return min(samples, key=lambda each: each.round_trip_ns)


def may_trade(measured: ClockSample, window_ms: int) -> bool:
    """Tell whether signatures arrive inside the window, however wrong the offset may be.

    The offset is applied to every signature, so its size does no harm; what remains is half
    of the round trip, and the way of the request itself.
    """
    return measured.round_trip_ns * _SAFE_SHARE <= window_ms * NS_PER_MS
