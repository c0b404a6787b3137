"""One REST request of Binance within the venue's limits, spot and futures alike (binance.md §5)."""

from __future__ import annotations

from collections.abc import Callable

from obiterm.core.errors import RetryLater
from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.net.http import HttpPool
from obiterm.net.http_parser import HttpReply
from obiterm.venues.binance.futures.errors import read_error
from obiterm.venues.binance.limits import TOO_MUCH, Budget
from obiterm.venues.binance.requests import HttpRequest


async def send_within(
    pool: HttpPool,
    budget: Budget,
    request: HttpRequest,
    venue_ns: Callable[[], int],
    *,
    urgent: bool = False,
) -> HttpReply:
    """Send a request within the venue's limits; cancels and exits are never kept back (T44).

    Raises ``RetryLater`` instead of sending when the limits do not allow it.
    """
    now_ns = venue_ns()
    wait_ns = budget.may_send(request.weight, request.is_order, urgent, now_ns)
    if wait_ns and not urgent:
        raise RetryLater(
            "limit",
            f"the venue's limits allow no more for {wait_ns / NS_PER_S:.1f} s",
            retry_after_ms=wait_ns // NS_PER_MS,
        )
    budget.sent(request.weight, request.is_order, now_ns)
    reply = await pool.request(request.method, request.target, request.headers, request.body)
    take_limits(budget, reply, venue_ns())
    return reply


def take_limits(budget: Budget, reply: HttpReply, now_ns: int) -> None:
    """Take the venue's counts from a reply, and how long it wants to be left alone."""
    code = read_error(reply.status, reply.body).code if reply.status in TOO_MUCH else 0
    budget.take_headers(reply.headers, now_ns, reply.status, code)
