"""What an account may still send, as plain state (T44, Q24).

A venue bounds requests by pools: so many units per window, or a rate. Every request
costs units of some kinds; it may go out when all pools of these kinds have room. A share
is kept back for cancels and exits. All times are Unix nanoseconds of the venue's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from obiterm.core.values import NS_PER_MS, NS_PER_S

RESERVE = 0.2
"""Share of every pool that only cancels and exits may use."""

_MINUTE_NS = 60 * NS_PER_S
_ON_THE_WAY_NS = 500 * NS_PER_MS
"""Longest way of a request or its answer that is reckoned with."""


class Pool(Protocol):
    """One bound of the venue on one kind of cost."""

    kind: str

    def wait_ns(self, cost: int, share: float, now_ns: int) -> int:
        """Return how long ``cost`` units must wait, when ``share`` of the pool is usable."""
        ...

    def take(self, cost: int, now_ns: int) -> None:
        """Count units that are on their way."""
        ...

    def used_share(self, now_ns: int) -> float:
        """Return how full the pool is, as a fraction of its limit."""
        ...


class Counter(msgspec.Struct):
    """So many units in each window; windows are aligned to the clock, not sliding.

    What leaves shortly before a window ends may arrive in the next one: it counts in both.
    """

    kind: str
    interval_ns: int
    limit: int
    keeps: bool = False
    """A count of the venue below ours is not believed: requests that are on their way are not
    in it yet. Where ours may be too high (weights), the venue's word wins."""
    used: int = 0
    window: int = -1
    late: int = 0
    """Units taken so late that the venue may count them in the next window."""
    before: int = 0
    """Units used in the window before."""

    def roll(self, now_ns: int) -> None:
        """Empty the counter when ``now_ns`` lies in a later window."""
        window = now_ns // self.interval_ns
        if window > self.window:
            follows = window == self.window + 1
            self.before = self.used if follows else 0
            self.used = self.late if follows else 0
            self.late = 0
            self.window = window

    def wait_ns(self, cost: int, share: float, now_ns: int) -> int:
        """Return how long ``cost`` units must wait, when ``share`` of the pool is usable."""
        self.roll(now_ns)
        if self.used + cost <= self.limit * share:
            return 0
        return (self.window + 1) * self.interval_ns - now_ns

    def take(self, cost: int, now_ns: int) -> None:
        """Count units that are on their way."""
        self.roll(now_ns)
        self.used += cost
        if (self.window + 1) * self.interval_ns - now_ns <= _ON_THE_WAY_NS:
            self.late += cost

    def told(self, count: int, now_ns: int) -> None:
        """Take the venue's count; one that may be of the window before is left."""
        self.roll(now_ns)
        is_new = now_ns - self.window * self.interval_ns < _ON_THE_WAY_NS
        if is_new and self.used < count <= self.before:
            return
        self.used = max(self.used, count) if self.keeps else count

    def used_share(self, now_ns: int) -> float:
        """Return how full the window is, as a fraction of its limit."""
        self.roll(now_ns)
        return self.used / self.limit if self.limit else 0.0


class Bucket(msgspec.Struct):
    """A steady rate with room for a burst, where the venue does not tell its windows.

    No window of ``t`` seconds, wherever it starts, holds more than
    ``capacity + per_s * t`` units.
    """

    kind: str
    capacity: int
    """Most units at once."""
    per_s: float
    """Units that come back each second."""
    used: float = 0.0
    filled_ns: int = 0

    def wait_ns(self, cost: int, share: float, now_ns: int) -> int:
        """Return how long ``cost`` units must wait, when ``share`` of the burst is usable."""
        self._refill(now_ns)
        missing = self.used + cost - self.capacity * share
        if missing <= 0:
            return 0
        return int(missing / self.per_s * NS_PER_S) + 1

    def take(self, cost: int, now_ns: int) -> None:
        """Count units that are on their way."""
        self._refill(now_ns)
        self.used += cost

    def used_share(self, now_ns: int) -> float:
        """Return how much of the burst is used up, as a fraction."""
        self._refill(now_ns)
        return self.used / self.capacity if self.capacity else 0.0

    def drain(self, now_ns: int) -> None:
        """Take the pool for empty: the venue counts more than we do."""
        self._refill(now_ns)
        self.used = max(self.used, float(self.capacity))

    def _refill(self, now_ns: int) -> None:
        passed_ns = now_ns - self.filled_ns
        if passed_ns > 0:
            self.used = max(0.0, self.used - passed_ns * self.per_s / NS_PER_S)
            self.filled_ns = now_ns


class Ban(msgspec.Struct):
    """Until when the venue told an address to keep away; one for all accounts behind it."""

    until_ns: int = 0


class Pools:
    """All pools that one account draws from.

    A pool that belongs to the IP address is given to the ``Pools`` of every account behind
    that address; what one sends, all see. So is its ``ban``.
    """

    def __init__(
        self, pools: Iterable[Pool], *, reserve: float = RESERVE, ban: Ban | None = None
    ) -> None:
        self.ban = ban or Ban()
        self._pools = list(pools)
        self._reserve = reserve
        self._own_block_ns = 0

    def add(self, pool: Pool) -> None:
        """Draw from one more pool, that the venue told of later."""
        self._pools.append(pool)

    @property
    def blocked_until_ns(self) -> int:
        """Until when the venue told us to keep away; 0 = never."""
        return max(self.ban.until_ns, self._own_block_ns)

    def wait_ns(self, costs: Mapping[str, int], urgent: bool, now_ns: int) -> int:
        """Return 0 to send now, else the nanoseconds to wait.

        ``costs`` are units by kind. ``urgent`` marks cancels and exits: they may use the
        reserve and are not held back by a ban that the venue spoke (T44).
        """
        wait = 0 if urgent else max(0, self.blocked_until_ns - now_ns)
        share = 1.0 if urgent else 1.0 - self._reserve
        for pool in self._pools:
            cost = costs.get(pool.kind, 0)
            if cost:
                wait = max(wait, pool.wait_ns(cost, share, now_ns))
        return wait

    def spend(self, costs: Mapping[str, int], now_ns: int) -> None:
        """Count a request that is on its way; the venue's figures correct it later."""
        for pool in self._pools:
            cost = costs.get(pool.kind, 0)
            if cost:
                pool.take(cost, now_ns)

    def block(self, until_ns: int, *, own: bool = False) -> None:
        """Send nothing but cancels before ``until_ns`` (``Retry-After``).

        ``own``: the limit is this account's, not its address's.
        """
        if own:
            self._own_block_ns = max(self._own_block_ns, until_ns)
        else:
            self.ban.until_ns = max(self.ban.until_ns, until_ns)

    def block_until_ms(self, until_ms: int, *, own: bool = False) -> None:
        """Do the same for Unix milliseconds."""
        self.block(until_ms * NS_PER_MS, own=own)

    def refused(self, now_ns: int, *, own: bool = False) -> None:
        """Keep away until the minute ends, after a refusal that did not say how long."""
        self.block((now_ns // _MINUTE_NS + 1) * _MINUTE_NS, own=own)

    def used_share(self, kind: str, now_ns: int) -> float:
        """Return the fullest pool of ``kind`` as a fraction of its limit, for the screen."""
        shares = [pool.used_share(now_ns) for pool in self._pools if pool.kind == kind]
        return max(shares, default=0.0)
