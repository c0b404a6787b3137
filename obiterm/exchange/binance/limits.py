"""Request weight per address, order counts per account, bans (binance.md §5).

Intervals are aligned to the clock: a counter starts again at the full minute,
at every tenth second, at midnight UTC.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from obiterm.core.values import NS_PER_S
from obiterm.exchange.binance.errors import ApiError

MAX_BAN_S = 3 * 24 * 3600


class LimitOptions(msgspec.Struct, frozen=True):
    """The pools of the exchange; ``exchangeInfo`` tells the same figures."""

    weight_per_minute: int = 6000
    orders_per_10s: int = 100
    orders_per_day: int = 160_000
    """0: there is no such limit."""
    orders_per_minute: int = 0
    fill_gives_back: bool = True
    """The first fill of an order gives its count back (spot)."""
    raw_per_5min: int = 300_000
    """0: there is no such limit."""
    abuse_before_ban: int = 20
    """Requests over the limit inside one minute before the address is banned (HTTP 418)."""
    ban_s: int = 120
    """Length of a first ban; it doubles with every further one, up to three days."""
    frames_per_second: int = 5
    """Frames that a client may send on a stream connection."""
    connects_per_5min: int = 300
    """Sockets that an address may open."""
    ping_every_s: float = 20.0
    """How often the exchange pings its sockets."""
    pong_within_s: float = 60.0
    """How long a socket may stay without a pong."""


class Window:
    """A counter that starts again with every interval of the clock."""

    __slots__ = ("_length_ns", "_slot", "limit", "used")

    def __init__(self, limit: int, length_s: int) -> None:
        self.limit = limit
        self.used = 0
        self._length_ns = length_s * NS_PER_S
        self._slot = -1

    def roll(self, now_ns: int) -> int:
        """Return the count of the interval that holds ``now_ns``."""
        slot = now_ns // self._length_ns
        if slot != self._slot:
            self._slot = slot
            self.used = 0
        return self.used

    def rest_s(self, now_ns: int) -> int:
        """Return whole seconds until the interval ends, at least one."""
        rest_ns = self._length_ns - now_ns % self._length_ns
        return max(1, -(-rest_ns // NS_PER_S))


class Address:
    """What one address has used."""

    def __init__(self, options: LimitOptions) -> None:
        self._options = options
        self.weight = Window(options.weight_per_minute, 60)
        self._raw = Window(options.raw_per_5min, 300)
        self._connects = Window(options.connects_per_5min, 300)
        self._abuse = Window(options.abuse_before_ban, 60)
        self._bans = 0
        self._banned_until_ns = 0

    def admit(self, weight: int, now_ns: int) -> None:
        """Count a request, or refuse it with 429 or 418."""
        if now_ns < self._banned_until_ns:
            raise self._ban_error(now_ns)
        self._raw.roll(now_ns)
        self._raw.used += 1
        if 0 < self._raw.limit < self._raw.used:
            raise self._over(
                f"Too many requests; current limit is {self._raw.limit} requests per 5 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API.",
                self._raw,
                now_ns,
            )
        if self.weight.roll(now_ns) + weight > self.weight.limit:
            raise self._over(
                f"Too much request weight used; current limit is {self.weight.limit} request "
                "weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid "
                "polling the API.",
                self.weight,
                now_ns,
            )
        self.weight.used += weight

    def admit_connect(self, now_ns: int) -> None:
        """Count a new socket, or refuse it with 429 or 418."""
        if now_ns < self._banned_until_ns:
            raise self._ban_error(now_ns)
        self._connects.roll(now_ns)
        self._connects.used += 1
        if self._connects.used > self._connects.limit:
            raise self._over(
                f"Too many connections; current limit is {self._connects.limit} per 5 MINUTE.",
                self._connects,
                now_ns,
            )

    def give_back(self, weight: int) -> None:
        """Return the weight of an order call that succeeded: it costs nothing."""
        self.weight.used = max(0, self.weight.used - weight)

    def _over(self, msg: str, window: Window, now_ns: int) -> ApiError:
        self._abuse.roll(now_ns)
        self._abuse.used += 1
        if self._abuse.used > self._abuse.limit:
            length_s = min(MAX_BAN_S, self._options.ban_s << self._bans)
            self._bans += 1
            self._banned_until_ns = now_ns + length_s * NS_PER_S
            return self._ban_error(now_ns)
        return ApiError(429, -1003, msg, retry_after_s=window.rest_s(now_ns))

    def _ban_error(self, now_ns: int) -> ApiError:
        rest_s = max(1, -(-(self._banned_until_ns - now_ns) // NS_PER_S))
        return ApiError(
            418,
            -1003,
            "Way too much request weight used; IP banned until "
            f"{self._banned_until_ns // 1_000_000}. Please use WebSocket Streams for live updates "
            "to avoid bans.",
            retry_after_s=rest_s,
        )


class OrderSpan(msgspec.Struct, frozen=True):
    """A span over which orders are counted, in the venue's spellings."""

    length_s: int
    number: int
    interval: str
    header: str


_TEN_SECONDS = OrderSpan(10, 10, "SECOND", "10S")
_MINUTE = OrderSpan(60, 1, "MINUTE", "1M")
_DAY = OrderSpan(86400, 1, "DAY", "1D")


def _spans(options: LimitOptions) -> list[tuple[OrderSpan, int]]:
    spans = [(_TEN_SECONDS, options.orders_per_10s)]
    if options.orders_per_minute:
        spans.append((_MINUTE, options.orders_per_minute))
    if options.orders_per_day:
        spans.append((_DAY, options.orders_per_day))
    return spans


class OrderCounts:
    """New orders of one account; on spot the first fill of an order gives its count back."""

    def __init__(self, options: LimitOptions) -> None:
        self._windows = [(span, Window(most, span.length_s)) for span, most in _spans(options)]
        self._gives_back = options.fill_gives_back
        self._unfilled: set[int] = set()

    def admit(self, count: int, now_ns: int) -> None:
        """Count new orders, or refuse with 429 and -1015."""
        for span, window in self._windows:
            if window.roll(now_ns) + count > window.limit:
                raise ApiError(
                    429,
                    -1015,
                    f"Too many new orders; current limit is {window.limit} orders per "
                    f"{span.number} {span.interval}.",
                    retry_after_s=window.rest_s(now_ns),
                )
        for _, window in self._windows:
            window.used += count

    def give_back(self, count: int) -> None:
        """Return counts of orders that never reached the book."""
        for _, window in self._windows:
            window.used = max(0, window.used - count)

    def accepted(self, order_ids: Iterable[int]) -> None:
        """Remember orders whose first fill gives a count back."""
        if self._gives_back:
            self._unfilled.update(order_ids)

    def filled(self, order_id: int) -> None:
        """Give back the count of an order at its first fill."""
        if order_id in self._unfilled:
            self._unfilled.discard(order_id)
            self.give_back(1)

    def ended(self, order_id: int) -> None:
        """Forget an order that ended without a fill; its count stays used."""
        self._unfilled.discard(order_id)

    def roll(self, now_ns: int) -> tuple[int, ...]:
        """Return the counts of the current spans, the shortest first."""
        return tuple(window.roll(now_ns) for _, window in self._windows)

    def headers(self, now_ns: int) -> dict[str, str]:
        """Return the counts as replies tell them."""
        return {
            f"X-MBX-ORDER-COUNT-{span.header}": str(window.roll(now_ns))
            for span, window in self._windows
        }

    def rules(self, now_ns: int) -> list[dict[str, object]]:
        """Return the counts with their limits."""
        return [
            _rule("ORDERS", span.interval, span.number, window.limit, window.roll(now_ns))
            for span, window in self._windows
        ]


class Limits:
    """All counters of the exchange."""

    def __init__(self, options: LimitOptions) -> None:
        self.options = options
        self._addresses: dict[str, Address] = {}
        self._orders: dict[str, OrderCounts] = {}

    def address(self, name: str) -> Address:
        """Return the counters of an address."""
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = Address(self.options)
        return found

    def orders(self, account: str) -> OrderCounts:
        """Return the order counts of an account."""
        found = self._orders.get(account)
        if found is None:
            found = self._orders[account] = OrderCounts(self.options)
        return found

    def rules(self) -> list[dict[str, object]]:
        """Return ``rateLimits`` of ``exchangeInfo``."""
        options = self.options
        raw = []
        if options.raw_per_5min:
            raw.append(_rule("RAW_REQUESTS", "MINUTE", 5, options.raw_per_5min))
        return [
            _rule("REQUEST_WEIGHT", "MINUTE", 1, options.weight_per_minute),
            *(_rule("ORDERS", span.interval, span.number, most) for span, most in _spans(options)),
            *raw,
        ]

    def order_rules(self, account: str, now_ns: int) -> list[dict[str, object]]:
        """Return the order counts with their limits, as queries and replies tell them."""
        return self.orders(account).rules(now_ns)

    def weight_rule(self, address: str, now_ns: int) -> dict[str, object]:
        """Return the used weight with its limit."""
        used = self.address(address).weight.roll(now_ns)
        return _rule("REQUEST_WEIGHT", "MINUTE", 1, self.options.weight_per_minute, used)


def _rule(
    kind: str, interval: str, number: int, limit: int, count: int | None = None
) -> dict[str, object]:
    rule: dict[str, object] = {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": limit,
    }
    if count is not None:
        rule["count"] = count
    return rule
