"""The venue's clock against ours, from the quickest of a few questions (R14)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from obiterm.core.clock import Clock

_SAMPLES = 3


async def quickest_offset(ask: Callable[[], Awaitable[int]], clock: Clock) -> tuple[int, int]:
    """Return ``(offset, round trip)`` in ns; positive means that the venue is ahead.

    ``ask`` returns the venue's time in Unix ns. The quickest sample says most: the time may
    have been read anywhere within its round trip. Raises what ``ask`` raises.
    """
    best = (0, 2**62)
    for _ in range(_SAMPLES):
        before = clock.wall_ns()
        told = await ask()
        after = clock.wall_ns()
        if after - before < best[1]:
            best = (told - (before + after) // 2, after - before)
    return best
