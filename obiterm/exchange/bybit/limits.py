"""Rate limits: requests per address, and per account and endpoint (bybit.md §3)."""

from __future__ import annotations

from collections import deque

import msgspec

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.exchange.bybit import errors
from obiterm.exchange.bybit.errors import ApiError


class BybitLimits(msgspec.Struct, frozen=True):
    """The figures of the venue; tests may tighten them."""

    requests_per_5s: int = 600
    """REST requests of one address; over it comes 403."""
    ban_s: int = 600
    """How long an address that went over it is kept out."""
    connects_per_5min: int = 500
    orders_scale: float = 1.0
    """Multiplies the quotas of the order endpoints (a VIP level has more)."""
    ping_every_s: float | None = None
    """The venue leaves pings to its clients."""
    pong_within_s: float = 600.0


class Rolling:
    """A counter over the last stretch of time."""

    __slots__ = ("_length_ns", "_times", "limit")

    def __init__(self, limit: int, length_ns: int = NS_PER_S) -> None:
        self.limit = limit
        self._length_ns = length_ns
        self._times: deque[int] = deque()

    def left(self, now_ns: int) -> int:
        """Return how many requests still fit."""
        while self._times and self._times[0] <= now_ns - self._length_ns:
            self._times.popleft()
        return self.limit - len(self._times)

    def take(self, count: int, now_ns: int) -> bool:
        """Count requests; False when they do not fit."""
        if self.left(now_ns) < count:
            return False
        self._times.extend([now_ns] * count)
        return True

    def opens_ns(self, now_ns: int) -> int:
        """Return when one more request fits."""
        if self.left(now_ns) > 0:
            return now_ns
        return self._times[0] + self._length_ns


class Address:
    """What one address has used."""

    def __init__(self, options: BybitLimits) -> None:
        self._ban_s = options.ban_s
        self._requests = Rolling(options.requests_per_5s, 5 * NS_PER_S)
        self._connects = Rolling(options.connects_per_5min, 300 * NS_PER_S)
        self._banned_until_ns = 0

    def admit(self, now_ns: int) -> None:
        """Count a request, or refuse it with HTTP 403."""
        if now_ns >= self._banned_until_ns:
            if self._requests.take(1, now_ns):
                return
            self._banned_until_ns = now_ns + self._ban_s * NS_PER_S
        raise ApiError(10006, "access too frequent", status=403)

    def admit_connect(self, now_ns: int) -> None:
        """Count a new socket, or refuse it with HTTP 403."""
        if now_ns < self._banned_until_ns or not self._connects.take(1, now_ns):
            raise ApiError(10006, "access too frequent", status=403)


class Limits:
    """All counters of the exchange."""

    def __init__(self, options: BybitLimits) -> None:
        self.options = options
        self._addresses: dict[str, Address] = {}
        self._quotas: dict[tuple[str, str], Rolling] = {}

    def address(self, name: str) -> Address:
        """Return the counters of an address."""
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = Address(self.options)
        return found

    def quota(self, account: str, group: str, per_second: int) -> Rolling:
        """Return an account's counter of an endpoint."""
        key = (account, group)
        found = self._quotas.get(key)
        if found is None:
            found = self._quotas[key] = Rolling(per_second)
        return found


def admit(quota: Rolling, count: int, now_ns: int) -> None:
    """Count a request of an account, or refuse it with 10006."""
    if not quota.take(count, now_ns):
        raise ApiError(errors.TOO_MANY, "Too many visits. Exceeded the API Rate Limit.")


def headers(quota: Rolling, now_ns: int) -> dict[str, str]:
    """Return the headers that tell a caller what is left."""
    return {
        "X-Bapi-Limit": str(quota.limit),
        "X-Bapi-Limit-Status": str(max(0, quota.left(now_ns))),
        "X-Bapi-Limit-Reset-Timestamp": str(quota.opens_ns(now_ns) // NS_PER_MS),
    }
