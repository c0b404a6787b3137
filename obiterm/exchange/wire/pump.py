"""Moves the market with the clock and sends out what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.exchange.wire.office import Office

BEAT_MS = 100
SHORTEST_NAP_NS = NS_PER_MS
_BEAT_NS = BEAT_MS * NS_PER_MS


class Pump:
    """Advances the core by the wall clock; beats are aligned to tenths of a second."""

    def __init__(self, office: Office, beat: Callable[[int], None]) -> None:
        self._office = office
        self._beat = beat

    async def run(self) -> None:
        """Run until cancelled."""
        next_beat_ns = self._after(self._office.market_ns())
        while True:
            now_ns = self._office.market_ns()
            self._office.venue.advance(now_ns)
            self._office.flush(now_ns)
            if now_ns >= next_beat_ns:
                self._beat(now_ns)
                next_beat_ns = self._after(now_ns)
            wake_ns = next_beat_ns
            event_ns = self._office.venue.next_event_ns()
            if event_ns is not None:
                wake_ns = min(wake_ns, event_ns)
            nap_ns = max(SHORTEST_NAP_NS, wake_ns - self._office.market_ns())
            await asyncio.sleep(nap_ns / NS_PER_S)

    @staticmethod
    def _after(now_ns: int) -> int:
        return now_ns - now_ns % _BEAT_NS + _BEAT_NS
