"""Request weights and order counts of Binance futures (binance.md §5, §9.1).

Weight, order count and their windows are shared with COIN-M since 2026-06-30. Funding
history has a pool of its own. The figures here are where an account starts; exchangeInfo,
reply headers and ``rateLimits`` of WebSocket API replies replace them (Q24).
"""

from __future__ import annotations

from collections.abc import Iterable

from obiterm.core.values import NS_PER_S
from obiterm.venues.binance.futures.http_request import FuturesRequest
from obiterm.venues.binance.limits import ORDERS, RESERVE, WEIGHT, Ban, Budget, Counter

FUNDING = "FUNDING"
"""Pool of ``fundingRate`` and ``fundingInfo``: calls, not weight."""

_MINUTE_NS = 60 * NS_PER_S


def futures_counters() -> list[Counter]:
    """Return the pools that every futures account starts with."""
    return [
        Counter(WEIGHT, _MINUTE_NS, 2400),
        Counter(ORDERS, 10 * NS_PER_S, 300, keeps=True),
        Counter(ORDERS, _MINUTE_NS, 1200, keeps=True),
        Counter(FUNDING, 5 * _MINUTE_NS, 500),
    ]


class FuturesBudget(Budget):
    """What one account may still send: weight and funding calls of its IP, orders of its own."""

    def __init__(
        self,
        *,
        shared: Iterable[Counter] | None = None,
        reserve: float = RESERVE,
        ban: Ban | None = None,
    ) -> None:
        super().__init__(shared=shared, reserve=reserve, counters=futures_counters(), ban=ban)

    def may_request(self, request: FuturesRequest, urgent: bool, now_ns: int) -> int:
        """Return 0 to send ``request`` now, else the nanoseconds to wait.

        ``urgent`` marks cancels and exits: they may use the reserve and are held back
        neither by a 429 nor by a 418 (T44).
        """
        return self.wait_ns(_costs(request), urgent, now_ns)

    def requested(self, request: FuturesRequest, now_ns: int) -> None:
        """Count a request that is on its way; the venue's figures correct it later."""
        self.spend(_costs(request), now_ns)


def _costs(request: FuturesRequest) -> dict[str, int]:
    return {
        WEIGHT: request.weight,
        ORDERS: request.orders,
        FUNDING: int(request.is_funding),
    }
