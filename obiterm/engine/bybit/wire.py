"""One REST host of Bybit, asked within the venue's limits (bybit.md §3, T44).

A request is built and signed when it leaves, not when it was wished: one that had to wait for
its limit carries a fresh time (T42).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, RetryLater
from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.net.conceal import Concealer
from obiterm.net.http import HttpPool, Written
from obiterm.net.http_parser import HttpReply
from obiterm.venues.bybit import Budget, Category, HttpRequest, Verdict, as_error
from obiterm.venues.bybit.envelope import failure_of, open_envelope
from obiterm.venues.bybit.errors import CLOCK_CODE

Build = Callable[[int], HttpRequest]
"""Takes the venue's time in Unix ms and returns the request, signed for it."""

_PATIENCE_NS = 3 * NS_PER_S
"""A question waits this long for its limit, all its waits together."""
_URGENT_PATIENCE_NS = 3 * NS_PER_S // 2
"""The same for cancels and exits, whose caller waits for 3 s in all."""
_HURRY_NS = 30 * NS_PER_S
_GET_TIMEOUT_S = 4.0
"""A question without an answer is asked again; nothing is lost by giving it up early."""
_POST_TIMEOUT_S = 10.0
_GOOD = b'{"retCode":0,'
_HTTP_OK = 200


class RestWire:
    """Requests of one account, or of the market side, to one host.

    Attributes:
        budget: what may still be sent.
        stopped: set when the venue refused key, right or address for good: nothing more is
            asked by whoever reads it.
    """

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        offset_ns: Callable[[], int],
        budget: Budget,
        on_bad_clock: Callable[[], None],
        conceal: Concealer | None = None,
    ) -> None:
        self.budget = budget
        self.stopped: AccountStopped | None = None
        self._pool = HttpPool(base_url, conceal=conceal)
        self._clock = clock
        self._offset_ns = offset_ns
        self._on_bad_clock = on_bad_clock
        self._hurries_until_ns = 0

    def venue_ns(self) -> int:
        """Return the venue's time in Unix ns (R14)."""
        return self._clock.wall_ns() + self._offset_ns()

    def venue_ms(self) -> int:
        """Return the venue's time in Unix ms."""
        return self.venue_ns() // NS_PER_MS

    def wait_ns(
        self, endpoint: str, category: Category, *, urgent: bool, by_socket: bool = False
    ) -> int:
        """Return 0 when a request may leave now, else how long it has to wait."""
        return self.budget.may_send(
            endpoint, category, self.venue_ns(), is_cancel=urgent, by_socket=by_socket
        )

    def hurry(self) -> None:
        """Let questions use the reserve for a while: a kill or an exit asks them (T44)."""
        self._hurries_until_ns = self._clock.monotonic_ns() + _HURRY_NS

    async def ask(self, build: Build, *, urgent: bool = False) -> HttpReply:
        """Send a request and return the reply, whatever it says.

        It waits for its limit for a moment; ``urgent`` marks cancels and exits, which may use
        the reserve. Raises ``RetryLater`` when nothing was sent, ``OutcomeUnknown`` when the
        venue may have acted.
        """
        patience_ns = _URGENT_PATIENCE_NS if urgent else _PATIENCE_NS
        while True:
            now_ns = self.venue_ns()
            request = build(now_ns // NS_PER_MS)
            wait_ns = self._room(request, now_ns, urgent=urgent)
            if not wait_ns:
                break
            if wait_ns > patience_ns:
                raise held_back(wait_ns)
            patience_ns -= wait_ns
            await asyncio.sleep(wait_ns / NS_PER_S)
        self.budget.sent(request.endpoint, request.category, now_ns, cost=request.cost)
        reply = await self._pool.request(
            request.method,
            request.target,
            request.headers,
            request.body,
            timeout_s=_GET_TIMEOUT_S if request.method == "GET" else _POST_TIMEOUT_S,
        )
        self._take(request, reply)
        return reply

    def write(self, build: Build, *, urgent: bool = False) -> tuple[HttpRequest, Written] | None:
        """Write a request in this turn of the loop; ``None`` when limit or connection say no.

        Its reply must be taken with ``answer``.
        """
        now_ns = self.venue_ns()
        request = build(now_ns // NS_PER_MS)
        if self._room(request, now_ns, urgent=urgent):
            return None
        written = self._pool.write_now(
            request.method, request.target, request.headers, request.body
        )
        if written is None:
            return None
        self.budget.sent(request.endpoint, request.category, now_ns, cost=request.cost)
        return request, written

    def rehearse(self, build: Build) -> None:
        """Build the bytes that ``write`` would write, and drop them."""
        request = build(self.venue_ms())
        self._pool.rehearse(request.method, request.target, request.headers, request.body)

    async def answer(self, request: HttpRequest, written: Written) -> HttpReply:
        """Wait for the reply to what ``write`` wrote. Raises ``OutcomeUnknown`` without one."""
        reply = await written.reply()
        self._take(request, reply)
        return reply

    async def keep_warm(self, count: int) -> None:
        """Hold connections ready, so that an order does not pay for one. Raises ``OSError``."""
        await self._pool.keep_warm(count)

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        self._pool.close()

    def _room(self, request: HttpRequest, now_ns: int, *, urgent: bool) -> int:
        hurries = self._clock.monotonic_ns() < self._hurries_until_ns
        passes = urgent or (hurries and request.method == "GET")
        return self.budget.may_send(
            request.endpoint, request.category, now_ns, cost=request.cost, is_cancel=passes
        )

    def _take(self, request: HttpRequest, reply: HttpReply) -> None:
        """Learn from a reply what the venue's limits and our time are."""
        now_ns = self.venue_ns()
        self.budget.take_headers(request.endpoint, request.category, reply.headers, now_ns)
        if reply.status == _HTTP_OK and reply.body.startswith(_GOOD):
            return
        failure = failure_of(reply.status, open_envelope(reply.body))
        if failure is None:
            return
        self.budget.failed(
            request.endpoint, request.category, failure.status, failure.code, failure.msg, now_ns
        )
        if failure.code == CLOCK_CODE:
            self._on_bad_clock()
        if failure.verdict is Verdict.STOP and self.stopped is None:
            error = as_error(failure.status, failure.code, failure.msg)
            self.stopped = error if isinstance(error, AccountStopped) else None


def held_back(wait_ns: int) -> RetryLater:
    """Return the error for a request that was kept back: nothing was sent."""
    return RetryLater(
        "limit",
        f"the venue's limits allow no more for {wait_ns / NS_PER_S:.1f} s",
        retry_after_ms=wait_ns // NS_PER_MS,
    )
