"""Requests to Backpack within its limits, and what their failures mean for everybody (§4)."""

from __future__ import annotations

from collections.abc import Callable

from obiterm.core.errors import AccountStopped, OutcomeUnknown, RetryLater, VenueError
from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.net.http import HttpPool
from obiterm.net.http_parser import HttpReply
from obiterm.venues.backpack.errors import is_clock_fault
from obiterm.venues.backpack.limits import HISTORY, REQUESTS, Budget
from obiterm.venues.backpack.requests import HttpRequest
from obiterm.venues.backpack.rest_codec import check

_FIREWALL = 403
_KEPT_AWAY_NS = 60 * NS_PER_S


class Firewall:
    """What the firewall in front of the venue says to our address; shared by all accounts.

    Attributes:
        until_ns: our time until which nothing but cancels and exits is sent.
    """

    def __init__(self) -> None:
        self.until_ns = 0


class Caller:
    """Sends requests of one account, or of nobody in particular.

    Limits are counted by our own steady clock: a step of the venue's must not stop them.

    Attributes:
        budget: what may still be sent.
        stopped: the refusal after which the account must stop: key or permission.
        clock_suspect: set when the venue refused our time; whoever measures clears it.
    """

    def __init__(
        self,
        pool: HttpPool,
        budget: Budget,
        now_ns: Callable[[], int],
        firewall: Firewall | None = None,
    ) -> None:
        self.budget = budget
        self.firewall = firewall or Firewall()
        self.stopped: AccountStopped | None = None
        self.clock_suspect = False
        self._pool = pool
        self._now_ns = now_ns

    def wait_ns(self, *, is_history: bool = False, urgent: bool = False) -> int:
        """Return 0 to send now, else how long the limits ask to wait."""
        now_ns = self._now_ns()
        wait_ns = self.budget.may_send(is_history, urgent, now_ns)
        return wait_ns if urgent else max(wait_ns, self.firewall.until_ns - now_ns)

    async def get(self, request: HttpRequest, *, urgent: bool = False) -> HttpReply:
        """Send a request and return its reply; raise the venue's refusal."""
        reply = await self.ask(request, urgent=urgent)
        check(reply.status, reply.headers, reply.body)
        return reply

    async def ask(self, request: HttpRequest, *, urgent: bool = False) -> HttpReply:
        """Send a request and return its reply, whatever its status.

        ``urgent`` marks what serves cancels and exits: it is never kept back (T44). Raises
        ``RetryLater`` instead of sending when the limits do not allow it.
        """
        wait_ns = self.wait_ns(is_history=request.is_history, urgent=urgent)
        if wait_ns > 0 and not urgent:
            raise RetryLater(
                "limit",
                f"the venue's limits allow no more for {wait_ns / NS_PER_S:.1f} s",
                retry_after_ms=wait_ns // NS_PER_MS,
            )
        self.sent(request)
        reply = await self._pool.request(
            request.method, request.target, request.headers, request.body
        )
        self.answered(request, reply)
        return reply

    def sent(self, request: HttpRequest) -> None:
        """Count a request that is on its way."""
        self.budget.sent(request.is_history, self._now_ns())

    def answered(self, request: HttpRequest, reply: HttpReply) -> None:
        """Learn from a reply what holds for every other request too."""
        now_ns = self._now_ns()
        self.budget.take_answer(reply.status, reply.headers, request.is_history, now_ns)
        try:
            check(reply.status, reply.headers, reply.body)
        except AccountStopped as error:
            self.stopped = error
        except RetryLater as error:
            if is_clock_fault(error.code, error.text):
                self.clock_suspect = True
            elif reply.status == _FIREWALL:
                self.firewall.until_ns = now_ns + _KEPT_AWAY_NS
        except (VenueError, OutcomeUnknown):
            return  # it concerns the one who asked

    def used_share(self) -> float:
        """Return the used part of the fullest limit, 0 to 1."""
        now_ns = self._now_ns()
        return max(self.budget.used_share(kind, now_ns) for kind in (REQUESTS, HISTORY))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
