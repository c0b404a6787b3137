"""Request limits of Backpack as plain state (backpack.md §4).

The venue allows 2,000 requests per minute and subaccount, and 30 per minute on historical
data; it tells neither counts nor windows in its answers. So each limit is a steady rate with
a burst, sized so that no minute, wherever it starts, holds more than the venue allows. A
share is kept back for cancels and exits (T44). Whether ``/wapi/v1/history`` counts as
historical data is not documented: it is counted as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from obiterm.core.values import NS_PER_S
from obiterm.venues.common.budget import RESERVE, Bucket, Pools

REQUESTS = "REQUESTS"
HISTORY = "HISTORY"

TOO_MUCH = 429
"""HTTP status that means: over a limit."""

REQUESTS_PER_MINUTE = 2000
HISTORY_PER_MINUTE = 30
_REQUESTS_BURST = 500
_HISTORY_BURST = 10
_MINUTE_S = 60


def account_buckets() -> list[Bucket]:
    """Return the pools that every subaccount starts with."""
    return [
        _bucket(REQUESTS, REQUESTS_PER_MINUTE, _REQUESTS_BURST),
        _bucket(HISTORY, HISTORY_PER_MINUTE, _HISTORY_BURST),
    ]


class Budget(Pools):
    """What one subaccount may still send.

    Keys of one subaccount share its limits: pass the same ``buckets`` to each. All times are
    Unix nanoseconds of the venue's clock.
    """

    def __init__(
        self, *, buckets: Iterable[Bucket] | None = None, reserve: float = RESERVE
    ) -> None:
        self.buckets = list(buckets) if buckets is not None else account_buckets()
        super().__init__(self.buckets, reserve=reserve)

    def may_send(self, is_history: bool, is_cancel: bool, now_ns: int) -> int:
        """Return 0 to send now, else the nanoseconds to wait.

        ``is_cancel`` marks cancels and exits: they may use the reserve and are not held back
        by a 429 (T44).
        """
        return self.wait_ns(_costs(is_history), is_cancel, now_ns)

    def sent(self, is_history: bool, now_ns: int) -> None:
        """Count a request that is on its way."""
        self.spend(_costs(is_history), now_ns)

    def take_answer(
        self, status: int, headers: Mapping[str, str], is_history: bool, now_ns: int
    ) -> None:
        """Take a refusal for too many requests: others use this account's limit too.

        Header names are lower-case. ``Retry-After`` is not documented here; it is honoured if
        it comes. Without it the account keeps away until the minute ends, after a refusal of
        historical data only from historical data.
        """
        seconds = headers.get("retry-after", "")
        if seconds.isdigit():
            self.block(now_ns + int(seconds) * NS_PER_S)
        if status != TOO_MUCH:
            return
        kind = HISTORY if is_history else REQUESTS
        for bucket in self.buckets:
            if bucket.kind == kind:
                bucket.drain(now_ns)
        if not is_history and not seconds.isdigit():
            self.refused(now_ns)


def _bucket(kind: str, per_minute: int, burst: int) -> Bucket:
    return Bucket(kind, capacity=burst, per_s=(per_minute - burst) / _MINUTE_S)


def _costs(is_history: bool) -> dict[str, int]:
    return {REQUESTS: 1, HISTORY: int(is_history)}
