"""Request limits of Bybit as plain state (bybit.md §3).

Two kinds: so many requests per IP address in any 5 s, and so many per account, endpoint and
category in any second. The figures here are where every account starts; the venue's own in
the headers of each answer replace them (Q24). Windows roll, they are not aligned to the
clock. A share is kept back for cancels and exits (T44).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.venues.bybit.errors import RATE_LIMITED, is_address_limit
from obiterm.venues.bybit.symbols import Category
from obiterm.venues.common.budget import RESERVE

SLACK_NS = 50 * NS_PER_MS
"""How much longer than the venue's our windows are: requests arrive with unequal delays, so what
left a second apart may come closer together."""
ADDRESS_LIMIT = 600
ADDRESS_WINDOW_NS = 5 * NS_PER_S + SLACK_NS
ADDRESS_BAN_NS = 600 * NS_PER_S
"""How long the venue keeps an address away that went over its limit."""

_PER_SECOND = {
    "create": (10, 20),
    "amend": (10, 10),
    "cancel": (10, 20),
    "cancel-all": (10, 20),
    "create-batch": (10, 20),
    "amend-batch": (10, 20),
    "cancel-batch": (10, 20),
    "orders": (50, 50),
    "history": (50, 50),
    "executions": (50, 50),
    "positions": (50, 50),
    "position-setting": (10, 10),
    "wallet": (50, 50),
    "account": (50, 50),
    "fee-rate": (5, 5),
    "instruments": (10, 10),
    "key": (10, 10),
}
"""Endpoint to requests per second, ``(linear, spot)``, for an account without VIP level."""
_LINEAR, _SPOT = 0, 1

_LIMIT_HEADER = "x-bapi-limit"
_LEFT_HEADER = "x-bapi-limit-status"
_RESET_HEADER = "x-bapi-limit-reset-timestamp"


class RollingPool:
    """So many units in any window of a given length, wherever it starts.

    Attributes:
        kind: what it bounds, for people.
        limit: units in one window.
        window_ns: length of the window.
    """

    __slots__ = ("_blocked_until_ns", "_spent", "_used", "kind", "limit", "window_ns")

    def __init__(self, kind: str, limit: int, window_ns: int) -> None:
        self.kind = kind
        self.limit = limit
        self.window_ns = window_ns
        self._spent: deque[tuple[int, int]] = deque()
        self._used = 0
        self._blocked_until_ns = 0

    def used(self, now_ns: int) -> int:
        """Return the units spent in the window that ends at ``now_ns``."""
        self._forget(now_ns)
        return self._used

    def used_share(self, now_ns: int) -> float:
        """Return how full the window is, as a fraction of its limit; a blocked one is full."""
        if self.blocked_ns(now_ns):
            return 1.0
        return self.used(now_ns) / self.limit

    def wait_ns(self, cost: int, share: float, now_ns: int) -> int:
        """Return how long ``cost`` units must wait, when ``share`` of the pool is usable.

        What costs more than the usable share goes when the pool is empty.
        """
        self._forget(now_ns)
        wait = self.blocked_ns(now_ns)
        too_much = self._used + cost - max(cost, self.limit * share)
        if too_much <= 0:
            return wait
        for at_ns, units in self._spent:
            too_much -= units
            if too_much <= 0:
                return max(wait, at_ns + self.window_ns - now_ns)
        return wait

    def take(self, cost: int, now_ns: int) -> None:
        """Count units that are on their way."""
        self._forget(now_ns)
        self._spent.append((now_ns, cost))
        self._used += cost

    def told(self, limit: int, left: int, now_ns: int) -> None:
        """Take the venue's figures; it may know of requests that we do not."""
        self.limit = limit
        unseen = limit - left - self.used(now_ns)
        if unseen > 0:
            self.take(unseen, now_ns)

    def block(self, until_ns: int) -> None:
        """Send nothing from this pool before ``until_ns``."""
        self._blocked_until_ns = max(self._blocked_until_ns, until_ns)

    def blocked_ns(self, now_ns: int) -> int:
        """Return how long the venue still keeps us away; 0 when it does not."""
        return max(0, self._blocked_until_ns - now_ns)

    def _forget(self, now_ns: int) -> None:
        spent = self._spent
        while spent and spent[0][0] + self.window_ns <= now_ns:
            self._used -= spent.popleft()[1]


class Budget:
    """What one account may still send.

    Socket and REST orders share the account's pools. The address pool belongs to the
    machine: accounts on it pass the same one. Times are Unix nanoseconds of the venue's clock.
    """

    def __init__(self, *, address: RollingPool | None = None, reserve: float = RESERVE) -> None:
        self.address = address or RollingPool("address", ADDRESS_LIMIT, ADDRESS_WINDOW_NS)
        self._reserve = reserve
        self._pools: dict[tuple[str, Category], RollingPool] = {}

    def may_send(
        self,
        endpoint: str,
        category: Category,
        now_ns: int,
        *,
        cost: int = 1,
        is_cancel: bool = False,
        by_socket: bool = False,
    ) -> int:
        """Return 0 to send now, else the nanoseconds to wait.

        ``is_cancel`` marks cancels and exits: they may use the reserve. An address that the
        venue keeps away gets nothing through by REST, cancels neither; ``by_socket`` asks
        for the account's pools alone.
        """
        share = 1.0 if is_cancel else 1.0 - self._reserve
        wait = 0 if by_socket else self.address.wait_ns(1, share, now_ns)
        pool = self._pool(endpoint, category)
        return wait if pool is None else max(wait, pool.wait_ns(cost, share, now_ns))

    def sent(
        self,
        endpoint: str,
        category: Category,
        now_ns: int,
        *,
        cost: int = 1,
        by_socket: bool = False,
    ) -> None:
        """Count a request that is on its way; the venue's figures correct it later."""
        if not by_socket:
            self.address.take(1, now_ns)
        pool = self._pool(endpoint, category)
        if pool is not None:
            pool.take(cost, now_ns)

    def take_headers(
        self, endpoint: str, category: Category, headers: Mapping[str, str], now_ns: int
    ) -> None:
        """Take the venue's figures from the headers of a reply; names in lower case."""
        pool = self._pool(endpoint, category)
        limit = headers.get(_LIMIT_HEADER, "")
        left = headers.get(_LEFT_HEADER, "")
        if pool is None or not limit.isdigit() or not left.isdigit() or limit == "0":
            return
        pool.told(int(limit), int(left), now_ns)
        reset_ms = headers.get(_RESET_HEADER, "")
        if left == "0" and reset_ms.isdigit():
            pool.block(min(int(reset_ms) * NS_PER_MS, now_ns + pool.window_ns))

    def failed(
        self, endpoint: str, category: Category, http_status: int, code: int, msg: str, now_ns: int
    ) -> None:
        """Keep away after a refusal for too many requests.

        A code concerns the endpoint: a window. HTTP 403 concerns the address: ten minutes.
        """
        if is_address_limit(http_status, msg):
            self.address.block(now_ns + ADDRESS_BAN_NS)
        pool = self._pool(endpoint, category)
        if pool is not None and code in RATE_LIMITED:
            pool.block(now_ns + pool.window_ns)

    def used_share(self, now_ns: int) -> float:
        """Return the fullest pool as a fraction of its limit, for the screen."""
        pools = [self.address, *self._pools.values()]
        return max(pool.used_share(now_ns) for pool in pools)

    def _pool(self, endpoint: str, category: Category) -> RollingPool | None:
        """Return the pool of an endpoint; None for market data, which has the address's alone."""
        figures = _PER_SECOND.get(endpoint)
        if figures is None:
            return None
        key = (endpoint, category)
        pool = self._pools.get(key)
        if pool is None:
            limit = figures[_SPOT if category is Category.SPOT else _LINEAR]
            pool = self._pools[key] = RollingPool(endpoint, limit, NS_PER_S + SLACK_NS)
        return pool
