"""Request weights and order counts of Binance as plain state (binance.md §5).

Limits are the venue's own figures (Q24): from exchangeInfo, from reply headers and
from ``rateLimits`` of WebSocket API replies. Windows are aligned to the clock, not
sliding. A share is kept back for cancels and exits (T44).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.venues.binance.messages import RateLimit

WEIGHT = "REQUEST_WEIGHT"
ORDERS = "ORDERS"
RAW = "RAW_REQUESTS"

TOO_MUCH = frozenset({418, 429})
"""HTTP statuses that mean: over a limit, or banned for it."""

RESERVE = 0.2
"""Share of every pool that only cancels and exits may use."""

_UNIT_NS = {
    "S": NS_PER_S,
    "M": 60 * NS_PER_S,
    "H": 3600 * NS_PER_S,
    "D": 86_400 * NS_PER_S,
}
_WEIGHT_HEADER = "x-mbx-used-weight-"
_ORDER_HEADER = "x-mbx-order-count-"


class Counter(msgspec.Struct):
    """One pool of the venue: so many units in each aligned window."""

    kind: str
    interval_ns: int
    limit: int
    used: int = 0
    window: int = -1

    def roll(self, now_ns: int) -> None:
        """Empty the counter when ``now_ns`` lies in a later window."""
        window = now_ns // self.interval_ns
        if window > self.window:
            self.window = window
            self.used = 0

    def wait_ns(self, cost: int, share: float, now_ns: int) -> int:
        """Return how long ``cost`` units must wait, when ``share`` of the pool is usable."""
        self.roll(now_ns)
        if self.used + cost <= self.limit * share:
            return 0
        return (self.window + 1) * self.interval_ns - now_ns


def spot_counters() -> list[Counter]:
    """Return the pools that every Spot account starts with, until exchangeInfo tells better."""
    return [
        Counter(WEIGHT, _UNIT_NS["M"], 6000),
        Counter(ORDERS, 10 * _UNIT_NS["S"], 50),
        Counter(ORDERS, _UNIT_NS["D"], 160_000),
        Counter(RAW, 5 * _UNIT_NS["M"], 300_000),
    ]


class Budget:
    """What one account may still send.

    Weight belongs to the IP address and orders to the account: accounts on one machine
    pass the same ``shared`` counters and keep their own order counters.
    All times are Unix nanoseconds of the venue's clock.
    """

    def __init__(
        self, *, shared: Iterable[Counter] | None = None, reserve: float = RESERVE
    ) -> None:
        own = spot_counters()
        if shared is not None:
            own = [counter for counter in own if counter.kind == ORDERS] + list(shared)
        self._counters = {(counter.kind, counter.interval_ns): counter for counter in own}
        self._reserve = reserve
        self._blocked_until_ns = 0

    @property
    def shared(self) -> list[Counter]:
        """The counters that belong to the IP address."""
        return [counter for counter in self._counters.values() if counter.kind != ORDERS]

    @property
    def blocked_until_ns(self) -> int:
        """Until when the venue told us to keep away; 0 = never."""
        return self._blocked_until_ns

    def may_send(self, weight: int, is_order: bool, is_cancel: bool, now_ns: int) -> int:
        """Return 0 to send now, else the nanoseconds to wait.

        ``is_cancel`` marks cancels and exits: they may use the reserve and are held back
        neither by a 429 nor by a 418 (T44).
        """
        wait = 0 if is_cancel else max(0, self._blocked_until_ns - now_ns)
        share = 1.0 if is_cancel else 1.0 - self._reserve
        for counter in self._counters.values():
            cost = _cost(counter.kind, weight, is_order)
            if cost:
                wait = max(wait, counter.wait_ns(cost, share, now_ns))
        return wait

    def sent(self, weight: int, is_order: bool, now_ns: int) -> None:
        """Count a request that is on its way; the venue's figures correct it later."""
        for counter in self._counters.values():
            counter.roll(now_ns)
            counter.used += _cost(counter.kind, weight, is_order)

    def take_headers(self, headers: Mapping[str, str], now_ns: int, status: int = 200) -> None:
        """Take the venue's counts from reply headers (lower-case names).

        A 418 or 429 without ``Retry-After`` blocks until the minute ends.
        """
        if status in TOO_MUCH and "retry-after" not in headers:
            self.refused(now_ns)
        for name, text in headers.items():
            if not text.isdigit():
                continue
            if name.startswith(_WEIGHT_HEADER):
                self._take(WEIGHT, name[len(_WEIGHT_HEADER) :], int(text), now_ns)
            elif name.startswith(_ORDER_HEADER):
                self._take(ORDERS, name[len(_ORDER_HEADER) :], int(text), now_ns)
            elif name == "retry-after":
                self.block(now_ns + int(text) * NS_PER_S)

    def take_rate_limits(self, limits: Iterable[RateLimit], now_ns: int) -> None:
        """Take limits and counts from exchangeInfo or a WebSocket API reply."""
        for told in limits:
            unit_ns = _UNIT_NS.get(told.interval[:1])
            if unit_ns is None or told.interval_num <= 0:
                continue
            key = (told.rate_limit_type, unit_ns * told.interval_num)
            counter = self._counters.get(key)
            if counter is None:
                counter = self._counters[key] = Counter(*key, told.limit)
            counter.roll(now_ns)
            counter.limit = told.limit
            if told.count >= 0:
                counter.used = told.count

    def block(self, until_ns: int) -> None:
        """Send nothing but cancels before ``until_ns`` (``Retry-After``)."""
        self._blocked_until_ns = max(self._blocked_until_ns, until_ns)

    def block_until_ms(self, until_ms: int) -> None:
        """Do the same for ``error.data.retryAfter``, Unix ms."""
        self.block(until_ms * NS_PER_MS)

    def refused(self, now_ns: int) -> None:
        """Keep away until the minute ends, after a 429 or 418 that did not say how long."""
        minute_ns = _UNIT_NS["M"]
        self.block((now_ns // minute_ns + 1) * minute_ns)

    def used_share(self, kind: str, now_ns: int) -> float:
        """Return the fullest pool of ``kind`` as a fraction of its limit, for the screen."""
        shares = [0.0]
        for counter in self._counters.values():
            if counter.kind == kind and counter.limit:
                counter.roll(now_ns)
                shares.append(counter.used / counter.limit)
        return max(shares)

    def _take(self, kind: str, interval: str, count: int, now_ns: int) -> None:
        unit_ns = _UNIT_NS.get(interval[-1:].upper())
        if unit_ns is None or not interval[:-1].isdigit():
            return
        counter = self._counters.get((kind, unit_ns * int(interval[:-1])))
        if counter is not None:
            counter.roll(now_ns)
            counter.used = count


def _cost(kind: str, weight: int, is_order: bool) -> int:
    if kind == WEIGHT:
        return weight
    if kind == ORDERS:
        return int(is_order)
    return int(kind == RAW)
