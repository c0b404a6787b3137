"""Tell of funding payments: the venue has no stream of them (§6.6, §11, T35)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from obiterm.core.errors import ObitermError
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S
from obiterm.engine.backpack.fills import FillReader
from obiterm.engine.gateway import Emit

_AFTER_NS = (3 * NS_PER_S, 30 * NS_PER_S)
"""How long after the end of an interval its payments are asked for; venues take a while."""


class FundingWatch:
    """Asks for payments after the end of every funding interval.

    Payments of intervals that ended before ``begin`` are not told.
    """

    def __init__(self, reader: FillReader, venue_ns: Callable[[], int]) -> None:
        self._reader = reader
        self._venue_ns = venue_ns
        self._interval_ns = 0
        self._after_ns = 0
        self._told: set[str] = set()

    def begin(self, instruments: Iterable[Instrument]) -> None:
        """Take the shortest interval of the account's perpetuals."""
        lengths = [one.funding_interval_s for one in instruments if one.funding_interval_s]
        self._interval_ns = min(lengths, default=0) * NS_PER_S
        self._after_ns = self._after_ns or self._venue_ns()

    async def run(self, emit: Emit) -> None:
        """Tell of payments until cancelled; returns at once without perpetuals."""
        while self._interval_ns:
            now_ns = self._venue_ns()
            await asyncio.sleep((self._next_ns(now_ns) - now_ns) / NS_PER_S)
            try:
                payments = await self._reader.funding_since(self._after_ns)
            except ObitermError:
                continue  # the next time tells
            for payment in payments:
                if payment.payment_id not in self._told:
                    self._told.add(payment.payment_id)
                    emit(payment)

    def _next_ns(self, now_ns: int) -> int:
        """Return the next moment to ask, in the venue's time."""
        interval_ns = self._interval_ns
        waits_ns = [wait_ns for wait_ns in _AFTER_NS if wait_ns < interval_ns]
        begun_ns = now_ns // interval_ns * interval_ns
        moments = [begun_ns + wait_ns for wait_ns in waits_ns or [interval_ns // 2]]
        moments.append(moments[0] + interval_ns)
        return next(moment for moment in moments if moment > now_ns)
