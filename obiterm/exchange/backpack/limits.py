"""Requests per account or address and per minute (backpack.md §4).

The venue documents no headers for them: a client has to keep count itself.
"""

from __future__ import annotations

import msgspec

from obiterm.core.values import NS_PER_S
from obiterm.exchange.backpack.errors import ApiError

_MINUTE_S = 60


class LimitOptions(msgspec.Struct, frozen=True):
    """The pools of the exchange and the life of its sockets."""

    requests_per_minute: int = 2000
    """Of one account; of one address for public calls."""
    historical_per_minute: int = 30
    """Candles and older trades, of one address."""
    ping_every_s: float | None = 60.0
    """How often the exchange pings its sockets."""
    pong_within_s: float = 120.0
    """How long a socket may stay without a pong."""


class Limits:
    """Counters that start again with every minute of the clock."""

    def __init__(self, options: LimitOptions) -> None:
        self.options = options
        self._used: dict[str, tuple[int, int]] = {}

    def admit(self, who: str, now_ns: int, *, historical: bool = False) -> None:
        """Count a request, or refuse it with 429."""
        self._count(f"requests/{who}", self.options.requests_per_minute, now_ns)
        if historical:
            self._count(f"historical/{who}", self.options.historical_per_minute, now_ns)

    def _count(self, pool: str, limit: int, now_ns: int) -> None:
        minute = now_ns // (_MINUTE_S * NS_PER_S)
        slot, used = self._used.get(pool, (minute, 0))
        if slot != minute:
            used = 0
        if used >= limit:
            rest_s = _MINUTE_S - now_ns // NS_PER_S % _MINUTE_S
            raise ApiError(429, "TOO_MANY_REQUESTS", "Too many requests", retry_after_s=rest_s)
        self._used[pool] = (minute, used + 1)
