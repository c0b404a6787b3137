"""Request weights and order counts of Binance as plain state (binance.md §5).

Limits are the venue's own figures (Q24): from exchangeInfo, from reply headers and
from ``rateLimits`` of WebSocket API replies. Windows are aligned to the clock, not
sliding. A share is kept back for cancels and exits (T44).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from obiterm.core.values import NS_PER_S
from obiterm.venues.binance.messages import RateLimit
from obiterm.venues.common.budget import RESERVE, Ban, Counter, Pools

__all__ = [
    "ORDERS",
    "RAW",
    "RESERVE",
    "TOO_MANY_ORDERS",
    "TOO_MUCH",
    "WEIGHT",
    "Ban",
    "Budget",
    "Counter",
    "spot_counters",
]

WEIGHT = "REQUEST_WEIGHT"
ORDERS = "ORDERS"
RAW = "RAW_REQUESTS"

TOO_MUCH = frozenset({418, 429})
"""HTTP statuses that mean: over a limit, or banned for it."""
TOO_MANY_ORDERS = -1015
"""Code of the one limit that belongs to the account and not to its address."""

_UNIT_NS = {
    "S": NS_PER_S,
    "M": 60 * NS_PER_S,
    "H": 3600 * NS_PER_S,
    "D": 86_400 * NS_PER_S,
}
_WEIGHT_HEADER = "x-mbx-used-weight-"
_ORDER_HEADER = "x-mbx-order-count-"


def spot_counters() -> list[Counter]:
    """Return the pools that every Spot account starts with, until exchangeInfo tells better."""
    return [
        Counter(WEIGHT, _UNIT_NS["M"], 6000),
        Counter(ORDERS, 10 * _UNIT_NS["S"], 50, keeps=True),
        Counter(ORDERS, _UNIT_NS["D"], 160_000),
        Counter(RAW, 5 * _UNIT_NS["M"], 300_000),
    ]


class Budget(Pools):
    """What one account may still send.

    Weight belongs to the IP address and orders to the account: accounts on one machine
    pass the same ``shared`` counters and ``ban`` and keep their own order counters.
    ``counters`` are the pools to start with, Spot's if none are given.
    All times are Unix nanoseconds of the venue's clock.
    """

    def __init__(
        self,
        *,
        shared: Iterable[Counter] | None = None,
        reserve: float = RESERVE,
        counters: Iterable[Counter] | None = None,
        ban: Ban | None = None,
    ) -> None:
        own = spot_counters() if counters is None else list(counters)
        if shared is not None:
            own = [counter for counter in own if counter.kind == ORDERS] + list(shared)
        super().__init__(own, reserve=reserve, ban=ban)
        self._counters = {(counter.kind, counter.interval_ns): counter for counter in own}

    @property
    def shared(self) -> list[Counter]:
        """The counters that belong to the IP address."""
        return [counter for counter in self._counters.values() if counter.kind != ORDERS]

    def may_send(self, weight: int, is_order: bool, is_cancel: bool, now_ns: int) -> int:
        """Return 0 to send now, else the nanoseconds to wait.

        ``is_cancel`` marks cancels and exits: they may use the reserve and are held back
        neither by a 429 nor by a 418 (T44).
        """
        return self.wait_ns(_costs(weight, is_order), is_cancel, now_ns)

    def sent(self, weight: int, is_order: bool, now_ns: int) -> None:
        """Count a request that is on its way; the venue's figures correct it later."""
        self.spend(_costs(weight, is_order), now_ns)

    def take_headers(
        self, headers: Mapping[str, str], now_ns: int, status: int = 200, code: int = 0
    ) -> None:
        """Take the venue's counts from reply headers (lower-case names).

        A 418 or 429 without ``Retry-After`` blocks until the minute ends: the address, or for
        ``-1015`` (``code``) the account alone.
        """
        own = code == TOO_MANY_ORDERS
        if status in TOO_MUCH and "retry-after" not in headers:
            self.refused(now_ns, own=own)
        for name, text in headers.items():
            if not text.isdigit():
                continue
            if name.startswith(_WEIGHT_HEADER):
                self._take(WEIGHT, name[len(_WEIGHT_HEADER) :], int(text), now_ns)
            elif name.startswith(_ORDER_HEADER):
                self._take(ORDERS, name[len(_ORDER_HEADER) :], int(text), now_ns)
            elif name == "retry-after":
                self.block(now_ns + int(text) * NS_PER_S, own=own)

    def take_rate_limits(self, limits: Iterable[RateLimit], now_ns: int) -> None:
        """Take limits and counts from exchangeInfo or a WebSocket API reply."""
        for told in limits:
            unit_ns = _UNIT_NS.get(told.interval[:1])
            if unit_ns is None or told.interval_num <= 0:
                continue
            key = (told.rate_limit_type, unit_ns * told.interval_num)
            counter = self._counters.get(key)
            if counter is None:
                counter = self._count(*key, told.limit)
            counter.limit = told.limit
            if told.count >= 0:
                counter.told(told.count, now_ns)

    def take_limits_of(self, other: Budget) -> None:
        """Take the order limits that another budget was told by exchangeInfo, not its counts."""
        for key, told in other._counters.items():
            if told.kind == ORDERS:
                known = self._counters.get(key) or self._count(*key, told.limit)
                known.limit = told.limit

    def _count(self, kind: str, interval_ns: int, limit: int) -> Counter:
        """Draw from one more pool from now on."""
        keeps = kind == ORDERS and interval_ns <= _UNIT_NS["M"]
        counter = self._counters[kind, interval_ns] = Counter(kind, interval_ns, limit, keeps)
        self.add(counter)
        return counter

    def _take(self, kind: str, interval: str, count: int, now_ns: int) -> None:
        unit_ns = _UNIT_NS.get(interval[-1:].upper())
        if unit_ns is None or not interval[:-1].isdigit():
            return
        counter = self._counters.get((kind, unit_ns * int(interval[:-1])))
        if counter is not None:
            counter.told(count, now_ns)


def _costs(weight: int, is_order: bool) -> dict[str, int]:
    return {WEIGHT: weight, ORDERS: int(is_order), RAW: 1}
